//! A machine with the EVM and the scripted native runtime, and short names for what the tests do with it.

use std::sync::{Arc, Mutex};

use futures_executor::block_on;
use vm_core::{
    Access, Account, Action, Address, Amount, AuditEvent, AuditResult, Authorizer, Change, ChangeRequest, Code,
    ContractName, Denied, DeployRequest, ErrorKind, Event, Gas, HostFault, HostPolicy, InvokeRequest, Journal, Limits,
    MemoryBackend, Observer, Receipt, RuntimeKind, StateBackend, StateKey, Status, UpgradeRequest, Vm, VmError,
    VmProvider,
};
use vm_evm::{EvmConfig, EvmRuntime};

use crate::native::NativeRuntime;

/// Who sends what the tests send. Has 1,000,000 of the asset.
pub fn alice() -> Address {
    Address::from_name("alice")
}

pub fn name(text: &str) -> ContractName {
    text.parse().unwrap()
}

pub fn address(text: &str) -> Address {
    text.parse().unwrap()
}

/// Creation code of a compiled contract.
pub fn compiled(contract: &str) -> Code {
    let file = |extension: &str| {
        let path = format!("{}/tests/contracts/{contract}.{extension}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
    };
    Code::new(RuntimeKind::Evm, file("bin")).with_abi(file("abi"))
}

/// Creation code that returns `runtime` (hex, up to 255 bytes) as the contract's code.
pub fn assembled(runtime: &str) -> Code {
    // PUSH1 length DUP1 PUSH1 offset PUSH1 0 CODECOPY PUSH1 0 RETURN
    Code::new(RuntimeKind::Evm, format!("60{:02x}80600b6000396000f3{runtime}", runtime.len() / 2))
}

pub struct Machine {
    pub vm: Vm,
    told: Told,
}

/// What was refused, as observers are told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Observer for Told {
    fn audit(&self, event: &AuditEvent<'_>) {
        if let AuditResult::Refused(_) = event.result {
            self.0.lock().unwrap().push(event.to_string());
        }
    }
}

impl Machine {
    /// One that was made elsewhere.
    pub fn of(vm: Vm) -> Self {
        Self { vm, told: Told::default() }
    }

    pub fn new() -> Self {
        Self::with(EvmConfig::default(), Limits::default())
    }

    pub fn with(config: EvmConfig, limits: Limits) -> Self {
        Self::over(Arc::new(MemoryBackend::new()), config, limits)
    }

    pub fn over(backend: Arc<dyn StateBackend>, config: EvmConfig, limits: Limits) -> Self {
        Self::build(backend, config, limits, HostPolicy::default()).unwrap()
    }

    /// With a policy of the host; or why it cannot be.
    pub fn governed(config: EvmConfig, limits: Limits, policy: HostPolicy) -> Result<Self, String> {
        Self::build(Arc::new(MemoryBackend::new()), config, limits, policy).map_err(|error| error.to_string())
    }

    fn build(
        backend: Arc<dyn StateBackend>,
        config: EvmConfig,
        limits: Limits,
        policy: HostPolicy,
    ) -> Result<Self, VmError> {
        let journal = Journal::new(backend.snapshot().unwrap());
        Account { balance: Amount::from(1_000_000), ..Account::default() }.store(&journal, &alice()).unwrap();
        let height = backend.snapshot().unwrap().height();
        backend.commit(height, height.next(), &journal.finish().writes).unwrap();
        let told = Told::default();
        let vm = Vm::builder()
            .authorizer(Rules)
            .observer(told.clone())
            .runtime(EvmRuntime::new(config).unwrap())
            .runtime(NativeRuntime)
            .backend(backend)
            .limits(limits)
            .policy(policy)
            .build()?;
        block_on(vm.start()).unwrap();
        Ok(Self { vm, told })
    }

    /// What was refused since this was asked before.
    pub fn refused(&self) -> Vec<String> {
        std::mem::take(&mut self.told.0.lock().unwrap())
    }

    /// A machine with contracts: `contract as name`.
    pub fn holding(contracts: &[(&str, &str)]) -> Self {
        let machine = Self::new();
        for (contract, as_name) in contracts {
            let code = match *contract {
                "native" => Code::new(RuntimeKind::Native, "script"),
                contract => compiled(contract),
            };
            let mut request = DeployRequest::new(name(as_name), "1".parse().unwrap(), code).from(alice());
            if *contract == "Ledger" {
                request = request.args(["1000", "first"]);
            }
            block_on(machine.vm.deploy(request)).unwrap();
        }
        machine
    }

