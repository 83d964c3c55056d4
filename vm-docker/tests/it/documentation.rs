//! The example in docs/container-protocol.md is true.

use std::{fs, path::Path};

use prost::Message;
use vm_container_protocol::{
    Call, ContractFrame, Entries, Entry, Environment, FrameReader, FrameWriter, Get, GetMany, Hello, HostFrame,
    KeyValue, Put, Return, Scan, Status, Value, Values,
};

/// The frames of the document: who sends, which message, and the bytes.
fn frames() -> Vec<(String, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/container-protocol.md");
    let text = fs::read_to_string(path).unwrap();
    let blocks = text.split("```frames\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut frames: Vec<(String, Vec<u8>)> = Vec::new();
    for line in blocks.flat_map(str::lines) {
        match line.strip_prefix("  ") {
            None => frames.push((line.to_owned(), Vec::new())),
            Some(bytes) => {
                let bytes = hex::decode(bytes.replace(' ', "")).unwrap();
                frames.last_mut().unwrap().1.extend(bytes);
            }
        }
    }
    frames
}

fn assert_is<M: Message + Default + PartialEq + std::fmt::Debug>(bytes: &[u8], message: M) {
    assert_eq!(FrameReader::new(bytes).receive::<M>().unwrap().as_ref(), Some(&message));
    let mut writer = FrameWriter::new(Vec::new());
    writer.send(&message).unwrap();
    assert_eq!(hex::encode(writer.get_mut()), hex::encode(bytes));
}

#[test]
fn the_bytes_of_the_example_are_its_messages() {
    let frames = frames();
    let names: Vec<_> = frames.iter().map(|(name, _)| name.as_str()).collect();
    let conversation = ["contract Hello", "host Call", "contract Get", "host Value", "contract Put", "contract Return"];
    let further = ["contract GetMany", "host Values", "contract Scan", "host Entries"];
    assert_eq!(names, [&conversation[..], &further].concat());
    let bytes: Vec<_> = frames.iter().map(|(_, bytes)| bytes.as_slice()).collect();

    let key = b"n".to_vec();
    let environment = Environment {
        this: vec![0x11; 20],
        caller: vec![0x22; 20],
        origin: vec![0x22; 20],
        coinbase: vec![0; 20],
        chain_id: 1,
        block_number: 7,
        ..Environment::default()
    };
    let call = Call {
        entry: Entry::Invoke.into(),
        method: "count".into(),
        environment: Some(environment),
        gas: 1_000_000,
        number: 1,
        ..Call::default()
    };
    assert_is(bytes[0], ContractFrame::from(Hello::new("count() -> u8", "example 1.0")));
    assert_is(bytes[1], HostFrame::from(call));
    let mine = |frame: ContractFrame| frame.of_call(1);
    assert_is(bytes[2], mine(Get { key: key.clone() }.into()));
    assert_is(bytes[3], HostFrame::from(Value { value: Some(vec![4]) }));
    assert_is(bytes[4], mine(Put { key: key.clone(), value: vec![5] }.into()));
    assert_is(bytes[5], mine(Return { status: Status::Success.into(), output: vec![5] }.into()));
    assert_is(bytes[6], mine(GetMany::of([&key[..], b"m"]).into()));
    let values = [Some(vec![4]), None].map(|value| Value { value }).to_vec();
    assert_is(bytes[7], HostFrame::from(Values { values }));
    assert_is(bytes[8], mine(Scan { start: b"a".to_vec(), end: Vec::new(), limit: 1 }.into()));
    let entries = vec![KeyValue { key: key.clone(), value: vec![4] }];
    assert_is(bytes[9], HostFrame::from(Entries { entries, next: b"n\0".to_vec() }));
}
