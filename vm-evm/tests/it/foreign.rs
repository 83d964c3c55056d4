//! The EVM and contracts of another runtime on one call stack.

use vm_core::{Account, Amount, InvokeRequest, Status};

use crate::{
    machine::{Machine, alice, fault, gas, name},
    script::{Evm, Kind, Output, native_call},
};

const TEXT: &str = "0x68656c6c6f"; // "hello"

fn machine() -> Machine {
    Machine::holding(&[("Script", "a"), ("Script", "b"), ("native", "f"), ("native", "g"), ("Bridge", "bridge")])
}

fn at(text: &str) -> vm_core::Address {
    name(text).address()
}

fn run(machine: &Machine, script: Evm) -> vm_core::Receipt {
    machine.raw(at("a"), script.into())
}

#[test]
fn solidity_calls_a_method_and_gets_bytes_back() {
    let machine = machine();
    assert_eq!(machine.text("bridge", "forward", &["contract:f", "echo", TEXT]), TEXT);
    assert_eq!(machine.text("bridge", "look", &["contract:f", "echo", TEXT]), TEXT);
    assert_eq!(
        machine.text("bridge", "attempt", &["contract:f", "echo", ""]),
        format!("(true, 0x{:064x}{:064x})", 32, 0)
    );
    // The caller is the contract, not the transaction's sender, also from a frame inside the EVM.
    let caller = format!("0x{}", hex::encode(at("bridge").as_bytes()));
    assert_eq!(machine.text("bridge", "forward", &["contract:f", "caller", ""]), caller);
    let nested = Evm::new().call(at("b"), Evm::new().call(at("f"), call_data("caller", b"")));
    let receipt = run(&machine, nested);
    let mut output = Output(&receipt.output);
    let (ok, data) = output.call();
    let (inner_ok, word) = Output(data).call();
    assert!(ok && inner_ok);
    assert_eq!(&word[64..84], at("b").as_bytes(), "not the account that the transaction called");
}

/// Call data of `call(string,bytes)` with short arguments.
fn call_data(method: &str, input: &[u8]) -> Vec<u8> {
    data_of("call(string,bytes)", method, input)
}

fn data_of(signature: &str, method: &str, input: &[u8]) -> Vec<u8> {
    let word = |n: usize| [vec![0; 24], (n as u64).to_be_bytes().to_vec()].concat();
    let padded = |bytes: &[u8]| [word(bytes.len()), bytes.to_vec(), vec![0; (32 - bytes.len() % 32) % 32]].concat();
    let method = padded(method.as_bytes());
    let selector = &alloy_primitives::keccak256(signature)[..4];
    [selector, &word(64), &word(64 + method.len()), &method, &padded(input)].concat()
}

#[test]
fn a_static_call_by_selector_changes_nothing_with_whichever_instruction() {
    let machine = machine();
    let data = |script: &[u8]| data_of("staticCall(string,bytes)", "run", script);
    let script = Evm::new()
        .call(at("f"), data(b"pk\x01"))
        .call(at("f"), data(b"gk"))
        .call_with(Kind::Static, at("f"), 0, 0, data(b"gk"))
        .call_with(Kind::Call, at("f"), 1, 0, data(b"gk"));
    let request = InvokeRequest::new(at("a"), "").input(Vec::from(script)).value(Amount::from(5));
    let receipt = machine.send(request).unwrap();
    let mut output = Output(&receipt.output);
    let mut next = || {
        let (ok, data) = output.call();
        (ok, String::from_utf8_lossy(data).into_owned())
    };
    let refused = next();
    assert!(!refused.0 && refused.1.contains("state change in a read-only call"), "{refused:?}");
    assert!(next().0 && next().0);
    let refused = next();
    assert!(!refused.0 && refused.1.contains("a static call moves no value"), "{refused:?}");
    assert_eq!((receipt.status, machine.key("f", b'k')), (Status::Success, None));
    assert_eq!((machine.balance("a"), machine.balance("f")), (Amount::from(5), Amount::ZERO));
}

