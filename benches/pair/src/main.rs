//! The contract as a container's executable.

vm_sdk::main!(vm_bench_pair::Pair);
