//! Native stack for compiled contracts.

/// What a contract may use of the native stack. The metering of the module's own stack keeps it far from that.
pub(super) const CONTRACT: usize = 2 << 20;

#[cfg(feature = "wasmtime")]
/// What is left for the host below a contract, and for the beginning of the next one.
const HOST: usize = 1 << 20;

#[cfg(feature = "wasmtime")]
/// The size of a stack that is added: for a few calls within calls. Only what is touched occupies memory.
const ADDED: usize = 4 * (CONTRACT + HOST);

#[cfg(feature = "wasmtime")]
/// Runs `call` where there is room for a contract: on this stack, or else on one that is added for it. A worker of a
/// [`Vm`](vm_core::Vm) has room for the deepest call; threads that the embedder brings may not.
pub(super) fn with_room<R>(call: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(CONTRACT + HOST, ADDED, call)
}
