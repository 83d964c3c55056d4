/// The largest shape that a module may have. Compilation is attack surface: these bounds hold before any compiler sees it.
///
/// They decide which contracts can be deployed, so all nodes of a chain use the same.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShapeLimits {
    /// Bytes of the module. Default 1 MiB.
    pub module_bytes: usize,
    /// Function types. Default 1,024.
    pub types: usize,
    /// Functions, imports not included. Default 8,192.
    pub functions: usize,
    /// Globals. Default 256.
    pub globals: usize,
    /// Imports. Default 64.
    pub imports: usize,
    /// Exports. Default 256.
    pub exports: usize,
    /// Parameters of a function or block. Default 64.
    pub params: usize,
    /// Results of a function or block. Default 16.
    pub results: usize,
    /// Locals of a function, parameters not included. Default 2,048.
    pub locals: u32,
    /// Bytes of a function body. Default 128 KiB.
    pub body_bytes: usize,
    /// Targets of a `br_table`. Default 2,048.
    pub br_table_targets: u32,
    /// Nested blocks. Default 512. Compiled code nests 3 deep; large `match`es need one level for each arm.
    pub nesting: usize,
    /// Data segments, and element segments. Default 1,024.
    pub segments: usize,
    /// Entries of the table, also as its maximum. Default 16,384.
    pub table_entries: u64,
}

impl ShapeLimits {
    /// Any shape.
    pub(super) const ANY: Self = Self {
        module_bytes: usize::MAX,
        types: usize::MAX,
        functions: usize::MAX,
        globals: usize::MAX,
        imports: usize::MAX,
        exports: usize::MAX,
        params: usize::MAX,
        results: usize::MAX,
        locals: u32::MAX,
        body_bytes: usize::MAX,
        br_table_targets: u32::MAX,
        nesting: usize::MAX,
        segments: usize::MAX,
        table_entries: u64::MAX,
    };
}

impl Default for ShapeLimits {
    fn default() -> Self {
        Self {
            module_bytes: 1 << 20,
            types: 1_024,
            functions: 8_192,
            globals: 256,
            imports: 64,
            exports: 256,
            params: 64,
            results: 16,
            locals: 2_048,
            body_bytes: 128 << 10,
            br_table_targets: 2_048,
            nesting: 512,
            segments: 1_024,
            table_entries: 16_384,
        }
    }
}
