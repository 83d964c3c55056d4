//! The functions that ChainMaker's contracts import.

use wasmparser::ValType;

use crate::abi::import::{Import, Op};

/// The module name of ChainMaker's own imports.
pub(crate) const MODULE: &str = "env";

/// The module names under which compilers import WASI. Contracts get functions that do nothing: TinyGo's runtime refers to
/// them, and what depends on the machine is not to be had.
const WASI: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];

const I: ValType = ValType::I32;
const L: ValType = ValType::I64;

const fn import(name: &'static str, op: Op, params: &'static [ValType], result: Option<ValType>) -> Import {
    Import { name, op, params, result }
}

const OWN: [Import; 2] =
    [import("sys_call", Op::SysCall, &[I, I, I, I], Some(I)), import("log_message", Op::LogMessage, &[I, I], None)];

const SYSTEM: [Import; 7] = [
    import("fd_write", Op::Nothing, &[I, I, I, I], Some(I)),
    import("fd_read", Op::Nothing, &[I, I, I, I], Some(I)),
    import("fd_close", Op::Nothing, &[I], Some(I)),
    import("fd_seek", Op::Nothing, &[I, L, I, I], Some(I)),
    // As ChainMaker's host declares it.
    import("fd_seek", Op::Nothing, &[I, I, I, I], Some(I)),
    import("proc_exit", Op::Never, &[I], None),
    import("clock_time_get", Op::Never, &[I, L, I], Some(I)),
];

/// What the entry calls to have the parameters copied. No module can import it: it has an index beyond all functions.
pub(crate) const PARAMETERS: Import = import("parameters", Op::Parameters, &[I], None);
/// The function index of [`PARAMETERS`].
pub(crate) const PARAMETERS_INDEX: u32 = u32::MAX;

/// Whether `env` has this function.
pub(crate) fn is_own(name: &str) -> bool {
    OWN.iter().any(|import| import.name == name)
}

/// Whether this is what contracts in C++ import instead: they have an ABI of their own.
pub(crate) fn is_of_cpp(module: &str, name: &str) -> bool {
    module == MODULE && matches!(name, "_call_method" | "_fetch_response")
}

/// The functions that an import of this name stands for: they differ in their types.
pub(crate) fn find(module: &str, name: &str) -> impl Iterator<Item = &'static Import> {
    let table: &'static [Import] = match module {
        MODULE => &OWN,
        module if WASI.contains(&module) => &SYSTEM,
        _ => &[],
    };
    table.iter().filter(move |import| import.name == name)
}

/// All names, for error messages.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    OWN.iter().chain(&SYSTEM).map(|import| import.name)
}
