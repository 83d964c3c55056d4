//! The token's version 2 as a WASM module or a container's executable.

vm_sdk::main!(token_v2::Token);
