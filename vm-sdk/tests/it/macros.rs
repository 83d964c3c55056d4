use vm_sdk::testing::Sandbox;
use vm_sdk::{Address, Context, Contract, Error, NativeContract, Remote, abi::Input, contract};

use crate::sample::{Counter, CounterClient};

const INTERFACE: &str = "\
init(start: u64, note: string)
upgrade(steps: u8)
add(amount: u64) -> u64
set_and_overflow(amount: u64)
view count() -> u64
view history() -> string
view types(a: bool, b: u8, c: u16, d: u32, e: u64, f: u128, g: i8, h: i16, i: i32, j: i64, k: i128, l: string, m: string, \
n: bytes, o: bytes, p: address, q: address) -> string
move(in: bool) -> bool";

#[test]
fn the_interface_has_one_line_a_method() {
    assert_eq!(Counter::INTERFACE, INTERFACE);
}

#[test]
fn the_descriptor_names_contract_and_version() {
    const DESCRIPTOR: NativeContract = NativeContract::of::<Counter>();
    assert_eq!((DESCRIPTOR.name, DESCRIPTOR.interface), ("sample-counter", INTERFACE));
    assert_eq!(DESCRIPTOR.version, env!("CARGO_PKG_VERSION"));
}

#[test]
fn clients_pass_every_type() {
    let mut sandbox = deployed();
    let alice = sandbox.address_of("alice");
    let counter = CounterClient::at(sandbox.address_of("contract:counter"));
    let text = sandbox.from("alice").run(|cx| {
        counter.types(cx, true, 1, 2, 3, 4, 5, -1, -2, -3, -4, -5, "l".into(), "m", vec![1], &[2], alice, &alice)
    });
    assert_eq!(text.unwrap(), format!("true 1 2 3 4 5 -1 -2 -3 -4 -5 l m [1] [2] {alice} {alice}"));
    assert_eq!(sandbox.from("bob").run(|cx| counter.r#move(cx, true)), Ok(false));
}

#[test]
fn authors_errors_reach_the_caller() {
    let mut sandbox = deployed();
    let counter = CounterClient::at("counter");
    let error = sandbox.from("alice").run(|cx| counter.add(cx, 1_001)).unwrap_err();
    assert_eq!(error, Error::from("that is too much"));
}

#[test]
fn what_is_no_method_is_refused() {
    let mut sandbox = deployed();
    for method in ["init", "upgrade", "current", "Count", ""] {
        let error = call(&mut sandbox, method, Input::new()).unwrap_err();
        assert_eq!(error.to_string(), format!("unknown method '{method}'"));
    }
}

#[test]
fn arguments_that_do_not_fit_are_refused_by_name() {
    let mut sandbox = deployed();
    let error = call(&mut sandbox, "add", Input::new().with(&7u32)).unwrap_err();
    assert_eq!(error.to_string(), "add: argument 'amount' is no valid u64");
    let error = call(&mut sandbox, "add", Input::new().with(&7u64).with(&7u8)).unwrap_err();
    assert_eq!(error.to_string(), "add: 1 bytes after the last argument");
    let error = call(&mut sandbox, "count", Input::new().with(&7u8)).unwrap_err();
    assert_eq!(error.to_string(), "count: 1 bytes after the last argument");
}

#[test]
fn a_contract_without_hooks_is_deployed_and_upgraded_without_arguments() {
    struct Bare;
    #[contract]
    impl Bare {
        #[view]
        pub fn this(cx: &Context) -> vm_sdk::Result<Address> {
            cx.this()
        }
    }
    assert_eq!(Bare::INTERFACE, "view this() -> address");
    let mut sandbox = Sandbox::new();
    sandbox.from("alice").deploy::<Bare>("bare", &()).unwrap();
    sandbox.from("alice").upgrade::<Bare>("bare", "2", &()).unwrap();
    let this = sandbox.address_of("contract:bare");
    assert_eq!(sandbox.from("bob").run(|cx| BareClient::at("bare").this(cx)), Ok(this));

    let error = sandbox.from("alice").deploy::<Bare>("other", &1u8).unwrap_err();
    assert_eq!(error.to_string(), "init: 1 bytes after the last argument");
}

fn deployed() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.from("alice").deploy::<Counter>("counter", &(5u64, "note")).unwrap();
    sandbox
}

fn call(sandbox: &mut Sandbox, method: &str, input: Input) -> vm_sdk::Result<u64> {
    sandbox.from("alice").run(|cx| Remote::new("counter").call(cx, method, input))
}
