//! The process in a container, on one end of a socket pair; the test is the host on the other end.

use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

use vm_container_protocol::{
    Call, ContractFrame, Entry, Environment, FrameError, FrameReader, FrameWriter, HostFrame, Put, Return, Status,
    Stop, Value, contract_frame::Kind,
};
use vm_sdk::{Context, Contract, Item, Result as Outcome, container, contract};

use crate::sample::Counter;

/// A contract that does not mind what the host says.
struct Careless;

const NOTE: Item<Vec<u8>> = Item::new("note");

#[contract(name = "careless")]
impl Careless {
    pub fn note(cx: &mut Context, length: u32) -> Outcome<bool> {
        let kept = NOTE.set(cx, &vec![7; length as usize]);
        // What is asked afterwards is refused, too.
        Ok(kept.is_ok() || NOTE.get(cx).is_ok())
    }
}

struct Host {
    reader: FrameReader<UnixStream>,
    writer: FrameWriter<UnixStream>,
    contract: JoinHandle<Result<(), FrameError>>,
}

impl Host {
    fn start() -> Self {
        Self::of::<Counter>()
    }

    /// Starts a contract and takes its greeting.
    fn of<C: Contract>() -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let contract = std::thread::spawn(|| container::serve_on::<C>(theirs));
        let reader = FrameReader::new(ours.try_clone().unwrap());
        let mut host = Self { reader, writer: FrameWriter::new(ours), contract };
        let Kind::Hello(hello) = host.receive() else { panic!("expected a greeting") };
        assert_eq!((hello.protocol, &*hello.interface), (1, C::INTERFACE));
        assert!(hello.sdk.starts_with("vm-sdk "));
        host
    }

    fn call(&mut self, entry: Entry, method: &str, input: &[u8]) {
        let call = Call {
            entry: entry.into(),
            method: method.into(),
            input: input.into(),
            from_version: "1".into(),
            to_version: "2".into(),
            environment: Some(Environment { this: vec![1; 20], ..Environment::default() }),
            gas: 1_000,
            number: 7,
        };
        self.send(call);
    }

    fn send(&mut self, frame: impl Into<HostFrame>) {
        self.writer.send(&frame.into()).unwrap();
    }

    fn receive(&mut self) -> Kind {
        let frame = self.reader.receive::<ContractFrame>().unwrap().unwrap();
        let kind = frame.kind.unwrap();
        assert_eq!(frame.call, if matches!(kind, Kind::Hello(_)) { 0 } else { 7 });
        kind
    }

    /// The end of the call.
    fn returned(&mut self) -> (Status, Vec<u8>) {
        match self.receive() {
            Kind::Return(Return { status, output }) => (Status::try_from(status).unwrap(), output),
            other => panic!("expected Return, got {other:?}"),
        }
    }

    fn hang_up(self) -> Result<(), FrameError> {
        drop((self.reader, self.writer));
        self.contract.join().unwrap()
    }
}

#[test]
fn calls_read_write_emit_and_return() {
    let mut host = Host::start();
    host.call(Entry::Invoke, "add", &3u64.to_le_bytes());
    let Kind::Get(get) = host.receive() else { panic!("expected Get") };
    assert_eq!(get.key, b"\x05count");
    host.send(Value { value: Some(4u64.to_le_bytes().into()) });
    assert_eq!(host.receive(), Kind::Put(Put { key: get.key, value: 7u64.to_le_bytes().into() }));
    let Kind::Emit(event) = host.receive() else { panic!("expected Emit") };
    assert_eq!((&*event.topic, &*event.data), ("Counted", &7u64.to_le_bytes()[..]));
    assert_eq!(host.returned(), (Status::Success, 7u64.to_le_bytes().into()));

    // The same process serves the next call.
    host.call(Entry::Deploy, "init", &[5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert!(matches!(host.receive(), Kind::Put(_)));
    assert_eq!(host.returned(), (Status::Success, vec![]));
    assert!(host.hang_up().is_ok());
}

#[test]
fn an_upgrade_is_told_both_versions() {
    let mut host = Host::start();
    host.call(Entry::Upgrade, "upgrade", &[3]);
    let Kind::Put(put) = host.receive() else { panic!("expected Put") };
    assert_eq!(put.value, b"\x03\0\0\x001>2");
    assert_eq!(host.returned(), (Status::Success, vec![]));
}

#[test]
fn refusals_and_panics_are_told_apart() {
    let mut host = Host::start();
    host.call(Entry::Invoke, "add", &2_000u64.to_le_bytes());
    assert_eq!(host.returned(), (Status::Revert, b"that is too much".into()));
    host.call(Entry::Invoke, "set_and_overflow", &2u64.to_le_bytes());
    assert!(matches!(host.receive(), Kind::Put(_)));
    assert_eq!(host.returned(), (Status::Trap, b"attempt to add with overflow".into()));
    host.call(Entry::Invoke, "nothing", &[]);
    assert_eq!(host.returned(), (Status::Revert, b"unknown method 'nothing'".into()));
}

#[test]
fn a_stop_ends_the_call_and_the_process_lives_on() {
    let mut host = Host::start();
    host.call(Entry::Invoke, "count", &[]);
    assert!(matches!(host.receive(), Kind::Get(_)));
    host.send(Stop {});
    assert_eq!(host.returned(), (Status::Trap, vec![]));
    host.call(Entry::Invoke, "count", &[]);
    assert!(matches!(host.receive(), Kind::Get(_)));
    host.send(Value { value: None });
    assert_eq!(host.returned(), (Status::Success, 0u64.to_le_bytes().into()));
}

/// What the host never heard of it cannot stop: the library does.
#[test]
fn who_goes_on_after_what_no_frame_holds_does_not_succeed() {
    let mut host = Host::of::<Careless>();
    host.call(Entry::Invoke, "note", &(17_u32 << 20).to_le_bytes());
    let (status, output) = host.returned();
    let output = String::from_utf8(output).unwrap();
    assert!(status == Status::Trap && output.contains("bytes at once, which no frame holds"), "{status:?} {output}");

    host.call(Entry::Invoke, "note", &3_u32.to_le_bytes());
    assert!(matches!(host.receive(), Kind::Put(_)));
    assert_eq!(host.returned(), (Status::Success, vec![1]));
    assert!(host.hang_up().is_ok());
}

#[test]
fn a_host_that_breaks_the_protocol_or_dies_ends_the_process() {
    let mut host = Host::start();
    host.call(Entry::Invoke, "count", &[]);
    assert!(matches!(host.receive(), Kind::Get(_)));
    host.send(vm_container_protocol::Gas { left: 1 });
    let error = host.contract.join().unwrap().unwrap_err();
    assert!(error.to_string().contains("answer is of another kind"), "{error}");

    let mut host = Host::start();
    host.call(Entry::Invoke, "count", &[]);
    assert!(matches!(host.receive(), Kind::Get(_)));
    assert!(host.hang_up().is_err());
}
