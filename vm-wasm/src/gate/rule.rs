use std::fmt;

/// The rules of the gate. Each has a stable identifier in kebab case and a hint for the author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// The bytes do not start as a WebAssembly module does.
    NotWasm,
    /// The module ends in the middle of something.
    Truncated,
    /// The module cannot be decoded.
    Malformed,
    /// The module is decodable but invalid.
    Invalid,
    /// A component or another encoding instead of a core module.
    Component,
    /// Floating point.
    Float,
    /// Vector instructions.
    Simd,
    /// Shared memory and atomic instructions.
    Threads,
    /// 64-bit memories and tables.
    Memory64,
    /// Garbage-collected types and typed function references.
    Gc,
    /// Exceptions and tags.
    Exceptions,
    /// Tail calls.
    TailCall,
    /// More than one memory.
    MultiMemory,
    /// More than one table.
    MultiTable,
    /// References to host objects.
    Externref,
    /// Another proposal that is not supported.
    Proposal,
    /// An import that the ABI does not have.
    UnknownImport,
    /// Imports of more than one ABI.
    MixedImports,
    /// An import of something else than a function.
    ImportKind,
    /// An import whose type differs from the ABI's.
    ImportSignature,
    /// An export that the ABI demands is missing.
    MissingExport,
    /// An export is of another kind than the ABI demands.
    ExportKind,
    /// An export's type differs from the ABI's.
    ExportSignature,
    /// The interface is not what it must be.
    Interface,
    /// The ABI has no such option, or no place for an interface.
    Unsupported,
    /// The module has too many bytes.
    ModuleSize,
    /// Too many types.
    TypeCount,
    /// Too many functions.
    FunctionCount,
    /// Too many globals.
    GlobalCount,
    /// Too many imports.
    ImportCount,
    /// Too many exports.
    ExportCount,
    /// Too many parameters.
    ParamCount,
    /// Too many results.
    ResultCount,
    /// Too many locals in a function.
    LocalCount,
    /// A function body is too long.
    BodySize,
    /// A `br_table` has too many targets.
    BrTableSize,
    /// Blocks are nested too deeply.
    Nesting,
    /// Too many data or element segments.
    SegmentCount,
    /// A segment lies outside its memory or table.
    SegmentBounds,
    /// The memory is too large.
    MemorySize,
    /// The table is too large.
    TableSize,
    /// A function needs more stack than a call may have.
    StackSize,
}

impl Rule {
    /// The stable identifier.
    pub const fn id(self) -> &'static str {
        match self {
            Self::NotWasm => "not-wasm",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
            Self::Invalid => "invalid",
            Self::Component => "component",
            Self::Float => "float",
            Self::Simd => "simd",
            Self::Threads => "threads",
            Self::Memory64 => "memory64",
            Self::Gc => "gc",
            Self::Exceptions => "exceptions",
            Self::TailCall => "tail-call",
            Self::MultiMemory => "multi-memory",
            Self::MultiTable => "multi-table",
            Self::Externref => "externref",
            Self::Proposal => "proposal",
            Self::UnknownImport => "unknown-import",
            Self::MixedImports => "mixed-imports",
            Self::ImportKind => "import-kind",
            Self::ImportSignature => "import-signature",
            Self::MissingExport => "missing-export",
            Self::ExportKind => "export-kind",
            Self::ExportSignature => "export-signature",
            Self::Interface => "interface",
            Self::Unsupported => "unsupported",
            Self::ModuleSize => "module-size",
            Self::TypeCount => "type-count",
            Self::FunctionCount => "function-count",
            Self::GlobalCount => "global-count",
            Self::ImportCount => "import-count",
            Self::ExportCount => "export-count",
            Self::ParamCount => "param-count",
            Self::ResultCount => "result-count",
            Self::LocalCount => "local-count",
            Self::BodySize => "body-size",
            Self::BrTableSize => "br-table-size",
            Self::Nesting => "nesting",
            Self::SegmentCount => "segment-count",
            Self::SegmentBounds => "segment-bounds",
            Self::MemorySize => "memory-size",
            Self::TableSize => "table-size",
            Self::StackSize => "stack-size",
        }
    }

    /// What the author can do.
    pub const fn help(self) -> &'static str {
        match self {
            Self::NotWasm => "deploy the binary .wasm file that the compiler wrote",
            Self::Truncated => "the file is incomplete: build or copy it again",
            Self::Malformed | Self::Invalid => {
                "build the module again with an unmodified toolchain, and check it with `wasm-tools validate`"
            }
            Self::Component => "build a core module: target wasm32-unknown-unknown instead of wasm32-wasip2",
            Self::Float => "use integers or fixed-point numbers, or ask the operator to admit floats (`floats = true`)",
            Self::Simd => "build without -C target-feature=+simd128 (clang: without -msimd128)",
            Self::Threads => "build without -C target-feature=+atomics (clang: without -pthread and --shared-memory)",
            Self::Memory64 => "build for wasm32 instead of wasm64",
            Self::Gc => "use a language that compiles to linear memory",
            Self::Exceptions => "build with -C panic=abort (clang: without -fwasm-exceptions)",
            Self::TailCall => "build without -C target-feature=+tail-call (clang: without -mtail-call)",
            Self::MultiMemory => "build without -C target-feature=+multimemory; a contract has one memory",
            Self::MultiTable => "a contract has one table at most: link with the standard linker, without extra tables",
            Self::Externref => "build without wasm-bindgen and without externref; pass data through memory",
            Self::Proposal => {
                "build for the features mutable-globals, sign-ext, multivalue, bulk-memory and reference-types only"
            }
            Self::UnknownImport => {
                "a contract reaches the host through the module `vm1`, one of ChainMaker through `env.sys_call` and `env.log_message`; drop what needs JavaScript, C++ or another host"
            }
            Self::MixedImports => {
                "build with one SDK: vm-sdk, whose imports come from the module `vm1`, or ChainMaker's, with `env.sys_call` and `env.log_message`"
            }
            Self::ImportKind => "link with default settings: the contract defines its memory, table and globals itself",
            Self::ImportSignature => "declare the import with the types that docs/wasm-abi.md gives",
            Self::MissingExport => {
                "build with vm-sdk (a contract of ChainMaker: with ChainMaker's SDK), or export it as docs/wasm-abi.md says (Rust: #[unsafe(no_mangle)] pub extern \"C\"; crate-type cdylib)"
            }
            Self::ExportKind | Self::ExportSignature => "export it with the kind and type that docs/wasm-abi.md gives",
            Self::Interface => "keep one section of UTF-8 text, one method a line; vm-sdk writes it",
            Self::Unsupported => "docs/wasm-abi.md says which options and which interface contracts of each ABI have",
            Self::ModuleSize => "build in release mode with opt-level \"s\", lto and strip, and run wasm-opt -Oz",
            Self::TypeCount
            | Self::FunctionCount
            | Self::GlobalCount
            | Self::ImportCount
            | Self::ExportCount
            | Self::SegmentCount => "build in release mode with lto; split the contract if it really is that large",
            Self::ParamCount | Self::ResultCount => "pass a structure through memory",
            Self::LocalCount | Self::BodySize | Self::BrTableSize | Self::Nesting => {
                "build in release mode, or split the function"
            }
            Self::SegmentBounds => "link with default settings; the linker places segments inside the memory",
            Self::MemorySize => {
                "link with -Clink-arg=-zstack-size=32768 and smaller statics, or ask the operator for a higher memory limit"
            }
            Self::TableSize => "build in release mode with lto, which drops unused functions from the table",
            Self::StackSize => "build in release mode, or split the function",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}