#[test]
fn a_refusal_is_a_reason_that_solidity_passes_on() {
    let machine = machine();
    let receipt = machine.invoke("bridge", "forward", &["contract:f", "refuse", TEXT]);
    assert_eq!((receipt.status, receipt.text.as_deref()), (Status::Revert, Some("hello")));
    let receipt = machine.invoke("bridge", "attempt", &["contract:f", "refuse", TEXT]);
    assert_eq!(receipt.status, Status::Success);
    assert!(receipt.text.unwrap().starts_with("(false, 0x08c379a0"));
}

#[test]
fn value_that_a_contract_does_not_have_is_refused() {
    let machine = machine();
    let receipt = run(&machine, Evm::new().call_with(Kind::Call, at("f"), 1, 100_000, b"pk\x01"));
    let (ok, reason) = Output(&receipt.output).call();
    let reason = String::from_utf8_lossy(reason);
    assert!(!ok && reason.contains("the balance is too low for the call's value"), "{reason}");
}

#[test]
fn delegatecall_into_another_runtime_is_refused() {
    let machine = machine();
    let text = machine.text("bridge", "borrow", &["contract:f", "echo", TEXT]);
    let reason = hex::encode("delegatecall to a contract of another runtime");
    assert!(text.starts_with("(false, 0x08c379a0") && text.contains(&reason), "{text}");
    for kind in [Kind::Delegate, Kind::CallCode] {
        let receipt = run(&machine, Evm::new().call_with(kind, at("f"), 0, 0, b"pk\x01"));
        assert!(!Output(&receipt.output).call().0);
        assert_eq!(machine.key("a", b'k').or(machine.key("f", b'k')), None);
    }
}

#[test]
fn a_reverted_evm_frame_takes_the_other_runtimes_writes_along() {
    let machine = machine();
    let inner = Evm::new().store(2, 22).log(5).call(at("f"), b"pk\x01e\x06").require().revert();
    let script = Evm::new().store(1, 11).log(4).call(at("b"), inner).store(3, 33).log(9).call(at("f"), b"gkpz\x07");
    let receipt = run(&machine, script);
    assert_eq!(receipt.status, Status::Success);
    assert_eq!((machine.key("f", b'k'), machine.key("f", b'z')), (None, Some(7)));
    assert_eq!(
        (machine.slot(at("a"), 1), machine.slot(at("b"), 2), machine.slot(at("a"), 3)),
        (Some(11), None, Some(33))
    );
    assert_eq!(Machine::numbered(&receipt.events), [(at("a"), 4), (at("a"), 9)]);
    // What the reverted frame read decided the result, so it stays in the read set.
    let read = vm_core::StateKey::evm_storage(&at("b"), &std::array::from_fn(|i| if i == 31 { 2 } else { 0 }));
    assert!(receipt.reads.points().any(|(key, _)| *key == read));

    // The same by an invalid instruction.
    let inner = Evm::new().call(at("f"), b"pk\x01").require().invalid();
    let receipt = run(&machine, Evm::new().call_with(Kind::Call, at("b"), 0, 200_000, inner).call(at("f"), b"gk"));
    assert_eq!((receipt.status, machine.key("f", b'k')), (Status::Success, None));
}

#[test]
fn a_failed_foreign_frame_takes_the_evms_writes_along() {
    let machine = machine();
    for end in [&b"x"[..], b"o"] {
        let call = native_call(at("b"), 0, false, 0, Evm::new().store(4, 44).log(3));
        let data = [b"pk\x01e\x01", &call[..], end].concat();
        let script = Evm::new().store(1, 11).call_with(Kind::Call, at("f"), 0, 300_000, data).store(2, 22).log(8);
        let receipt = run(&machine, script);
        assert_eq!(receipt.status, Status::Success);
        assert!(!Output(&receipt.output).call().0);
        assert_eq!((machine.slot(at("b"), 4), machine.key("f", b'k')), (None, None));
        assert_eq!((machine.slot(at("a"), 1), machine.slot(at("a"), 2)), (Some(11), Some(22)));
        assert_eq!(Machine::numbered(&receipt.events), [(at("a"), 8)]);
    }
}

