//! Contracts in containers: the process that serves calls through a socket. [`main!`](crate::main) uses it.

mod fresh;
mod lanes;
mod link;

use std::any::Any;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;

use vm_container_protocol::{
    Call as CallFrame, ContractFrame, Entry as EntryFrame, FrameError, FrameReader, FrameWriter, Hello, HostFrame,
    Return, SOCKET_PATH, SOCKET_VARIABLE, Status, host_frame,
};

use crate::{Call, Contract, Entry, Error, Result, Stop, enter};
use link::Link;

/// Connects to the host and performs calls until the host hangs up. The body of `main`.
///
/// Where the host asks for it (`VM_ISOLATION=call`), every call is performed by a process of its own: this one
/// starts the same program again for each, which takes the connection over as its standard input.
pub fn serve<C: Contract>() -> ExitCode {
    // The host learns of a panic from the call's result.
    std::panic::set_hook(Box::new(|_| {}));
    let served = match fresh::inherited() {
        Some(stream) => stream.map_err(FrameError::from).and_then(serve_one::<C>).map(fresh::exit_code),
        None => match connect(C::NAME) {
            Ok(stream) if fresh::is_asked_for() => fresh::serve::<C>(&stream),
            Ok(stream) => serve_all::<C>(stream).map(|()| ExitCode::SUCCESS),
            Err(failure) => return failure,
        },
    };
    served.unwrap_or_else(|error| {
        eprintln!("{}: connection to the host: {error}", C::NAME);
        ExitCode::FAILURE
    })
}

/// Where the host listens.
fn socket() -> PathBuf {
    std::env::var_os(SOCKET_VARIABLE).unwrap_or_else(|| SOCKET_PATH.into()).into()
}

fn connect(name: &str) -> Result<UnixStream, ExitCode> {
    let path = socket();
    UnixStream::connect(&path).map_err(|error| {
        eprintln!(
            "{name}: cannot connect to the host at {}: {error}; this program is a contract, which a host runs in a container",
            path.display(),
        );
        ExitCode::FAILURE
    })
}

/// Calls on as many connections as the contract declares and the host allows.
fn serve_all<C: Contract>(first: UnixStream) -> Result<(), FrameError> {
    let lines = lanes::count(C::CONCURRENCY);
    if lines == 1 {
        return serve_on::<C>(first);
    }
    let mut streams = vec![first];
    for _ in 1..lines {
        streams.push(UnixStream::connect(socket())?);
    }
    lanes::serve(streams, &Hello { concurrency: lines, ..hello::<C>() }, serve_calls::<C>)
}

/// As [`serve`], on a stream that is connected already, in this process and with one call at a time whatever the host asks for.
///
/// # Errors
///
/// The stream failed or the host broke the protocol.
pub fn serve_on<C: Contract>(stream: UnixStream) -> Result<(), FrameError> {
    FrameWriter::new(&stream).send(&ContractFrame::from(hello::<C>()))?;
    serve_calls::<C>(stream)
}

/// One call after the other, on a connection whose greeting was sent, until the host hangs up.
fn serve_calls<C: Contract>(stream: UnixStream) -> Result<(), FrameError> {
    let mut reader = FrameReader::new(stream.try_clone()?);
    let mut writer = FrameWriter::new(stream);
    while next::<C>(&mut reader, &mut writer)? {}
    Ok(())
}

/// One call on a connection whose greeting another process has sent. False if the host hung up before.
fn serve_one<C: Contract>(stream: UnixStream) -> Result<bool, FrameError> {
    let mut reader = FrameReader::new(stream.try_clone()?);
    next::<C>(&mut reader, &mut FrameWriter::new(stream))
}

fn hello<C: Contract>() -> Hello {
    Hello::new(C::INTERFACE, concat!("vm-sdk ", env!("CARGO_PKG_VERSION")))
}

/// Waits for a call and performs it. False if the host has hung up.
fn next<C: Contract>(
    reader: &mut FrameReader<UnixStream>,
    writer: &mut FrameWriter<UnixStream>,
) -> Result<bool, FrameError> {
    let call = loop {
        match reader.receive::<HostFrame>()? {
            Some(HostFrame { kind: Some(host_frame::Kind::Call(call)) }) => break call,
            // A Stop that crossed our Return.
            Some(_) => {}
            None => return Ok(false),
        }
    };
    let mut link = Link::new(reader, writer, &call);
    let answer = answer::<C>(&mut link, &call);
    if let Some(error) = link.broken() {
        return Err(error);
    }
    match writer.send(&ContractFrame::from(answer).of_call(call.number)) {
        Err(FrameError::TooLong { length }) => {
            let output = format!("the result has {length} bytes, which no frame holds");
            writer.send(&ContractFrame::from(trap(output)).of_call(call.number))?;
        }
        sent => sent?,
    }
    Ok(true)
}

fn answer<C: Contract>(link: &mut Link<'_>, call: &CallFrame) -> Return {
    let entry = match call.entry() {
        EntryFrame::Deploy => Entry::Deploy,
        EntryFrame::Upgrade => Entry::Upgrade { from: &call.from_version, to: &call.to_version },
        EntryFrame::Invoke | EntryFrame::Unspecified => Entry::Invoke,
    };
    let call = Call { entry, method: &call.method, input: &call.input };
    let entered = catch_unwind(AssertUnwindSafe(|| enter::<C>(link, &call)));
    match (entered, link.trapped()) {
        // Who goes on after a stop has done a part of what it wanted at most.
        (Ok(_), Some(message)) => trap(message),
        (Err(panic), _) => trap(panic_message(&*panic)),
        (Ok(Ok(output)), None) => Return { status: Status::Success.into(), output },
        (Ok(Err(Error::Revert(message))), None) => {
            Return { status: Status::Revert.into(), output: message.into_bytes() }
        }
        // The contract has made it: no host said so.
        (Ok(Err(Error::Stop(Stop))), None) => trap(""),
    }
}

fn trap(message: impl Into<Vec<u8>>) -> Return {
    Return { status: Status::Trap.into(), output: message.into() }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("panic")
}
