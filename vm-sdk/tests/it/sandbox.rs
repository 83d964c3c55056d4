use vm_sdk::abi::Input;
use vm_sdk::testing::Sandbox;
use vm_sdk::{Address, CallRequest, Context, Error, Level, Remote, Result, Status, Stop, borsh, contract};

use crate::sample::{Counted, Counter, CounterClient};

/// Calls other contracts and itself.
struct Caller;

#[contract]
impl Caller {
    /// Adds in another contract, then fails or not.
    pub fn add_in(cx: &mut Context, name: &str, amount: u64, fail: bool) -> Result<u64> {
        let count = CounterClient::at(name).add(cx, amount)?;
        cx.log(Level::Info, "added")?;
        vm_sdk::ensure!(!fail, "no");
        Ok(count)
    }

    /// Adds, and goes on if that fails.
    pub fn try_add_in(cx: &mut Context, name: &str, amount: u64) -> Result<String> {
        cx.put_raw(b"tried", b"yes")?;
        match CounterClient::at(name).add(cx, amount) {
            Ok(count) => Ok(count.to_string()),
            Err(Error::Revert(message)) => Ok(message),
            Err(stop) => Err(stop),
        }
    }

    /// Adds in another contract, although this must change nothing.
    #[view]
    pub fn add_in_view(cx: &Context, name: &str) -> Result<u64> {
        Remote::new(name).query(cx, "add", Input::new().with(&1u64))
    }

    pub fn call_itself(cx: &mut Context) -> Result<()> {
        let this = cx.this()?;
        CallerClient::at(this).call_itself(cx)
    }

    /// What the other one sees.
    pub fn surroundings(cx: &mut Context, name: &str) -> Result<String> {
        let value = Remote::new(name).with_value(7).with_gas(1_000);
        CallerClient(value).seen(cx)
    }

    pub fn seen(cx: &mut Context) -> Result<String> {
        let env = cx.env()?.clone();
        let left = cx.gas_left()?;
        Ok(format!(
            "{} {} {} {:?} {} {} {} {left}",
            env.caller,
            env.origin,
            env.this,
            env.value.to_u128(),
            env.depth,
            env.block_number,
            env.timestamp
        ))
    }

    /// Puts until it is stopped, ignoring that.
    pub fn ignore_stop(cx: &mut Context, operations: u32) -> u32 {
        (0..operations).map(|n| u32::from(cx.put(b"n", &n).is_ok())).sum()
    }

    #[view]
    pub fn spend(cx: &Context, gas: u64) -> Result<u64> {
        cx.charge(gas)?;
        cx.gas_left()
    }

    #[view]
    pub fn address(cx: &Context, name: &str) -> Result<Address> {
        cx.address_of(name)
    }
}

const CALLER: &str = "caller";

fn deployed() -> (Sandbox, CallerClient) {
    let mut sandbox = Sandbox::new();
    sandbox.from("alice").deploy::<Counter>("counter", &(5u64, "")).unwrap();
    sandbox.from("alice").deploy::<Caller>(CALLER, &()).unwrap();
    (sandbox, CallerClient::at(CALLER))
}

fn count(sandbox: &mut Sandbox) -> u64 {
    sandbox.from("alice").run(|cx| CounterClient::at("counter").count(cx)).unwrap()
}

#[test]
fn a_call_that_fails_leaves_no_trace_but_in_the_log() {
    let (mut sandbox, caller) = deployed();
    let error = sandbox.from("alice").run(|cx| caller.add_in(cx, "counter", 3, true)).unwrap_err();
    assert_eq!(error.to_string(), "no");
    assert_eq!((count(&mut sandbox), sandbox.events().len(), sandbox.logs().len()), (5, 0, 1));

    let sum = sandbox.from("alice").run(|cx| caller.add_in(cx, "counter", 3, false));
    assert_eq!((sum, count(&mut sandbox)), (Ok(8), 8));
    let event = &sandbox.events()[0];
    assert_eq!((event.contract, &*event.topic), (sandbox.address_of("contract:counter"), "Counted"));
    assert_eq!(borsh::from_slice::<Counted>(&event.data).unwrap(), Counted { count: 8 });
}

#[test]
fn a_caller_can_go_on_after_a_refusal() {
    let (mut sandbox, caller) = deployed();
    let text = sandbox.from("alice").run(|cx| caller.try_add_in(cx, "counter", 1_001));
    assert_eq!(text.unwrap(), "that is too much");
    assert_eq!(sandbox.state(CALLER, b"tried"), Some(&b"yes"[..]));
    let text = sandbox.from("alice").run(|cx| caller.try_add_in(cx, "nobody", 1));
    assert_eq!(text.unwrap(), "there is no contract 'nobody'");
}

#[test]
fn overflow_is_a_trap_that_undoes_the_call() {
    let (mut sandbox, _) = deployed();
    let counter = CounterClient::at("counter");
    let error = sandbox.from("alice").run(|cx| counter.set_and_overflow(cx, 9)).unwrap_err();
    assert_eq!(error.to_string(), "set_and_overflow: the called contract failed");
    assert_eq!(count(&mut sandbox), 5);
}

