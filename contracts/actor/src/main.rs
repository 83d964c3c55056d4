//! The actor as a WASM module or a container's executable.

vm_sdk::main!(actor::Actor);