#[test]
fn native_first_and_its_revert_undoes_the_evm() {
    let machine = machine();
    let store = || native_call(at("b"), 0, false, 0, Evm::new().store(4, 44).log(3));
    let receipt = machine.send(InvokeRequest::new(at("f"), "run").input([&store()[..], b"x"].concat())).unwrap();
    assert_eq!((receipt.status, machine.slot(at("b"), 4)), (Status::Revert, None));
    // Two EVM calls of one transaction share one session: the second sees what the first did.
    let load = native_call(at("b"), 0, false, 0, Evm::new().load(4));
    let script = [&store()[..], &load, b"pk\x01"].concat();
    let receipt = machine.send(InvokeRequest::new(at("f"), "run").input(script)).unwrap();
    assert_eq!(receipt.status, Status::Success);
    assert_eq!((receipt.output[0], receipt.output[1], receipt.output[33]), (1, 1, 44));
    assert_eq!(Machine::numbered(&receipt.events), [(at("b"), 3)]);
    // A native frame inside, after the EVM was in the transaction, fails alone.
    let inner = native_call(
        at("g"),
        0,
        false,
        0,
        [&native_call(at("b"), 0, false, 0, Evm::new().store(4, 55))[..], b"x"].concat(),
    );
    let outer = [&store()[..], &inner, &load].concat();
    let receipt = machine.send(InvokeRequest::new(at("f"), "run").input(outer)).unwrap();
    assert_eq!((receipt.status, receipt.output.last()), (Status::Success, Some(&44)));
    assert_eq!(machine.slot(at("b"), 4), Some(44));
}

/// Its code is nowhere but in the journal, and no machine has it in a cache.
#[test]
fn a_factory_calls_what_it_has_deployed_and_upgraded() {
    // Returns code that returns 42.
    let code = hex::decode("69602a60005260206000f3600052600a6016f3").unwrap();
    let machine = machine();
    let receipt = machine.send(InvokeRequest::new(at("f"), "make").input(code)).unwrap();
    assert_eq!((receipt.status, receipt.output.last()), (Status::Success, Some(&42)), "{:?}", receipt.text);
    let record = machine.vm.record(&crate::machine::name("made")).unwrap().unwrap();
    assert_eq!(record.version.as_str(), "2");
}

#[test]
fn re_entry_sees_uncommitted_storage() {
    let machine = machine();
    let back = native_call(at("a"), 0, false, 0, Evm::new().load(1).store(4, 44));
    let script = Evm::new().store(1, 11).call(at("f"), [&back[..], b"pk\x01"].concat()).load(4);
    let receipt = run(&machine, script);
    let mut output = Output(&receipt.output);
    let (ok, data) = output.call();
    assert!(ok && data[0] == 1);
    assert_eq!((Output(&data[1..]).word(), output.word()), (11, 44));
    assert_eq!((machine.slot(at("a"), 4), machine.key("f", b'k')), (Some(44), Some(1)));
}