#[test]
fn a_view_cannot_change_through_another_contract() {
    let (mut sandbox, caller) = deployed();
    let error = sandbox.from("alice").run(|cx| caller.add_in_view(cx, "counter")).unwrap_err();
    assert_eq!(error.to_string(), "add: the called contract failed");
    assert_eq!(count(&mut sandbox), 5);
}

#[test]
fn a_contract_is_not_entered_while_it_runs() {
    let (mut sandbox, caller) = deployed();
    let error = sandbox.from("alice").run(|cx| caller.call_itself(cx)).unwrap_err();
    assert_eq!(error.to_string(), "contract 'caller' does not accept being re-entered");
}

#[test]
fn surroundings_are_what_the_call_says() {
    let (mut sandbox, caller) = deployed();
    sandbox.from("alice").deploy::<Caller>("second", &()).unwrap();
    sandbox.set_block(12, 3_000);
    let seen = sandbox.from("bob").run(|cx| caller.surroundings(cx, "second")).unwrap();
    let [first, bob, second] = ["contract:caller", "bob", "contract:second"].map(|name| sandbox.address_of(name));
    // Two operations before the gas was asked for: the surroundings, and the question itself.
    assert_eq!(seen, format!("{first} {bob} {second} Some(7) 1 12 3000 998"));
    assert_eq!(sandbox.from("bob").run(|cx| caller.address(cx, "bob")), Ok(bob));
    assert_eq!(sandbox.from("bob").run(|cx| caller.address(cx, "contract:second")), Ok(second));
    assert_ne!(sandbox.address_of("second"), second, "an account may have the name of a contract");
}

#[test]
fn stops_are_sticky_and_nothing_is_kept() {
    let (mut sandbox, caller) = deployed();
    let all = sandbox.from("alice").run(|cx| caller.ignore_stop(cx, 5));
    assert_eq!(all, Ok(5));
    sandbox.set_gas(4);
    let error = sandbox.from("alice").run(|cx| caller.ignore_stop(cx, 5)).unwrap_err();
    assert_eq!(error.to_string(), "ignore_stop: the called contract failed");
    assert_eq!(sandbox.state(CALLER, b"n"), Some(&4u32.to_le_bytes()[..]));
}

#[test]
fn charged_gas_is_gone_and_too_much_of_it_stops() {
    let (mut sandbox, caller) = deployed();
    sandbox.set_gas(1_000);
    assert!(sandbox.from("alice").run(|cx| caller.spend(cx, 100)).unwrap() < 900);
    assert!(sandbox.from("alice").run(|cx| caller.spend(cx, 1_000)).is_err());
    let stopped = sandbox.from("alice").run(|cx| cx.charge(2_000));
    assert_eq!(stopped, Err(Error::Stop(Stop)));
    let reasons: Vec<_> = sandbox.logs().iter().map(|line| (line.level, &*line.message)).collect();
    assert_eq!(reasons, [(Level::Error, "out of gas"); 2]);
}

#[test]
fn a_trap_is_told_apart_from_a_refusal() {
    let (mut sandbox, _) = deployed();
    let status = |sandbox: &mut Sandbox, method: &str, input: &[u8]| {
        let to = "counter".into();
        let request = CallRequest { to: &to, method, input, value: 0.into(), gas: None, is_static: false };
        sandbox.from("alice").run(|cx| cx.call(&request)).unwrap().status
    };
    assert_eq!(status(&mut sandbox, "set_and_overflow", &9u64.to_le_bytes()), Status::Trap);
    assert_eq!(status(&mut sandbox, "nothing", &[]), Status::Revert);
    assert_eq!(status(&mut sandbox, "count", &[]), Status::Success);
}

#[test]
fn deployments_and_upgrades_that_fail_change_nothing() {
    let mut sandbox = Sandbox::new();
    let error = sandbox.from("alice").deploy::<Counter>("counter", &1u8).unwrap_err();
    assert_eq!(error.to_string(), "init: argument 'start' is no valid u64");
    sandbox.from("alice").deploy::<Counter>("counter", &(1u64, "")).unwrap();
    let error = sandbox.from("alice").deploy::<Counter>("counter", &(1u64, "")).unwrap_err();
    assert_eq!(error.to_string(), "contract 'counter' exists already");

    let version = env!("CARGO_PKG_VERSION");
    let error = sandbox.from("alice").upgrade::<Counter>("counter", "2", &200u8).unwrap_err();
    assert_eq!(error.to_string(), format!("200 steps from {version} to 2 are too many"));
    sandbox.from("alice").upgrade::<Counter>("counter", "2", &1u8).unwrap();
    sandbox.from("alice").upgrade::<Counter>("counter", "3", &1u8).unwrap();
    let history = sandbox.from("alice").run(|cx| CounterClient::at("counter").history(cx));
    assert_eq!(history.unwrap(), "2>3");
}
