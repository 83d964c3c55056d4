//! A call of a contract that runs, with one read and one write, against as many frames of the same lengths between the same
//! two processes, and threads: in turns, the contract's process takes calls and answers bare frames on another socket.

use std::{
    env, fs,
    io::{BufReader, Read, Write},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::PathBuf,
    process::Command,
    thread,
};

use futures_executor::block_on;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use vm_container_protocol::{
    Call, ContractFrame, Environment, FrameWriter, Get, HostFrame, Put, Return, Status, Value,
};
use vm_core::RuntimeProvider;

use crate::{
    Missed,
    percentiles::{Times, heading, time},
    place::{Caller, Place, detail, pair},
};

/// Calls of each turn, of which the first are not counted: the caches are those of the other before.
const TURN: usize = 50;
const FIRST: usize = 5;
const ROUNDS: usize = 400;

/// What the issue asks for.
const GOAL: f64 = 1.5;

/// The argument by which the bench runs [`run`] where it is.
pub(crate) const HERE: &str = "warm-here";

/// Has a process of its own run it, with all that it starts on one processor. On several, a call takes 30 or 80 microseconds by which
/// of them the scheduler has given the two processes, on either side: that, and not the code, would be the ratio.
pub(crate) fn on_one_processor() -> Vec<Missed> {
    // Compiled before, on all of them.
    pair();
    let all = sched_getaffinity(None).unwrap();
    let mut one = CpuSet::new();
    one.set((0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).unwrap());
    sched_setaffinity(None, &one).unwrap();
    let ended = Command::new(env::current_exe().unwrap()).arg(HERE).status().unwrap();
    sched_setaffinity(None, &all).unwrap();
    if ended.success() { Vec::new() } else { vec![format!("see above ({ended})")] }
}

pub(crate) fn run(place: &Place) -> Vec<Missed> {
    let runtime = place.runtime(|_| {});
    let code = pair();
    let lengths = lengths();
    let caller = Caller::of(&runtime, &code, "count", b"\x01\0\0\0k");
    let answers = [lengths[1], lengths[3]].map(|length| (length as u32).to_le_bytes());
    let answering = Caller::of(&runtime, &code, "answer", &answers.concat());
    let listener = listen(place);
    let frames = [lengths[0], lengths[2]];

    let (mut raw, mut ours) = (Times::default(), Times::default());
    for _ in 0..ROUNDS {
        raw.extend(turn_of_frames(&answering, &listener, frames));
        ours.extend((0..TURN).map(|_| time(|| caller.call()).0).skip(FIRST));
    }
    assert_eq!(detail(&runtime, "started"), 1, "all in one process");
    heading("warm call, one read and one write", "us");
    raw.print(
        &format!("frames of {} bytes on the bare socket", lengths.map(|length| length.to_string()).join(", ")),
        1.0,
        None,
    );
    ours.print("contract of vm-sdk, Contract::call", 1.0, Some(&raw));
    println!("goal: {GOAL} at p50\n");
    block_on(runtime.stop()).unwrap();
    ours.missed("a warm call", &raw, GOAL)
}

/// A socket beside the one that the host had in the folder of the only container.
fn listen(place: &Place) -> UnixListener {
    let inside = |path: PathBuf| fs::read_dir(path).into_iter().flatten().map(|entry| entry.unwrap().path());
    let folders: Vec<_> = inside(place.sockets()).flat_map(inside).map(|folder| folder.join("s")).collect();
    let [folder] = &folders.into_iter().filter(|folder| folder.is_dir()).collect::<Vec<_>>()[..] else {
        panic!("one container is there");
    };
    let path = folder.join("bare.sock");
    let listener = UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    listener
}

/// The same as many calls in frames, which the contract's process answers in one call.
fn turn_of_frames(answering: &Caller, listener: &UnixListener, lengths: [usize; 2]) -> Vec<f64> {
    thread::scope(|scope| {
        let answered = scope.spawn(|| answering.call());
        let mut pair = Pair::new(listener.accept().unwrap().0, lengths);
        let times = (0..TURN).map(|_| time(|| pair.call()).0).skip(FIRST).collect();
        drop(pair);
        answered.join().unwrap();
        times
    })
}

/// Lengths of the messages of a call: the call, the question, its answer, and the end with the change.
fn lengths() -> [usize; 4] {
    let address = || vec![1; 20];
    let environment = Environment {
        this: address(),
        caller: address(),
        origin: address(),
        coinbase: address(),
        chain_id: 1,
        ..Environment::default()
    };
    let number = 20_000;
    let call = Call {
        entry: 2,
        method: "count".into(),
        input: vec![0; 5],
        environment: Some(environment),
        gas: u64::MAX,
        number,
        ..Call::default()
    };
    let ending = Return { status: Status::Success.into(), output: vec![1; 8] };
    let put = Put { key: b"k".to_vec(), value: vec![1; 8] };
    let of_contract = |frame: ContractFrame| frame.of_call(number);
    // The change and the end travel together: one length for both, and one prefix less.
    let end = length(&of_contract(put.into())) + 4 + length(&of_contract(ending.into()));
    [
        length_of_host(call.into()),
        length(&of_contract(Get { key: b"k".to_vec() }.into())),
        length_of_host(Value { value: None }.into()),
        end,
    ]
}

fn length(frame: &ContractFrame) -> usize {
    let mut writer = FrameWriter::new(Vec::new());
    writer.send(frame).unwrap();
    writer.get_mut().len() - 4
}

fn length_of_host(frame: HostFrame) -> usize {
    let mut writer = FrameWriter::new(Vec::new());
    writer.send(&frame).unwrap();
    writer.get_mut().len() - 4
}

/// The host's end of the bare socket.
struct Pair {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
    sent: [Vec<u8>; 2],
    received: Vec<u8>,
}

impl Pair {
    fn new(stream: UnixStream, lengths: [usize; 2]) -> Self {
        let frame = |length: usize| [&(length as u32).to_le_bytes()[..], &vec![3; length]].concat();
        let reader = BufReader::new(stream.try_clone().unwrap());
        Self { reader, writer: stream, sent: lengths.map(frame), received: Vec::new() }
    }

    fn call(&mut self) {
        for frame in &self.sent {
            self.writer.write_all(frame).unwrap();
            let mut length = [0; 4];
            self.reader.read_exact(&mut length).unwrap();
            self.received.resize(u32::from_le_bytes(length) as usize, 0);
            self.reader.read_exact(&mut self.received).unwrap();
        }
    }
}
