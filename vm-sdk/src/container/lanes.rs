//! Several calls at a time: a connection and a thread for each.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread::{Builder, scope};

use vm_container_protocol::{CONCURRENCY_VARIABLE, ContractFrame, FrameError, FrameWriter, Hello};

/// Stack of each thread, in bytes: what the first thread of a process usually has, so that calls can nest as deep on any.
const STACK: usize = 8 << 20;

/// How many connections there shall be: as many as the contract declares, and the host allows.
pub(super) fn count(declared: u32) -> u32 {
    let allowed = std::env::var(CONCURRENCY_VARIABLE).ok();
    bounded(declared, allowed.as_deref())
}

fn bounded(declared: u32, allowed: Option<&str>) -> u32 {
    let allowed = allowed.and_then(|text| text.parse().ok()).unwrap_or(1);
    declared.min(allowed).max(1)
}

/// Greets on all connections, and serves each on a thread of its own, until the host has hung up on all of them. One that fails
/// does not end the others.
pub(super) fn serve(
    streams: Vec<UnixStream>,
    hello: &Hello,
    calls: fn(UnixStream) -> Result<(), FrameError>,
) -> Result<(), FrameError> {
    let ends = streams.iter().map(UnixStream::try_clone).collect::<io::Result<Vec<_>>>()?;
    let greeting = ContractFrame::from(hello.clone());
    scope(|scope| {
        let thread = |stream| Builder::new().stack_size(STACK).spawn_scoped(scope, move || calls(stream));
        let threads = streams.into_iter().map(thread).collect::<io::Result<Vec<_>>>();
        // Who greets is ready for calls: on every connection, or on none.
        let greeted = threads.map_err(FrameError::from).and_then(|threads| {
            ends.iter().try_for_each(|end| FrameWriter::new(end).send(&greeting)).map(|()| threads)
        });
        match greeted {
            Ok(threads) => {
                // A connection ends with its thread.
                drop(ends);
                let panicked = || Err(io::Error::other("a thread ended before its connection").into());
                let ended: Vec<_> =
                    threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| panicked())).collect();
                ended.into_iter().collect()
            }
            Err(error) => {
                for end in &ends {
                    // The threads that there are learn from it that nothing comes.
                    let _ = end.shutdown(Shutdown::Both);
                }
                Err(error)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_number_counts_and_one_is_the_least() {
        for (declared, allowed, expected) in
            [(8, Some("4"), 4), (2, Some("4"), 2), (8, None, 1), (8, Some("many"), 1), (0, Some("0"), 1)]
        {
            assert_eq!(bounded(declared, allowed), expected, "{declared} {allowed:?}");
        }
    }
}
