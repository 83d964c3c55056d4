//! The sample token, built with vm-sdk: what an author's contract and this runtime say to each other.

use std::{fs, path::Path, time::Duration};

use futures_executor::block_on;
use vm_core::{
    Code, ContractName, DeployRequest, InvokeRequest, Receipt, RuntimeKind, Status, UpgradeRequest, VmProvider,
};

use vm_docker::{DockerConfig, Isolation};

use crate::{
    daemon::Daemon,
    world::{World, config},
};

fn code(artefact: &str) -> Code {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/artifacts").join(artefact);
    Code::new(RuntimeKind::Docker, fs::read(path).unwrap())
}

#[test]
fn the_token_is_deployed_used_and_upgraded() {
    let Some(daemon) = Daemon::shared() else { return };
    let world = World::start(config(daemon, "token"), Duration::from_secs(30));
    let name: ContractName = "token".parse().unwrap();
    let call = |method: &str, args: &[&str]| -> Receipt {
        let request =
            InvokeRequest::new(name.clone(), method).from("alice".parse().unwrap()).args(args.iter().copied());
        block_on(world.vm.invoke(request)).unwrap()
    };
    let balance = |who: &str| call("balance_of", &[who]).text.unwrap();

    let alice = "alice".parse().unwrap();
    let deploy = DeployRequest::new(name.clone(), "1".parse().unwrap(), code("token-v1.elf"));
    block_on(world.vm.deploy(deploy.from(alice).args(["1000"]))).unwrap();
    let transfer = call("transfer", &["bob", "300"]);
    assert_eq!(transfer.status, Status::Success);
    assert_eq!(transfer.events.len(), 1);
    assert_eq!((balance("alice"), balance("bob")), ("700".into(), "300".into()));

    let refused = call("transfer", &["bob", "701"]);
    assert_eq!(refused.status, Status::Revert);
    assert!(refused.text.is_some_and(|text| text.contains("insufficient balance: have 700, need 701")));
    assert!(refused.writes.is_empty());

    let upgrade = UpgradeRequest::new(name.clone(), "2".parse().unwrap(), code("token-v2.elf"));
    block_on(world.vm.upgrade(upgrade.from(alice))).unwrap();
    assert_eq!(call("burn", &["100"]).status, Status::Success);
    assert_eq!(call("schema_version", &[]).text.as_deref(), Some("2"));
    assert_eq!((balance("alice"), call("total_supply", &[]).text.unwrap()), ("600".into(), "900".into()));
}

/// vm-sdk starts the program again for each call, so that the container is kept.
#[test]
fn the_sdk_gives_each_call_a_process_of_its_own() {
    let Some(daemon) = Daemon::shared() else { return };
    let config = DockerConfig { isolation: Isolation::Call, ..config(daemon, "fresh-sdk") };
    let world = World::start(config, Duration::from_secs(30));
    let name: ContractName = "token".parse().unwrap();
    let alice = "alice".parse().unwrap();
    let deploy = DeployRequest::new(name.clone(), "1".parse().unwrap(), code("token-v1.elf"));
    block_on(world.vm.deploy(deploy.from(alice).args(["1000"]))).unwrap();
    for amount in 1..=5 {
        let request =
            InvokeRequest::new(name.clone(), "transfer").from(alice).args(["bob".to_owned(), amount.to_string()]);
        assert_eq!(block_on(world.vm.invoke(request)).unwrap().status, Status::Success);
    }
    let request = InvokeRequest::new(name, "balance_of").args(["bob"]);
    assert_eq!(block_on(world.vm.query(request)).unwrap().text.as_deref(), Some("15"));
    assert_eq!(world.detail("started"), "1");
}
