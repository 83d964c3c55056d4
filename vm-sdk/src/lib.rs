//! What contract authors use: one Rust source builds as native, WASM and container contract.
