//! The sample token in Solidity, as it is committed, through its whole life under old and new rules.

use vm_core::{Code, RuntimeKind, Status};
use vm_evm::{EvmConfig, Fork};

use crate::machine::{Machine, name};

fn token(version: u8) -> Code {
    let file = |suffix: &str| {
        let path = format!("{}/../contracts/artifacts/token-v{version}{suffix}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
    };
    Code::new(RuntimeKind::Evm, file(".bin")).with_abi(file(".abi.json"))
}

#[test]
fn deploy_transfer_upgrade_and_burn() {
    for fork in [Fork::Istanbul, Fork::Osaka] {
        let machine = Machine::with(EvmConfig::new(fork), Default::default());
        machine.deploy("token", token(1), &["1000"]).unwrap();
        machine.text("token", "transfer", &["bob", "300"]);
        let receipt = machine.invoke("token", "transfer", &["bob", "701"]);
        let want = "InsufficientBalance(have: 700, need: 701)";
        assert_eq!((receipt.status, receipt.text.as_deref()), (Status::Revert, Some(want)));

        machine.upgrade("token", "2", token(2).with_option("migrate", "constructor"), &[]).unwrap();
        machine.text("token", "burn", &["200"]);
        for (method, arguments, want) in [
            ("balanceOf", vec!["alice"], "500"),
            ("balanceOf", vec!["bob"], "300"),
            ("totalSupply", vec![], "800"),
            ("schemaVersion", vec![], "2"),
        ] {
            assert_eq!(machine.text("token", method, &arguments), want, "{method} on {fork}");
        }
        let record = machine.vm.record(&name("token")).unwrap().unwrap();
        assert_eq!((record.version.as_str(), record.versions), ("2", 2));
    }
}
