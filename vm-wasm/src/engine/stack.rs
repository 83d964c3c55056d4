//! Native stack for calls within calls.

#[cfg(any(feature = "wasmer", feature = "wasmtime"))]
/// What a contract may use of the native stack. The metering of the module's own stack keeps it far from that.
pub(super) const CONTRACT: usize = 2 << 20;

/// What is left for the host below a contract, and for the beginning of the next one.
const HOST: usize = 1 << 20;

/// The size of a stack that is added: for a few calls within calls. Only what is touched occupies memory.
const ADDED: usize = 12 << 20;

#[cfg(feature = "wasmtime")]
/// Runs `call` where there is room for a contract: on this stack, or else on one that is added for it. A worker of a
/// [`Vm`](vm_core::Vm) has room for the deepest call; threads that the embedder brings may not.
pub(super) fn with_room<R>(call: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(CONTRACT + HOST, ADDED, call)
}

/// Runs `call` where there is room for the host: whoever brings a thread with a
/// small stack has it overflow by no number of calls within calls.
pub(crate) fn with_host_room<R>(call: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(HOST / 2, ADDED, call)
}
