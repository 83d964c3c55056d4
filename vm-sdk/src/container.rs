//! Contracts in containers: the process that serves calls through a socket. [`main!`](crate::main) uses it.

mod link;

use std::any::Any;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use vm_container_protocol::{
    Call as CallFrame, ContractFrame, Entry as EntryFrame, FrameError, FrameReader, FrameWriter, Hello, HostFrame,
    Return, SOCKET_PATH, SOCKET_VARIABLE, Status, host_frame,
};

use crate::{Call, Contract, Entry, Error, Result, Stop, enter};
use link::Link;

/// Connects to the host and performs calls until the host hangs up. The body of `main`.
pub fn serve<C: Contract>() -> ExitCode {
    let path = std::env::var_os(SOCKET_VARIABLE).unwrap_or_else(|| SOCKET_PATH.into());
    let stream = match UnixStream::connect(&path) {
        Ok(stream) => stream,
        Err(error) => {
            eprintln!(
                "{}: cannot connect to the host at {}: {error}; this program is a contract, which a host runs in a container",
                C::NAME,
                path.display(),
            );
            return ExitCode::FAILURE;
        }
    };
    // The host learns of a panic from the call's result.
    std::panic::set_hook(Box::new(|_| {}));
    match serve_on::<C>(stream) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: connection to the host: {error}", C::NAME);
            ExitCode::FAILURE
        }
    }
}

/// As [`serve`], on a stream that is connected already.
///
/// # Errors
///
/// The stream failed or the host broke the protocol.
pub fn serve_on<C: Contract>(stream: UnixStream) -> Result<(), FrameError> {
    let mut reader = FrameReader::new(stream.try_clone()?);
    let mut writer = FrameWriter::new(stream);
    let sdk = concat!("vm-sdk ", env!("CARGO_PKG_VERSION"));
    writer.send(&ContractFrame::from(Hello::new(C::INTERFACE, sdk)))?;
    while let Some(frame) = reader.receive::<HostFrame>()? {
        let Some(host_frame::Kind::Call(call)) = frame.kind else {
            // A Stop that crossed our Return.
            continue;
        };
        let mut link = Link::new(&mut reader, &mut writer, call.environment.as_ref());
        let answer = answer::<C>(&mut link, &call);
        if let Some(error) = link.broken() {
            return Err(error);
        }
        match writer.send(&ContractFrame::from(answer)) {
            Err(FrameError::TooLong { length }) => {
                let output = format!("the result has {length} bytes, which no frame holds");
                writer.send(&ContractFrame::from(trap(output)))?;
            }
            sent => sent?,
        }
    }
    Ok(())
}

fn answer<C: Contract>(link: &mut Link<'_>, call: &CallFrame) -> Return {
    let entry = match call.entry() {
        EntryFrame::Deploy => Entry::Deploy,
        EntryFrame::Upgrade => Entry::Upgrade { from: &call.from_version, to: &call.to_version },
        EntryFrame::Invoke | EntryFrame::Unspecified => Entry::Invoke,
    };
    let call = Call { entry, method: &call.method, input: &call.input };
    match catch_unwind(AssertUnwindSafe(|| enter::<C>(link, &call))) {
        Ok(Ok(output)) => Return { status: Status::Success.into(), output },
        Ok(Err(Error::Revert(message))) => Return { status: Status::Revert.into(), output: message.into_bytes() },
        // The host knows why.
        Ok(Err(Error::Stop(Stop))) => trap(""),
        Err(panic) => trap(panic_message(&*panic)),
    }
}

fn trap(message: impl Into<Vec<u8>>) -> Return {
    Return { status: Status::Trap.into(), output: message.into() }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("panic")
}
