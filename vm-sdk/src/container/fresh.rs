//! A process for every call: the same program again, on the same connection.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use vm_container_protocol::{ContractFrame, FrameError, FrameWriter, Hello, ISOLATION_VARIABLE};

use super::hello;
use crate::Contract;

/// Set for the process of one call.
const ONE_CALL: &str = "VM_ONE_CALL";

/// How such a process says that it has performed its call. One that ends well without having done so was left by the host.
const PERFORMED: u8 = 86;

/// True if the host asks for a process for every call.
pub(super) fn is_asked_for() -> bool {
    std::env::var_os(ISOLATION_VARIABLE).is_some_and(|isolation| isolation == "call")
}

/// The connection that this process takes over, if it is there for one call.
pub(super) fn inherited() -> Option<io::Result<UnixStream>> {
    std::env::var_os(ONE_CALL)?;
    Some(io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from))
}

/// What the process of a call ends with, whose host may have hung up before there was one.
pub(super) fn exit_code(performed: bool) -> ExitCode {
    if performed { ExitCode::from(PERFORMED) } else { ExitCode::SUCCESS }
}

/// Greets, and has each call performed by a process of its own. The next one waits for its call as soon as the one before
/// has ended, so that no call waits for a start. When one does not end as it should, this process ends as it did.
pub(super) fn serve<C: Contract>(stream: &UnixStream) -> Result<ExitCode, FrameError> {
    let greeting = Hello { fresh_calls: true, ..hello::<C>() };
    FrameWriter::new(stream).send(&ContractFrame::from(greeting))?;
    let program = std::env::current_exe()?;
    loop {
        let connection = OwnedFd::from(stream.try_clone()?);
        let ended = Command::new(&program).env(ONE_CALL, "1").stdin(Stdio::from(connection)).status()?;
        let code = code(ended);
        if code != PERFORMED {
            return Ok(ExitCode::from(code));
        }
    }
}

/// The exit code as a container tells it: 128 and the signal's number if a signal ended the process.
fn code(ended: ExitStatus) -> u8 {
    let code = ended.code().or_else(|| ended.signal()?.checked_add(128));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_to_have_ended_as_its_child_did() {
        let code_of = |raw: i32| code(ExitStatus::from_raw(raw));
        assert_eq!((code_of(86 << 8), code_of(7 << 8), code_of(9)), (PERFORMED, 7, 137));
    }
}
