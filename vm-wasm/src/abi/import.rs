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
    /// ChainMaker: a call of the host, by its name.
    SysCall,
    /// ChainMaker: a line for the log.
    LogMessage,
    /// ChainMaker: copies the parameters to where the contract allocated memory for them.
    Parameters,
    /// Does nothing and answers 0, without the host.
    Nothing,
    /// Traps, without the host.
    Never,
    /// Grows memory or table, outside of the contract's own frames; see `meter::grow`.
    Grow,
}

impl Op {
    const ALL: [Self; 22] = [
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
        Self::SysCall,
        Self::LogMessage,
        Self::Parameters,
        Self::Nothing,
        Self::Never,
        Self::Grow,
    ];

    /// The operation with a number.
    pub(crate) fn from_number(number: i32) -> Option<Self> {
        usize::try_from(number).ok().and_then(|index| Self::ALL.get(index)).copied()
    }
}

/// The answer to [`Op::Grow`] where the contract grows by itself.
pub(crate) const BY_ITSELF: i64 = -2;

/// An import of the ABI.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Import {
    pub(crate) name: &'static str,
    pub(crate) op: Op,
    pub(crate) params: &'static [ValType],
    pub(crate) result: Option<ValType>,
}

const I: ValType = ValType::I32;
const L: ValType = ValType::I64;

/// The result of imports that return a number.
const SOME: Option<ValType> = Some(L);

const fn import(name: &'static str, op: Op, params: &'static [ValType], result: Option<ValType>) -> Import {
    Import { name, op, params, result }
}

const IMPORTS: [Import; 15] = [
    import("method", Op::Method, &[I], None),
    import("input", Op::Input, &[I], None),
    import("output", Op::Output, &[I, I], None),
    import("get", Op::Get, &[I, I, I, I], SOME),
    import("result", Op::Result, &[I], None),
    import("put", Op::Put, &[I, I, I, I], None),
    import("delete", Op::Delete, &[I, I], None),
    import("scan", Op::Scan, &[I, I, I, I, I], SOME),
    import("emit", Op::Emit, &[I, I, I, I], None),
    import("env", Op::Env, &[I], None),
    import("gas_left", Op::GasLeft, &[], SOME),
    import("log", Op::Log, &[I, I, I], None),
    import("address_of", Op::AddressOf, &[I, I, I], None),
    import("call", Op::Call, &[I, I, I, I, I, I, I, L, I], SOME),
    import("abort", Op::Abort, &[I], None),
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
    pub(crate) fn results(&self) -> &[ValType] {
        self.result.as_slice()
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
        assert_eq!(Op::from_number(22), None);
        assert_eq!(Op::from_number(-1), None);
    }
}
