//! What the host tells constructors and migrations.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_executor::block_on;
use vm_core::{
    Address, Call, Code, CodeError, Contract, DeployRequest, Host, HostFault, Interface, Managed, Opaque, PrepareError, ProviderStatus,
    Return, RuntimeKind, RuntimeProvider, Status, Vm, VmProvider,
};
use vm_wasm::{WasmConfig, WasmRuntime};

use super::super::machine::machine;
use super::{call, contract, deploy_request, invoke, text, try_deploy, upgrade_request};

/// Writes down what it is told.
const TOLD: &str = r#"
    (func $note (call $put 'told' 'sender' (call $parameter '__sender_pk__')) (call $put 'told' 'creator' (call $parameter '__creator_pk__')))
    (func (export "init_contract") (call $note))
    (func (export "upgrade") (call $note)
        (call $put 'told' 'from' (call $parameter '__from_version__')) (call $put 'told' 'to' (call $parameter '__to_version__')))
    (func (export "told") (call $success (call $get 'told' (call $parameter 'field'))))
    (func (export "parameter") (call $success (call $parameter (call $parameter 'name'))))"#;

fn told(vm: &Vm, field: &str) -> String {
    text(vm, "it", "told", &[("field", field)])
}

#[test]
fn a_migration_is_told_both_versions() {
    let vm = machine();
    try_deploy(&vm, "it", contract(TOLD), &[]).unwrap();
    for name in ["__from_version__", "__to_version__"] {
        let status = invoke(&vm, "it", "parameter", &[("name", name)]).status;
        assert_eq!(status.to_string(), "trap: unreachable code executed", "{name} is there in migrations only");
        let forged = vm.invoke_sync(call("it", "parameter", &[(name, "9")])).unwrap_err().to_string();
        assert!(forged.contains(&format!("argument '{name}' is set by the host")), "{forged}");
    }
    let second = format!("{TOLD} (func (export \"second\"))");
    block_on(vm.upgrade(upgrade_request("it", contract(&second)))).unwrap();
    assert_eq!((told(&vm, "from"), told(&vm, "to")), ("1".into(), "2".into()));
}

/// A contract that does what was proposed, in the proposer's name, whoever approves.
#[derive(Clone, Default)]
struct Proposals(Arc<Mutex<Option<Managed>>>);

impl Proposals {
    fn approve(&self, vm: &Vm, proposed: Managed, by: Address) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(proposed);
        let receipt = vm.invoke_sync(call("proposals", "approve", &[]).from(by)).unwrap();
        assert_eq!(receipt.status, Status::Success, "{:?}", receipt.text);
    }
}

#[async_trait]
impl RuntimeProvider for Proposals {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Native
    }
    fn verify(&self, _: &Code) -> Result<(), CodeError> {
        Ok(())
    }
    async fn prepare(&self, _: &Code) -> Result<Arc<dyn Contract>, PrepareError> {
        Ok(Arc::new(self.clone()))
    }
    fn status(&self) -> ProviderStatus {
        ProviderStatus::healthy("proposals", "1")
    }
}

impl Contract for Proposals {
    fn call(&self, host: &mut dyn Host, _: &Call) -> Result<Return, HostFault> {
        let Some(proposed) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return Ok(Return::success(Vec::new()));
        };
        match host.transaction().manage(&proposed) {
            Ok(done) if done.changed => Ok(Return::success(Vec::new())),
            Ok(done) => Ok(Return::revert(done.outcome.output)),
            Err(stop) => stop.into_return(),
        }
    }
    fn interface(&self) -> &dyn Interface {
        &Opaque
    }
    fn keeps_apart(&self) -> bool {
        true
    }
}

#[test]
fn behind_a_proposal_it_is_the_proposer_who_deploys_and_upgrades() {
    let proposals = Proposals::default();
    let mut config = WasmConfig::default();
    config.engine = super::super::ENGINE;
    let runtime = WasmRuntime::new(config).unwrap();
    let vm = Vm::builder().runtime(runtime).runtime(proposals.clone()).workers(1).build().unwrap();
    block_on(vm.start()).unwrap();
    let code = Code::new(RuntimeKind::Native, "proposals");
    block_on(vm.deploy(DeployRequest::new("proposals".parse().unwrap(), "1".parse().unwrap(), code))).unwrap();
    let [alice, bob] = ["alice", "bob"].map(Address::from_name);

    proposals.approve(&vm, Managed::Deploy(deploy_request("it", contract(TOLD)).from(bob)), alice);
    assert_eq!((told(&vm, "creator"), told(&vm, "sender")), (bob.to_string(), bob.to_string()));
    let second = format!("{TOLD} (func (export \"second\"))");
    proposals.approve(&vm, Managed::Upgrade(upgrade_request("it", contract(&second)).from(bob)), alice);
    assert_eq!((told(&vm, "creator"), told(&vm, "sender"), told(&vm, "to")), (bob.to_string(), bob.to_string(), "2".into()));
}
