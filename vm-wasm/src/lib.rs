//! WebAssembly smart contracts, metered by instrumentation.