    pub fn deploy(&self, as_name: &str, code: Code, arguments: &[&str]) -> Result<Receipt, VmError> {
        let request = DeployRequest::new(name(as_name), "1".parse().unwrap(), code).from(alice());
        block_on(self.vm.deploy(request.args(arguments.iter().copied())))
    }

    pub fn upgrade(&self, of: &str, version: &str, code: Code, arguments: &[&str]) -> Result<Receipt, VmError> {
        let request = UpgradeRequest::new(name(of), version.parse().unwrap(), code).from(alice());
        block_on(self.vm.upgrade(request.args(arguments.iter().copied())))
    }

    pub fn change(&self, of: &str, change: Change) {
        block_on(self.vm.change(ChangeRequest::new(name(of), change).from(alice()))).unwrap();
    }

    pub fn send(&self, request: InvokeRequest) -> Result<Receipt, VmError> {
        block_on(self.vm.invoke(request.from(alice())))
    }

    /// A call that the host performs, whatever its outcome.
    pub fn invoke(&self, of: &str, method: &str, arguments: &[&str]) -> Receipt {
        self.send(InvokeRequest::new(name(of), method).args(arguments.iter().copied())).unwrap()
    }

    /// A call that succeeds; its result as text.
    pub fn text(&self, of: &str, method: &str, arguments: &[&str]) -> String {
        let receipt = self.invoke(of, method, arguments);
        assert_eq!(receipt.status, Status::Success, "{method}: {:?}", receipt.text);
        receipt.text.unwrap()
    }

    pub fn query(&self, of: &str, method: &str, arguments: &[&str]) -> Receipt {
        let request = InvokeRequest::new(name(of), method).args(arguments.iter().copied());
        block_on(self.vm.query(request.from(alice()))).unwrap()
    }

    /// A call with whole call data.
    pub fn raw(&self, to: Address, data: Vec<u8>) -> Receipt {
        self.send(InvokeRequest::new(to, "").input(data)).unwrap()
    }

    pub fn account(&self, of: Address) -> Account {
        Account::load(&Journal::new(self.vm.view().unwrap()), &of).unwrap()
    }

    pub fn balance(&self, of: &str) -> Amount {
        let contract =
            of.parse().ok().and_then(|name| self.vm.record(&name).unwrap()).map(|record| record.name.address());
        self.account(contract.unwrap_or_else(|| address(of))).balance
    }

    pub fn slot(&self, of: Address, slot: u8) -> Option<u64> {
        let mut key = [0; 32];
        key[31] = slot;
        let bytes = self.vm.view().unwrap().get(&StateKey::evm_storage(&of, &key)).unwrap()?;
        Some(bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
    }

    /// A key of a native contract.
    pub fn key(&self, of: &str, key: u8) -> Option<u8> {
        self.vm.view().unwrap().get(&StateKey::contract(&name(of), &[key])).unwrap().map(|value| value[0])
    }

    /// The events as their emitter and the number in their only topic.
    pub fn numbered(events: &[Event]) -> Vec<(Address, u8)> {
        events.iter().map(|e| (e.address, *e.topics[0].last().unwrap())).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = block_on(self.vm.stop());
    }
}

/// The reason of a deployment or upgrade that the contract refused.
pub fn failed(result: Result<Receipt, VmError>) -> Receipt {
    match result.unwrap_err().kind {
        ErrorKind::Failed(receipt) => *receipt,
        other => panic!("expected the contract's failure, got {other}"),
    }
}

pub fn fault(result: Result<Receipt, VmError>) -> HostFault {
    match result.unwrap_err().kind {
        ErrorKind::Fault(fault) => fault,
        other => panic!("expected a host fault, got {other}"),
    }
}

pub fn refused(result: Result<Receipt, VmError>) -> String {
    match result.unwrap_err().kind {
        ErrorKind::Refused(refusal) => refusal.to_string(),
        other => panic!("expected a refusal, got {other}"),
    }
}

pub const fn gas(units: u64) -> Gas {
    Gas::new(units)
}

/// The default rules, a contract named `private` that only alice and other contracts than `stranger` may call, and one named
/// `picky` whose method `store(uint256)` nobody may call.
struct Rules;

impl Authorizer for Rules {
    fn authorize(&self, access: &Access<'_>) -> Result<(), Denied> {
        match access.action {
            Action::Call { .. }
                if access.contract.as_str() == "private" && access.actor == name("stranger").address() =>
            {
                Err(access.denied("not the stranger"))
            }
            Action::Call { method: "0x6057361d" } if access.contract.as_str() == "picky" => {
                Err(access.denied("nothing is stored here"))
            }
            _ => Ok(()),
        }
    }
}
