//! Solidity on the committed interface for contracts of other runtimes, `sdk/solidity/IVmContract.sol`: a vault that keeps tokens of
//! each of them.

use futures_executor::block_on;
use vm_core::{Change, ChangeRequest, Code, InvokeRequest, Receipt, RuntimeKind, Status, TraceLevel, Vm, VmProvider};

use crate::conformance::{artifact, containerd, deploy, machine, name, owner};

fn tokens() -> Vec<(&'static str, Code)> {
    let mut tokens = vec![
        ("native", Code::new(RuntimeKind::Native, "token")),
        ("wasm", Code::new(RuntimeKind::Wasm, artifact("token-v1.wasm"))),
    ];
    match containerd() {
        Some(_) => tokens.push(("docker", Code::new(RuntimeKind::Docker, artifact("token-v1.elf")))),
        None => println!("without containers: no feature docker, or VM_TEST_CONTAINERD does not name a containerd"),
    }
    tokens
}

fn invoke(vm: &Vm, contract: &str, method: &str, args: &[&str]) -> Receipt {
    let request = InvokeRequest::new(name(contract), method).args(args.iter().copied()).from(owner());
    block_on(vm.invoke(request.traced(TraceLevel::Calls))).unwrap()
}

fn text(vm: &Vm, contract: &str, method: &str, args: &[&str]) -> String {
    let receipt = invoke(vm, contract, method, args);
    assert_eq!(receipt.status, Status::Success, "{method}: {:?}", receipt.text);
    receipt.text.unwrap()
}

#[test]
fn solidity_keeps_tokens_of_every_other_runtime() {
    for (runtime, token) in tokens() {
        let vm = machine();
        deploy(&vm, "token", token, &["1000"]);
        let abi = String::from_utf8(artifact("vault.abi.json")).unwrap();
        deploy(&vm, "vault", Code::new(RuntimeKind::Evm, artifact("vault.bin")).with_abi(abi), &["token"]);
        assert_eq!(text(&vm, "vault", "tokenSize", &[]), "4", "{runtime}: EXTCODESIZE of a foreign contract");
        text(&vm, "token", "approve", &["contract:vault", "50"]);

        let receipt = invoke(&vm, "vault", "deposit", &["30"]);
        assert_eq!(receipt.status, Status::Success, "{runtime}: {:?}", receipt.text);
        let emitters: Vec<_> = receipt.events.iter().map(|event| event.contract.clone().unwrap().to_string()).collect();
        assert!(emitters.iter().any(|name| name == "token") && emitters.last().unwrap() == "vault", "{emitters:?}");
        let tree = receipt.trace.unwrap();
        let inner = tree.calls[0].calls().next().unwrap();
        assert_eq!((inner.runtime.unwrap().as_str(), &*inner.method), (runtime, "transfer_from"));
        assert_eq!(tree.gas_before.saturating_add(tree.calls[0].gas_used), receipt.gas_used);

        // What the token refuses reverts the vault, with the token's reason, unless the vault catches it.
        let receipt = invoke(&vm, "vault", "deposit", &["30"]);
        assert_eq!((receipt.status, receipt.writes.len()), (Status::Revert, 0), "{runtime}");
        assert!(receipt.text.unwrap().contains("allowance"), "{runtime}");
        // A view is a static call, also of what would change something.
        assert_eq!(text(&vm, "vault", "total", &[]), "30");
        let receipt = invoke(&vm, "vault", "meddle", &[]);
        assert_eq!(receipt.text.as_deref(), Some("state change in a read-only call"), "{runtime}");

        block_on(vm.change(ChangeRequest::new(name("token"), Change::Freeze).from(owner()))).unwrap();
        assert_eq!(text(&vm, "vault", "withdraw", &["10"]), "false");
        block_on(vm.change(ChangeRequest::new(name("token"), Change::Unfreeze).from(owner()))).unwrap();
        assert_eq!(text(&vm, "vault", "withdraw", &["10"]), "true");
        assert_eq!(text(&vm, "vault", "deposits", &["owner"]), "20");
        assert_eq!(text(&vm, "token", "balance_of", &["owner"]), "980");
        block_on(vm.stop()).unwrap();
    }
}
