//! What code is told to be, and what is refused for it.

use std::sync::Arc;

use vm_core::{Account, ErrorKind, InvokeRequest, Journal, MemoryBackend, StateBackend, StateKey, Status, Trap};
use vm_evm::{EvmConfig, EvmError, Fork, analyze};

use crate::machine::{Machine, address, assembled, compiled, name, refused};

fn bytes(contract: &str) -> (Vec<u8>, String) {
    let code = compiled(contract);
    let text = String::from_utf8(code.bytes).unwrap();
    let digits = text.trim().as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    (digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect(), code.abi.unwrap())
}

#[test]
fn a_compiled_contract() {
    let (code, abi) = bytes("Ledger");
    let mut report = analyze(&code, Fork::Istanbul);
    report.name_selectors(&abi).unwrap();
    let constructor = report.constructor.as_ref().unwrap();
    assert_eq!((report.size, constructor.offset, constructor.size), (code.len(), 0, report.runtime.offset));
    assert!(report.parts().all(|part| part.lacking.is_empty() && part.truncated_push.is_none()));
    assert_eq!(report.runtime.needs, Fork::Istanbul, "what it was compiled for");
    let found: Vec<_> = report.selectors.iter().map(|s| s.signature.clone().unwrap()).collect();
    let abi: Vec<serde_json::Value> = serde_json::from_str(&abi).unwrap();
    assert_eq!(found.len(), abi.iter().filter(|entry| entry["type"] == "function").count(), "{found:?}");
    assert!(found.contains(&"balanceOf(address)".to_owned()), "{found:?}");
    assert!(analyze(&code, Fork::Frontier).parts().any(|part| !part.lacking.is_empty()));
}

#[test]
fn sensitive_opcodes_and_data_are_told() {
    // DELEGATECALL, then SELFDESTRUCT behind a jump, and bytes that nothing reaches.
    let report = analyze(&[0x60, 0x05, 0x56, 0xf0, 0xff, 0x5b, 0xf4, 0xff, 0x0c, 0x62, 0x01], Fork::Osaka);
    let sensitive: Vec<_> = report.runtime.sensitive.iter().map(|used| (used.opcode, used.offset)).collect();
    assert_eq!(sensitive, [("DELEGATECALL", 6), ("SELFDESTRUCT", 7)]);
    let unreachable: Vec<_> = report.runtime.unreachable.iter().map(|s| (s.offset, s.size)).collect();
    assert_eq!(unreachable, [(3, 2), (8, 3)]);
    assert_eq!(report.runtime.reachable, 6);
    let report = analyze(&[0x5f, 0x62, 0x01], Fork::Osaka);
    assert_eq!(report.runtime.truncated_push.map(|push| (push.opcode, push.offset)), Some(("PUSH3", 1)));
    assert_eq!(analyze(&[0x0c], Fork::Osaka).runtime.undefined.len(), 1);
    assert_eq!(analyze(&[], Fork::Osaka).size, 0);
}

#[test]
fn the_table_of_forks_is_what_is_executed() {
    for fork in Fork::ALL {
        // An account for each opcode, whose code has enough on the stack for it.
        let backend = Arc::new(MemoryBackend::new());
        let journal = Journal::new(backend.snapshot().unwrap());
        let codes: Vec<Vec<u8>> =
            (0..=u8::MAX).map(|opcode| [&[0x60, 0x00].repeat(17)[..], &[opcode, 0x00]].concat()).collect();
        for (opcode, code) in codes.iter().enumerate() {
            let hash = alloy_primitives::keccak256(code).0;
            journal.put(StateKey::evm_code(&hash), code.clone().into());
            let account = Account { evm_code: Some(hash), ..Account::default() };
            account.store(&journal, &address(&format!("op{opcode}"))).unwrap();
        }
        let height = backend.snapshot().unwrap().height();
        backend.commit(height, height.next(), &journal.finish().writes).unwrap();
        let machine = Machine::over(backend, EvmConfig::new(fork), Default::default());
        for (opcode, code) in codes.iter().enumerate() {
            let report = analyze(code, fork).runtime;
            let known = report.undefined.is_empty() && report.lacking.is_empty() && opcode != 0xfe;
            let receipt = machine.send(InvokeRequest::new(address(&format!("op{opcode}")), "")).unwrap();
            // A jump to offset 0 is invalid in its own way.
            let jump = opcode == 0x56;
            let stopped = receipt.status == Status::Trap(Trap::InvalidInstruction);
            assert_eq!(stopped, !known || jump, "0x{opcode:02x} on {fork}: {}", receipt.status);
        }
    }
}

#[test]
fn opcodes_that_the_fork_lacks_are_refused_at_deploy_and_upgrade() {
    let machine = Machine::with(EvmConfig::new(Fork::London), Default::default());
    let reason = refused(machine.deploy("new", assembled("5f5ff3"), &[]));
    assert!(reason.contains("PUSH0 at offset 11 is not an opcode of london: it came with shanghai"), "{reason}");
    machine.deploy("old", assembled("60006000f3"), &[]).unwrap();
    assert!(refused(machine.upgrade("old", "2", assembled("5f5ff3"), &[])).contains("PUSH0"));
    // What is not reached is no code.
    machine.deploy("data", assembled("005f5c"), &[]).unwrap();
}

#[test]
fn a_policy_refuses_opcodes() {
    let config = EvmConfig::default().refuse_opcodes(["selfdestruct", "CALLCODE"]).unwrap();
    let machine = Machine::with(config, Default::default());
    let reason = refused(machine.deploy("mortal", assembled("33ff"), &[]));
    assert!(reason.contains("SELFDESTRUCT at offset 12 is refused"), "{reason}");
    machine.deploy("immortal", assembled("3300ff"), &[]).unwrap();
    let error = EvmConfig::default().refuse_opcodes(["SUICIDE"]).unwrap_err();
    assert_eq!(error, EvmError::Opcode { given: "SUICIDE".to_owned() });

    // Code that comes as call data is not seen at deployment: PUSH2 33ff PUSH0 MSTORE ... CREATE runs it as a constructor.
    machine.deploy("maker", assembled("6133ff5f526002601e5ff05f5260205ff3"), &[]).unwrap();
    let made = machine.invoke("maker", "", &[]);
    assert!(made.status.is_success() && made.output.iter().all(|byte| *byte == 0), "CREATE failed");
    let error = machine.deploy("again", assembled("33ff"), &[]).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Refused(_)) && machine.vm.record(&name("again")).unwrap().is_none());
}

proptest::proptest! {
    #[test]
    fn any_bytes_can_be_analysed(code in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        for fork in [Fork::Frontier, Fork::Osaka] {
            let report = analyze(&code, fork);
            let unreachable: usize = report.runtime.unreachable.iter().map(|stretch| stretch.size).sum();
            let metadata = report.metadata.as_ref().map_or(0, |metadata| metadata.size);
            // Instructions may overlap: a jump may go into what another instruction pushes over.
            assert!(report.runtime.reachable + unreachable + metadata >= report.runtime.size);
            assert!(report.parts().all(|part| part.offset + part.size <= code.len()));
            serde_json::from_str::<serde_json::Value>(&report.to_json()).unwrap();
        }
    }

    #[test]
    fn any_text_can_be_taken_for_an_artefact(text in "[0-9a-f_$x{}\"\\[\\]:, é]{0,80}") {
        let _ = vm_evm::artifact::read(text.as_bytes(), None);
        let artefact = serde_json::json!({ "abi": [], "bytecode": text });
        let _ = vm_evm::artifact::read(artefact.to_string().as_bytes(), Some("A"));
    }
}