#[test]
fn read_only_travels_through_all_runtimes() {
    let machine = machine();
    // EVM, static, to a native contract that writes or emits.
    for data in [&b"pk\x01"[..], b"e\x01"] {
        let receipt = run(&machine, Evm::new().call_with(Kind::Static, at("f"), 0, 100_000, data));
        assert!(!Output(&receipt.output).call().0);
        assert!(receipt.events.is_empty() && machine.key("f", b'k').is_none());
    }
    // Through a native contract into the EVM.
    let data = native_call(at("b"), 0, false, 50_000, Evm::new().store(1, 1));
    let receipt = run(&machine, Evm::new().call_with(Kind::Static, at("f"), 0, 100_000, data));
    let mut output = Output(&receipt.output);
    let (ok, data) = output.call();
    assert!(ok && data[0] == 0);
    assert_eq!(machine.slot(at("b"), 1), None);
    // A native contract's own read-only call.
    let data = native_call(at("b"), 0, true, 0, Evm::new().store(1, 1));
    let receipt = machine.send(InvokeRequest::new(at("f"), "run").input(data)).unwrap();
    assert_eq!((receipt.status, receipt.output[0]), (Status::Success, 0));
    // A query.
    let receipt = machine.query("bridge", "forward", &["contract:f", "run", "0x706b01"]);
    assert!(!receipt.status.is_success());
}

#[test]
fn values_move_across_and_come_back_with_a_revert() {
    let machine = machine();
    for to in ["a", "f"] {
        let pay = InvokeRequest::new(at(to), if to == "a" { "" } else { "run" }).value(Amount::from(100));
        assert_eq!(machine.send(pay).unwrap().status, Status::Success, "{to}");
    }
    let balances = |of: [&str; 3]| of.map(|of| machine.balance(of).to_string());
    let script = Evm::new()
        .call_with(Kind::Call, at("f"), 5, 0, b"v")
        .call_with(Kind::Call, at("f"), 7, 0, b"pk\x01x")
        .call_with(Kind::Call, at("f"), 1001, 0, b"");
    let receipt = run(&machine, script);
    let mut output = Output(&receipt.output);
    assert_eq!(output.call().1.last(), Some(&5));
    assert!(!output.call().0 && !output.call().0);
    assert_eq!(balances(["a", "f", "b"]), ["95", "105", "0"]);
    // Native to EVM, with the journal's own transfer and with the session's.
    let data = native_call(at("b"), 3, false, 0, Evm::new());
    machine.send(InvokeRequest::new(at("f"), "run").input(data.clone())).unwrap();
    run(&machine, Evm::new().call(at("f"), data));
    assert_eq!(balances(["a", "f", "b"]), ["95", "99", "6"]);
    // An inner frame pays, not the account that was entered from outside.
    run(&machine, Evm::new().call(at("b"), Evm::new().call_with(Kind::Call, at("f"), 2, 0, b"").require()).require());
    assert_eq!(balances(["a", "f", "b"]), ["95", "101", "4"]);
    let inner = Evm::new().call_with(Kind::Call, at("f"), 4, 0, b"pk\x01").require().revert();
    run(&machine, Evm::new().call_with(Kind::Call, at("b"), 5, 0, inner));
    assert_eq!(balances(["a", "f", "b"]), ["95", "101", "4"]);
    assert_eq!(
        machine.account(at("f")),
        Account { balance: Amount::from(101), contract: Some(name("f")), ..Account::default() }
    );
}

#[test]
fn events_come_in_the_order_of_execution() {
    let machine = machine();
    let inner = Evm::new().log(3).call(at("g"), b"e\x04x").call(at("g"), b"e\x05");
    let data = [b"e\x02", &native_call(at("b"), 0, false, 0, inner)[..], b"e\x06"].concat();
    let receipt = run(&machine, Evm::new().log(1).call(at("f"), data).log(7));
    let (a, b, f, g) = (at("a"), at("b"), at("f"), at("g"));
    assert_eq!(Machine::numbered(&receipt.events), [(a, 1), (f, 2), (b, 3), (g, 5), (f, 6), (a, 7)]);
    assert_eq!(receipt.events[2].contract, Some(name("b")));

    let receipt = machine.invoke("bridge", "inTry", &["contract:f", "run", "0x6501"]);
    assert_eq!(receipt.events.len(), 1, "only the last step is left");
    let receipt = machine.invoke("bridge", "around", &["contract:f", "run", "0x6501"]);
    let bridge = at("bridge");
    let emitters: Vec<_> = receipt.events.iter().map(|e| e.address).collect();
    assert_eq!(emitters, [bridge, f, bridge]);
}

