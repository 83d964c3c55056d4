//! Messages and frames between a host and a contract that runs in a container.
//!
//! The contract's process connects to the host's unix socket ([`SOCKET_PATH`], or what the
//! environment variable [`SOCKET_VARIABLE`] says), sends [`Hello`], and serves one [`Call`] after the
//! other. `proto/contract.proto` defines the messages for every language, `docs/container-protocol.md`
//! explains them; this crate is the Rust side of both ends and builds without `protoc`.
//!
//! A contract that counts how often it was called:
//!
//! ```no_run
//! use std::os::unix::net::UnixStream;
//! use vm_container_protocol::{
//!     ContractFrame, FrameReader, FrameWriter, Get, Hello, HostFrame, Put, Return, SOCKET_PATH,
//!     Status, host_frame,
//! };
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let stream = UnixStream::connect(SOCKET_PATH)?;
//!     let mut from_host = FrameReader::new(stream.try_clone()?);
//!     let mut to_host = FrameWriter::new(stream);
//!     to_host.send(&ContractFrame::from(Hello::new("count() -> u8", "example 1.0")))?;
//!
//!     while let Some(frame) = from_host.receive::<HostFrame>()? {
//!         let Some(host_frame::Kind::Call(call)) = frame.kind else { continue };
//!         let mine = |frame: ContractFrame| frame.of_call(call.number);
//!         // Get is answered, so it is sent at once; Put is not, so it can wait for Return.
//!         to_host.send(&mine(Get { key: b"n".to_vec() }.into()))?;
//!         let count = match from_host.receive::<HostFrame>()?.and_then(|frame| frame.kind) {
//!             Some(host_frame::Kind::Value(value)) => {
//!                 value.value.and_then(|bytes| bytes.first().copied()).unwrap_or(0)
//!             }
//!             // Stop: say something, it is ignored, and wait for the next call.
//!             _ => 0,
//!         };
//!         to_host.queue(&mine(Put { key: b"n".to_vec(), value: vec![count + 1] }.into()))?;
//!         let output = vec![count + 1];
//!         to_host.send(&mine(Return { status: Status::Success.into(), output }.into()))?;
//!     }
//!     Ok(())
//! }
//! ```

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests fail by panicking"
    )
)]

mod convert;
mod frame;
#[rustfmt::skip]
#[allow(clippy::large_enum_variant, reason = "there is one frame at a time, moved once")]
#[path = "generated.rs"]
mod messages;

pub use convert::CutKeys;
pub use frame::{FrameError, FrameReader, FrameWriter, MAX_FRAME};
pub use messages::*;

/// Version of the protocol, sent in [`Hello`].
pub const PROTOCOL_VERSION: u32 = 1;

/// Where the host's socket lies inside a container.
pub const SOCKET_PATH: &str = "/run/vm/contract.sock";

/// Environment variable that holds the path of the socket.
pub const SOCKET_VARIABLE: &str = "VM_SOCKET";

/// Environment variable that says `call` where every call shall have a process of its own.
pub const ISOLATION_VARIABLE: &str = "VM_ISOLATION";

/// Environment variable that says how many connections a process may make, each for one call at a time. Where it is not set: one.
pub const CONCURRENCY_VARIABLE: &str = "VM_CONCURRENCY";
