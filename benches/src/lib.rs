//! Benchmarks against the bare engines.