#[test]
fn gas_goes_down_and_comes_back() {
    let machine = machine();
    let price = vm_core::GasSchedule::v1().host.call;
    // The limit that the EVM names, less the dispatcher's price, is what the callee sees.
    let receipt = run(&machine, Evm::new().call_with(Kind::Call, at("f"), 0, 1_000_000, b"G"));
    let seen = u64::from_be_bytes(Output(&receipt.output).call().1.try_into().unwrap());
    assert_eq!(gas(seen), gas(1_000_000).saturating_sub(price.of(1)));
    // A callee that burns everything burns only that.
    let receipt = run(&machine, Evm::new().gas().call_with(Kind::Call, at("f"), 0, 1_000_000, b"pk\x01o").gas());
    let mut output = Output(&receipt.output);
    let before = output.word();
    assert!(!output.call().0);
    let used = before - output.word();
    assert!((1_000_000..1_010_000).contains(&used), "{used}");
    // Too little for the dispatcher's price.
    let receipt = run(&machine, Evm::new().call_with(Kind::Call, at("f"), 0, 10, b"G"));
    assert!(!Output(&receipt.output).call().0);
    // What the whole transaction used is what its gas limit must cover, and no more.
    let script =
        || Vec::from(Evm::new().store(1, 1).call(at("f"), native_call(at("b"), 0, false, 0, Evm::new().store(2, 2))));
    let with = |limit| machine.send(InvokeRequest::new(at("a"), "").input(script()).gas(limit)).unwrap();
    let free = with(gas(100_000_000));
    assert_eq!(free.status, Status::Success);
    let starved = with(gas(free.gas_used.get() / 4));
    assert!(starved.gas_used <= starved.gas_limit);
}

#[test]
fn a_host_fault_cannot_be_swallowed() {
    let machine = machine();
    let height = machine.vm.view().unwrap().height();
    for script in [
        Evm::new().store(1, 1).call(at("f"), b"pk\x01f").store(2, 2),
        Evm::new().call(at("f"), native_call(at("b"), 0, false, 0, Evm::new().call(at("g"), b"f"))).store(2, 2),
    ] {
        let request = InvokeRequest::new(at("a"), "").input(Vec::from(script));
        let fault = fault(machine.send(request)).to_string();
        assert!(fault.contains("broken disk"), "{fault}");
    }
    assert_eq!(machine.vm.view().unwrap().height(), height);
    // The next transaction on the same worker starts clean.
    let receipt = run(&machine, Evm::new().load(1).call(at("f"), b"gk"));
    let mut output = Output(&receipt.output);
    assert_eq!((output.word(), output.call()), (0, (true, &[0][..])));
}

#[test]
fn solidity_that_is_re_entered_through_another_runtime() {
    let machine = machine();
    let store = [&alloy_primitives::keccak256("store(uint256)")[..4], &[0; 31], &[9]].concat();
    let script = native_call(at("bridge"), 0, false, 0, store);
    let text = machine.text("bridge", "reenter", &["contract:f", "run", &format!("0x{}", hex::encode(script))]);
    assert!(text.starts_with("(9, 0x01"), "{text}");
    assert_eq!(machine.text("bridge", "stored", &[]), "9");
    assert_eq!(machine.balance("alice"), machine.account(alice()).balance);
}

#[test]
fn memory_of_outer_frames_is_intact_after_nested_evm_calls() {
    let machine = machine();
    let identity: vm_core::Address = "0x0000000000000000000000000000000000000004".parse().unwrap();
    let big = native_call(at("b"), 0, false, 0, Evm::new().call(identity, vec![0xcd; 3000]));
    let script = Evm::new().call(identity, [0x11; 64]).call(at("f"), big).call(identity, [0x22; 32]);
    let receipt = run(&machine, script);
    let mut output = Output(&receipt.output);
    assert_eq!(output.call(), (true, &[0x11; 64][..]));
    let (ok, nested) = output.call();
    assert!(ok && nested[0] == 1);
    assert_eq!(Output(&nested[1..]).call(), (true, &[0xcd; 3000][..]));
    assert_eq!(output.call(), (true, &[0x22; 32][..]));
}

