//! Smart contracts written in Rust and linked into the host.
