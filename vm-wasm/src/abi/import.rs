//! The functions that a contract may import, version 1 of the ABI: names and signatures as documented in `docs/wasm-abi.md`.

use wasmparser::ValType;

/// The module name of all imports.
pub(crate) const MODULE: &str = "vm1";

/// The export that is called.
pub(crate) const ENTRY: &str = "vm_call";
/// The export that host functions read and write.
pub(crate) const MEMORY: &str = "memory";
/// The custom section with the interface text.
pub(crate) const INTERFACE_SECTION: &str = "vm.interface";

/// A host operation. The numbers are what instrumented modules pass to the host, never part of the ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Op {
    Refill = 0,
    Method,
    Input,
    Output,
    Get,
    Result,
    Put,
    Delete,
    Scan,
    Emit,
    Env,
    GasLeft,
    Log,
    AddressOf,
    Call,
    Abort,
}

impl Op {
    const ALL: [Self; 16] = [
        Self::Refill,
        Self::Method,
        Self::Input,
        Self::Output,
        Self::Get,
        Self::Result,
        Self::Put,
        Self::Delete,
        Self::Scan,
        Self::Emit,
        Self::Env,
        Self::GasLeft,
        Self::Log,
        Self::AddressOf,
        Self::Call,
        Self::Abort,
    ];

    /// The operation with a number.
    pub(crate) fn from_number(number: i32) -> Option<Self> {
        usize::try_from(number).ok().and_then(|index| Self::ALL.get(index)).copied()
    }
}

/// An import of the ABI.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Import {
    pub(crate) name: &'static str,
    pub(crate) op: Op,
    pub(crate) params: &'static [ValType],
    /// Whether it returns an `i64`; the others return nothing.
    pub(crate) returns: bool,
}

const I: ValType = ValType::I32;
const L: ValType = ValType::I64;

const fn import(name: &'static str, op: Op, params: &'static [ValType], returns: bool) -> Import {
    Import { name, op, params, returns }
}

const IMPORTS: [Import; 15] = [
    import("method", Op::Method, &[I], false),
    import("input", Op::Input, &[I], false),
    import("output", Op::Output, &[I, I], false),
    import("get", Op::Get, &[I, I, I, I], true),
    import("result", Op::Result, &[I], false),
    import("put", Op::Put, &[I, I, I, I], false),
    import("delete", Op::Delete, &[I, I], false),
    import("scan", Op::Scan, &[I, I, I, I, I], true),
    import("emit", Op::Emit, &[I, I, I, I], false),
    import("env", Op::Env, &[I], false),
    import("gas_left", Op::GasLeft, &[], true),
    import("log", Op::Log, &[I, I, I], false),
    import("address_of", Op::AddressOf, &[I, I, I], false),
    import("call", Op::Call, &[I, I, I, I, I, I, I, L, I], true),
    import("abort", Op::Abort, &[I], false),
];

impl Import {
    /// The import of a name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        IMPORTS.iter().find(|import| import.name == name)
    }

    /// All names, for error messages.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        IMPORTS.iter().map(|import| import.name)
    }

    /// The result types.
    pub(crate) fn results(&self) -> &'static [ValType] {
        if self.returns { &[L] } else { &[] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_indices() {
        for (number, op) in Op::ALL.into_iter().enumerate() {
            assert_eq!(op as usize, number);
        }
        assert_eq!(Op::from_number(16), None);
        assert_eq!(Op::from_number(-1), None);
    }
}
