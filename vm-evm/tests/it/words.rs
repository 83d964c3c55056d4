//! Text that becomes call data, and results that become text, inside transactions and behind them: bounded, and paid for.

use vm_core::{Code, Gas, InvokeRequest, Limits, Receipt, RuntimeKind, Status};
use vm_evm::EvmConfig;

use crate::machine::{Machine, name};

/// Creation code of a contract that returns this, whatever it is called with.
fn returning(data: &[u8]) -> Code {
    // PUSH2 length DUP1 PUSH1 10 PUSH0 CODECOPY PUSH0 RETURN, twice: the second returns what stands behind it.
    let behind = |rest: &[u8]| {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&[0x61], &length[..], &[0x80, 0x60, 0x0a, 0x5f, 0x39, 0x5f, 0xf3], rest].concat()
    };
    Code::new(RuntimeKind::Evm, hex::encode(behind(&behind(data))))
}

/// Four levels of lists of eight, of which each has eight times the same list: 4,096 numbers in 37 words.
fn overlapping() -> Vec<u8> {
    let word = |number: u64| [[0; 24].as_slice(), &number.to_be_bytes()].concat();
    let mut words = vec![word(32)];
    for level in 0..4 {
        words.push(word(8));
        words.extend(vec![word(if level < 3 { 8 * 32 } else { 7 }); 8]);
    }
    words.concat()
}

/// The script of a call by name with one value, see `native.rs`.
fn by_name(method: &str, value: &str) -> Vec<u8> {
    let short = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [b"N", name("callee").address().as_bytes().as_slice(), &short(method), &short("a"), &short(value)].concat()
}

fn machine(limits: Limits, callee: Code) -> Machine {
    let machine = Machine::with(EvmConfig::default(), limits);
    machine.deploy("callee", callee, &[]).unwrap();
    machine.deploy("native", Code::new(RuntimeKind::Native, "script"), &[]).unwrap();
    machine
}

fn run(machine: &Machine, script: Vec<u8>) -> Receipt {
    machine.send(InvokeRequest::new(name("native"), "run").input(script)).unwrap()
}

#[test]
fn lists_at_one_place_stay_bytes() {
    let data = overlapping();
    let machine = machine(Limits::default(), returning(&data));
    let receipt = machine.send(InvokeRequest::new(name("callee"), "f()(uint256[][][][])")).unwrap();
    assert_eq!((receipt.status, receipt.text, &receipt.output[..]), (Status::Success, None, &data[..]));
    let receipt = run(&machine, by_name("f(uint8 a)(uint256[][][][])", "1"));
    assert_eq!((receipt.status, &receipt.output[..]), (Status::Success, &[&[1], &data[..]].concat()[..]));
}

#[test]
fn values_in_text_are_paid_for_one_by_one() {
    let limits = Limits { input_size: 3_000, ..Limits::default() };
    let machine = machine(limits, returning(&[]));
    let call = |count: usize| {
        let list = format!("[{}]", vec!["1"; count].join(","));
        run(&machine, by_name("f(uint8[] a)", &list))
    };
    let (one, many) = (call(1), call(81));
    assert_eq!((one.status, many.status), (Status::Success, Status::Success));
    let more = many.gas_used.saturating_sub(one.gas_used);
    assert!(more > Gas::new(80 * 100), "{more}");
    // 101 numbers are 203 bytes of text, and 3,300 bytes of call data.
    let refused = call(101);
    let told = String::from_utf8_lossy(&refused.output).into_owned();
    assert!(told.contains("encoded input have 3306 bytes, above the limit of 3000"), "{told}");
}

#[test]
fn results_in_words_are_bounded_and_paid_for() {
    // `bytes` of 96: twice as long in hexadecimal.
    let word = |last: u8| [[0; 31].as_slice(), &[last]].concat();
    let data = [word(32), word(96), vec![0xab; 96]].concat();
    let call = |output_size: usize, results: &str| {
        let machine = machine(Limits { output_size, ..Limits::default() }, returning(&data));
        run(&machine, by_name(&format!("f(uint8 a){results}"), "1"))
    };
    let told = call(200, "(bytes)");
    assert_eq!(told.output, [b"\x010x".as_slice(), "ab".repeat(96).as_bytes()].concat());
    // The five words of the result cost 102 each.
    let raw = call(200, "");
    assert_eq!(raw.output.len(), 1 + data.len(), "nothing describes it");
    let machine = machine(Limits { output_size: 193, ..Limits::default() }, returning(&data));
    let receipt = run(&machine, by_name("f(uint8 a)(bytes)", "1"));
    assert_eq!(receipt.output, [0].as_slice(), "a trap, as of any output that is too long");
}

#[test]
fn the_interface_is_paid_for_and_bounded() {
    let cost = |padding: usize| {
        let abi = format!("[{}]", " ".repeat(padding));
        let machine = Machine::new();
        let code = returning(&[]).with_abi(abi);
        machine.deploy("callee", code, &[]).map(|receipt| receipt.gas_used)
    };
    let (small, large) = (cost(30).unwrap(), cost(320_030).unwrap());
    // 10,000 words, for each of which storing costs 20 and preparing 32.
    assert_eq!(large.saturating_sub(small), Gas::new(520_000));
    let refused = cost(1 << 20).unwrap_err().to_string();
    assert!(refused.contains("the interface: 1048578 bytes, above the limit of 1048576"), "{refused}");
}
