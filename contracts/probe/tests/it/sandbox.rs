//! The probe does what its methods say; tests of runtimes rely on it.

use probe::{Probe, ProbeClient};
use vm_sdk::abi::Input;
use vm_sdk::testing::Sandbox;
use vm_sdk::{Entries, Result, borsh};

fn deployed() -> (Sandbox, ProbeClient) {
    let mut sandbox = Sandbox::new();
    sandbox.from("alice").deploy::<Probe>("one", &"").unwrap();
    sandbox.from("alice").deploy::<Probe>("two", &"").unwrap();
    (sandbox, ProbeClient::at("one"))
}

fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn hooks_refuse_when_told_to() {
    let mut sandbox = Sandbox::new();
    assert_eq!(message(sandbox.from("alice").deploy::<Probe>("one", &"no")), "no");
    sandbox.from("alice").deploy::<Probe>("one", &"").unwrap();
    assert_eq!(message(sandbox.from("alice").upgrade::<Probe>("one", "2", &"no")), "no");
    assert_eq!(sandbox.state("one", b"upgraded"), None);
    sandbox.from("alice").upgrade::<Probe>("one", "2", &"").unwrap();
    let versions = format!("{} -> 2", env!("CARGO_PKG_VERSION"));
    assert_eq!(sandbox.state("one", b"upgraded"), Some(versions.as_bytes()));
}

#[test]
fn state() {
    let (mut sandbox, probe) = deployed();
    sandbox.from("alice").run(|cx| probe.put(cx, b"a", b"1")).unwrap();
    sandbox.from("alice").run(|cx| probe.put(cx, b"b", b"")).unwrap();
    sandbox.from("alice").run(|cx| probe.put(cx, b"c", b"3")).unwrap();
    assert_eq!(sandbox.from("x").run(|cx| probe.get(cx, b"a")).unwrap(), b"1");
    assert_eq!(sandbox.from("x").run(|cx| probe.has(cx, b"b")), Ok(true));
    let entries = sandbox.from("x").run(|cx| probe.scan(cx, b"a", b"c", 9)).unwrap();
    let entries: Entries = borsh::from_slice(&entries).unwrap();
    assert_eq!(entries, [(b"a".to_vec(), b"1".to_vec()), (b"b".to_vec(), vec![])]);
    sandbox.from("alice").run(|cx| probe.delete(cx, b"a")).unwrap();
    assert_eq!(message(sandbox.from("x").run(|cx| probe.get(cx, b"a"))), "no such key");
    assert_eq!(sandbox.from("x").run(|cx| probe.count(cx, b"n")), Ok(1));
    assert_eq!(sandbox.from("x").run(|cx| probe.count(cx, b"n")), Ok(2));
}

#[test]
fn failures() {
    let (mut sandbox, probe) = deployed();
    assert_eq!(message(sandbox.from("x").run(|cx| probe.fail(cx, "why"))), "why");
    assert_eq!(message(sandbox.from("x").run(|cx| probe.change_and_revert(cx, b"k", b"v", "why"))), "why");
    assert!(sandbox.events().is_empty() && sandbox.state("one", b"k").is_none());
    assert_eq!(message(sandbox.from("x").run(|cx| probe.panic(cx))), "panic: the called contract failed");
    assert_eq!(sandbox.from("x").run(|cx| probe.add(cx, 1, 2)), Ok(3));
    assert!(sandbox.from("x").run(|cx| probe.add(cx, 1, u64::MAX)).is_err());
    assert!(sandbox.from("x").run(|cx| probe.charge(cx, u64::MAX)).is_err());
}

#[test]
fn work() {
    let (mut sandbox, probe) = deployed();
    sandbox.from("x").run(|cx| probe.nothing(cx)).unwrap();
    assert_eq!(sandbox.from("x").run(|cx| probe.echo(cx, vec![1, 2])).unwrap(), [1, 2]);
    let [few, more] = [10, 11].map(|turns| sandbox.from("x").run(|cx| probe.compute(cx, turns)).unwrap());
    assert_ne!(few, more);
    assert_eq!(sandbox.from("x").run(|cx| probe.recurse(cx, 100)), Ok(100));
    assert_eq!(sandbox.from("x").run(|cx| probe.allocate(cx, 3)), Ok(3));
}

#[test]
fn calls() {
    let (mut sandbox, probe) = deployed();
    let input = |bytes: &[u8]| Input::new().with(bytes).into_bytes().unwrap();
    let echoed = sandbox.from("x").run(|cx| probe.forward(cx, "two", "echo", &input(b"hi"))).unwrap();
    assert_eq!(echoed, input(b"hi"));
    let two = sandbox.address_of("contract:two");
    let echoed = sandbox.from("x").run(|cx| probe.forward_to(cx, two, "echo", &input(b"hi"))).unwrap();
    assert_eq!(echoed, input(b"hi"));
    assert_eq!(message(sandbox.from("x").run(|cx| probe.forward(cx, "two", "fail", &input(b"why")))), "why");

    let counted = sandbox.from("x").run(|cx| probe.attempt(cx, "two", "count", &input(b"n"))).unwrap();
    assert_eq!(counted, [0, 1, 0, 0, 0, 0, 0, 0, 0]);
    let failed = sandbox.from("x").run(|cx| probe.attempt(cx, "two", "fail", &input(b"why"))).unwrap();
    assert_eq!(failed, b"\x01why");
    let panicked = sandbox.from("x").run(|cx| probe.attempt(cx, "two", "panic", &[])).unwrap();
    assert_eq!(panicked[0], 2);
    let poor = sandbox.from("x").run(|cx| probe.attempt_with(cx, "two", "count", &input(b"n"), 1, 0)).unwrap();
    assert_eq!(poor[0], 2);

    let caller = sandbox.from("x").run(|cx| probe.forward(cx, "two", "caller", &[])).unwrap();
    assert_eq!(caller, sandbox.address_of("contract:one").as_bytes());
    assert!(sandbox.from("x").run(|cx| probe.ask(cx, "two", "count", &input(b"n"))).is_err());
    assert!(sandbox.from("x").run(|cx| probe.ask(cx, "two", "has", &input(b"n"))).is_ok());
}

#[test]
fn surroundings() {
    let (mut sandbox, probe) = deployed();
    sandbox.set_block(7, 70);
    let [x, one] = ["x", "contract:one"].map(|name| sandbox.address_of(name));
    assert_eq!(sandbox.from("x").run(|cx| probe.caller(cx)), Ok(x));
    assert_eq!(sandbox.from("x").run(|cx| probe.this(cx)), Ok(one));
    assert_eq!(sandbox.from("x").run(|cx| probe.address_of(cx, "contract:one")), Ok(one));
    assert!(sandbox.from("x").run(|cx| probe.gas_left(cx)).unwrap() > 0);
    let env = sandbox.from("x").run(|cx| probe.env(cx)).unwrap();
    assert!(env.starts_with(&format!("this={one} caller={x} origin={x} ")), "{env}");
    assert!(env.ends_with(" chain_id=1 block_number=7 timestamp=70 is_static=true depth=0"), "{env}");
    sandbox.from("x").run(|cx| probe.log(cx, "line")).unwrap();
    sandbox.from("x").run(|cx| probe.emit(cx, "topic", b"data")).unwrap();
    assert_eq!((&*sandbox.logs()[0].message, &*sandbox.events()[0].topic), ("line", "topic"));
    sandbox.from("x").run(|cx| probe.swallow(cx, b"k", b"v")).unwrap();
    assert_eq!(sandbox.state("one", b"k"), Some(&b"v"[..]));
}