/// Creation code that calls a contract with `p`, `k`, `value`, and returns one byte of code.
fn calling_constructor(to: vm_core::Address, value: u8, code: &str) -> String {
    // PUSH3 "pk" value, PUSH1 232, SHL, PUSH1 0, MSTORE; CALL(gas, to, 0, 0, 3, 0, 0), POP; MSTORE8(0, code), RETURN(0, 1)
    let to = hex::encode(to.as_bytes());
    format!("62706b{value:02x}60e81b60005260006000600360006000 73{to}5af15060{code}60005360016000f3").replace(' ', "")
}

#[test]
fn constructors_call_other_runtimes() {
    let machine = machine();
    let deploy = |value, code| {
        let code = vm_core::Code::new(vm_core::RuntimeKind::Evm, calling_constructor(at("f"), value, code));
        machine.deploy("made", code, &[])
    };
    // Code that must not be deployed: what the constructor did elsewhere is undone.
    crate::machine::failed(deploy(1, "ef"));
    assert_eq!(machine.key("f", b'k'), None);
    deploy(2, "00").unwrap();
    assert_eq!(machine.key("f", b'k'), Some(2));
    // The same below the EVM: CREATE(0, call data) and return the address.
    machine.deploy("factory", crate::machine::assembled("3660006000373660006000f060005260206000f3"), &[]).unwrap();
    for (value, code, want) in [(3, "ef", 2), (4, "00", 4)] {
        let receipt = machine.raw(at("factory"), hex::decode(calling_constructor(at("f"), value, code)).unwrap());
        assert_eq!(receipt.status, Status::Success);
        assert_eq!(receipt.output.iter().all(|b| *b == 0), code == "ef");
        assert_eq!(machine.key("f", b'k'), Some(want));
    }
}

#[test]
fn an_upgrade_without_migration_undoes_calls_of_its_constructor_too() {
    let machine = machine();
    let code = |value| vm_core::Code::new(vm_core::RuntimeKind::Evm, calling_constructor(at("f"), value, "00"));
    machine.upgrade("bridge", "2", code(5), &[]).unwrap();
    assert_eq!(machine.key("f", b'k'), None);
    machine.upgrade("bridge", "3", code(6).with_option("migrate", "constructor"), &[]).unwrap();
    assert_eq!(machine.key("f", b'k'), Some(6));
}

#[test]
fn a_limit_of_the_dispatcher_is_a_failed_call_and_no_host_fault() {
    let limits = vm_core::Limits { input_size: 100, ..vm_core::Limits::default() };
    let machine = Machine::with(vm_evm::EvmConfig::default(), limits);
    machine.deploy("f", vm_core::Code::new(vm_core::RuntimeKind::Native, "script"), &[]).unwrap();
    // CALL(gas, f, 0, 0, 200, 0, 0); MSTORE8(0, success); RETURNDATACOPY(1, 68, RETURNDATASIZE - 68); RETURN all of it.
    let to = hex::encode(at("f").as_bytes());
    let code = format!("6000600060c860006000 73{to} 5af1 600053 60443d036044 60013e 60433d03 6000f3");
    machine.deploy("caller", crate::machine::assembled(&code.replace(' ', "")), &[]).unwrap();
    let receipt = machine.raw(at("caller"), vec![]);
    assert_eq!((receipt.status, receipt.output[0]), (Status::Success, 0));
    let reason = String::from_utf8_lossy(&receipt.output[1..]).into_owned();
    assert!(reason.starts_with("the call's method and input have 200 bytes, above the limit of 100"), "{reason}");
}
