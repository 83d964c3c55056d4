//! EVM contracts through `Contract::call`, with journal, read set and write set but without the dispatcher, against bare revm
//! that re-uses its `Evm`: a token transfer, and work that only computes.
//!
//! `cargo bench -p vm-benches --bench evm` prints a table; `cargo xtask test` fetches the OpenZeppelin token. With the path of
//! creation code as hex text and call data behind `--`, that contract is measured instead.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_executor::block_on;
use vm_benches::bare_revm::BareRevm;
use vm_benches::turns::{Timing, measure};
use vm_benches::{host, solidity};
use vm_core::{
    Address, Call, Code, Contract, ContractName, DeployRequest, Entry, Env, GasSchedule, Interrupt, StateView, Version,
    Vm, VmProvider,
};
use vm_evm::{EvmConfig, EvmRuntime, artifact};

const SUPPLY: u64 = 1 << 62;

/// A contract, and a call of it.
struct Case {
    name: &'static str,
    code: Code,
    arguments: Vec<String>,
    call_data: Vec<u8>,
}

/// A deployed contract, to be called on its own.
struct Deployed {
    contract: Arc<dyn Contract>,
    view: Arc<dyn StateView>,
    env: Env,
    /// Empty: the input says it all.
    method: Arc<str>,
    interrupt: Interrupt,
    schedule: Arc<GasSchedule>,
    /// Its creation code with the encoded arguments.
    created_by: Vec<u8>,
}

impl Deployed {
    fn new(code: Code, arguments: &[String]) -> Self {
        let creation_code = hex(&code.bytes);
        let vm = Vm::builder().runtime(EvmRuntime::new(EvmConfig::default()).unwrap()).build().unwrap();
        let (name, alice) = (ContractName::new("contract").unwrap(), Address::from_name("alice"));
        block_on(async {
            vm.start().await.unwrap();
            let deployment = DeployRequest::new(name.clone(), Version::new("1").unwrap(), code);
            vm.deploy(deployment.from(alice).args(arguments)).await.unwrap();
        });
        let contract = vm.contract(&name).unwrap();
        let view = Arc::new(host::Table::of(&*vm.view().unwrap()).unwrap());
        let arguments = vm_core::Arguments::positional(arguments);
        let encoded = contract.interface().encode(&Entry::Deploy, "init", &arguments).unwrap();
        let created_by = [creation_code, encoded.input.to_vec()].concat();
        let (env, interrupt) = (host::env(name.address(), alice), Interrupt::after(Duration::from_secs(3600)));
        Self { contract, view, env, method: "".into(), interrupt, schedule: GasSchedule::v1(), created_by }
    }

    fn call(&self, call_data: &[u8]) {
        let input = bytes::Bytes::copy_from_slice(call_data);
        let call = Call { entry: Entry::Invoke, method: self.method.clone(), input };
        let (view, env) = (self.view.clone(), self.env.clone());
        let called = host::call(&*self.contract, view, env, &self.interrupt, &self.schedule, &call).unwrap();
        assert!(called.0.status.is_success(), "{called:?}");
    }
}

impl Case {
    fn measure(&self) -> [Timing; 3] {
        let alice = *Address::from_name("alice").as_bytes();
        let ours = Deployed::new(self.code.clone(), &self.arguments);
        let mut committing = BareRevm::new(alice, &ours.created_by).unwrap();
        let mut trying = BareRevm::new(alice, &ours.created_by).unwrap();
        let timings = measure(&mut [
            &mut || assert!(trying.try_call(alice, &self.call_data).unwrap() > 0),
            &mut || drop(committing.call(alice, &self.call_data).unwrap()),
            &mut || ours.call(&self.call_data),
        ]);
        timings.try_into().unwrap()
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let cases = match &arguments[..] {
        [] => cases(),
        [code, call_data] => {
            let code = std::fs::read_to_string(code).unwrap();
            vec![plain("given", &hex(code.as_bytes()), hex(call_data.as_bytes()))]
        }
        _ => panic!("expected nothing, or a file of hex text and call data"),
    };
    println!(
        "{:<22}{:>16}{:>16}{:>9}{:>18}{:>9}",
        "", "bare, result", "bare, commit", "ratio", "Contract::call", "ratio"
    );
    for case in cases {
        let [trying, committing, ours] = case.measure();
        print!("{:<22}{:>13.0} ns", case.name, trying.nanoseconds);
        print!("{:>13.0} ns{:>9.3}", committing.nanoseconds, committing.ratio);
        println!("{:>15.0} ns{:>9.3}", ours.nanoseconds, ours.ratio);
    }
}

fn cases() -> Vec<Case> {
    let bob = *Address::from_name("bob").as_bytes();
    let mut cases = vec![
        plain("transfer", &solidity::token(SUPPLY), solidity::transfer(bob, 1)),
        plain("hashes(10000)", &solidity::compute(), solidity::hashes(10_000)),
        plain("rays(10)", &solidity::compute(), solidity::rays(10)),
    ];
    match open_zeppelin() {
        Ok(code) => {
            let arguments = vec!["Gold".to_owned(), "GLD".to_owned(), SUPPLY.to_string()];
            let call_data = solidity::transfer(bob, 1);
            cases.insert(0, Case { name: "transfer, OpenZeppelin", code, arguments, call_data });
        }
        Err(error) => println!("skipped: {error}; cargo xtask test fetches OpenZeppelin's token"),
    }
    cases
}

fn plain(name: &'static str, creation_code: &[u8], call_data: Vec<u8>) -> Case {
    Case { name, code: Code::new(vm_core::RuntimeKind::Evm, creation_code), arguments: Vec::new(), call_data }
}

/// The token of OpenZeppelin that the tests of vm-evm use.
fn open_zeppelin() -> Result<Code, String> {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("openzeppelin").join("contracts.json");
    let bytes = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(artifact::read(&bytes, Some("Coin")).map_err(|error| error.to_string())?.into_code())
}

/// The bytes of hex text; other bytes as they are.
fn hex(text: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(text) {
        Ok(text) if text.trim().bytes().all(|digit| digit.is_ascii_hexdigit()) => solidity::decoded(text),
        _ => text.to_vec(),
    }
}
