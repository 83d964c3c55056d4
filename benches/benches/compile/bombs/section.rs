//! Sections other than code, as long as they may be.

use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, ElementSection, Elements, ExportKind, ExportSection, Function,
    FunctionSection, GlobalSection, GlobalType, MemorySection, MemoryType, Module, RefType, TableSection, TableType,
    TypeSection, ValType,
};

/// The most types, functions, globals and segments, a little fewer than a contract may have.
const TYPES: usize = 1_000;
const FUNCTIONS: usize = 8_000;
const GLOBALS: usize = 250;
const SEGMENTS: usize = 1_000;
/// The entries of a table.
const ENTRIES: usize = 16_000;

/// A kind of module.
pub(crate) struct Filled {
    pub(crate) name: &'static str,
    fill: fn(&mut Sections, usize),
}

/// All kinds.
pub(crate) const SECTIONS: &[Filled] = &[
    Filled { name: "types with 16 parameters", fill: |to, bytes| to.types((bytes / 20).min(TYPES), 16, 0) },
    Filled { name: "types with 64 parameters", fill: |to, bytes| to.types((bytes / 68).min(TYPES), 64, 0) },
    Filled {
        name: "types with 64 parameters and 16 results",
        fill: |to, bytes| to.types((bytes / 84).min(TYPES), 64, 16),
    },
    Filled {
        name: "functions used as values",
        fill: |to, bytes| {
            to.types(1, 0, 0);
            to.functions((bytes / 6).min(FUNCTIONS), 1);
            to.named();
        },
    },
    Filled {
        name: "functions used as values, with 16 parameters",
        fill: |to, bytes| {
            to.types(1, 16, 0);
            to.functions((bytes / 6).min(FUNCTIONS), 1);
            to.named();
        },
    },
    Filled {
        name: "functions used as values, with 64 parameters",
        fill: |to, bytes| {
            to.types(1, 64, 0);
            to.functions((bytes / 6).min(FUNCTIONS), 1);
            to.named();
        },
    },
    Filled {
        name: "functions of many types used as values, with 64 parameters",
        fill: |to, bytes| {
            let functions = (bytes / 15).min(FUNCTIONS);
            let types = (functions / 8).max(1);
            to.types(types, 64, 0);
            to.functions(functions, types);
            to.named();
        },
    },
    Filled {
        name: "passive elements",
        fill: |to, bytes| {
            to.segments(bytes, |to, bytes| drop(to.elements.passive(Elements::Functions(vec![ENTRY; bytes].into()))));
        },
    },
    Filled {
        name: "passive elements as expressions",
        fill: |to, bytes| {
            to.segments(bytes, |to, bytes| {
                let nulls = vec![ConstExpr::ref_null(wasm_encoder::HeapType::FUNC); bytes / 3];
                to.elements.passive(Elements::Expressions(RefType::FUNCREF, nulls.into()));
            });
        },
    },
    Filled {
        name: "declared elements",
        fill: |to, bytes| {
            to.segments(bytes, |to, bytes| drop(to.elements.declared(Elements::Functions(vec![ENTRY; bytes].into()))));
        },
    },
    Filled {
        name: "active elements",
        fill: |to, bytes| {
            to.segments(bytes, |to, bytes| {
                let entries = vec![ENTRY; bytes.min(ENTRIES)];
                to.elements.active(None, &ConstExpr::i32_const(0), Elements::Functions(entries.into()));
            });
        },
    },
    Filled {
        name: "data",
        fill: |to, bytes| {
            to.segments(bytes, |to, bytes| {
                drop(to.data.active(0, &ConstExpr::i32_const(0), vec![7; bytes]));
                to.pieces += 1;
            });
        },
    },
    Filled {
        name: "passive data",
        fill: |to, bytes| {
            to.segments(bytes, |to, bytes| {
                drop(to.data.passive(vec![7; bytes]));
                to.pieces += 1;
            });
        },
    },
    Filled {
        name: "global variables",
        fill: |to, bytes| {
            let ty = GlobalType { val_type: ValType::FUNCREF, mutable: true, shared: false };
            (0..(bytes / 5).min(GLOBALS)).for_each(|_| drop(to.globals.global(ty, &ConstExpr::ref_func(ENTRY))));
        },
    },
];

/// The entry's function and type.
const ENTRY: u32 = 0;

/// A contract as it grows.
#[derive(Default)]
pub(crate) struct Sections {
    types: TypeSection,
    declared: FunctionSection,
    code: CodeSection,
    elements: ElementSection,
    data: DataSection,
    globals: GlobalSection,
    /// Functions beside the entry, and segments of data.
    functions: u32,
    pieces: u32,
}

impl Sections {
    /// Types that differ, of 32 and 64 bits.
    fn types(&mut self, count: usize, parameters: usize, results: usize) {
        for number in 0..count {
            let of = |at: usize| if at < 10 && number >> at & 1 == 1 { ValType::I64 } else { ValType::I32 };
            self.types.ty().function((0..parameters).map(of), (0..results).map(|_| ValType::I64));
        }
    }

    /// Empty functions, of so many types by turns.
    fn functions(&mut self, count: usize, types: usize) {
        for number in 0..count {
            self.declared.function(1 + u32::try_from(number % types).unwrap());
            let mut function = Function::new([]);
            function.instructions().end();
            self.code.function(&function);
            self.functions += 1;
        }
    }

    /// Names them all.
    fn named(&mut self) {
        let all: Vec<u32> = (1..=self.functions).collect();
        self.elements.declared(Elements::Functions(all.into()));
    }

    /// Segments of equal length that have so many bytes together.
    fn segments(&mut self, bytes: usize, mut segment: impl FnMut(&mut Self, usize)) {
        let each = (bytes / SEGMENTS).max(1_000);
        (0..bytes / each).for_each(|_| segment(self, each.saturating_sub(8)));
    }
}

impl Filled {
    /// A contract of at most so many bytes.
    pub(crate) fn module(&self, bytes: usize) -> Vec<u8> {
        let mut sections = Sections::default();
        sections.types.ty().function([ValType::I32; 3], [ValType::I32]);
        sections.declared.function(ENTRY);
        let mut entry = Function::new([]);
        entry.instructions().i32_const(0).end();
        sections.code.function(&entry);
        (self.fill)(&mut sections, bytes.saturating_sub(512));
        let mut tables = TableSection::new();
        let minimum = ENTRIES as u64;
        let ty = TableType { element_type: RefType::FUNCREF, minimum, maximum: None, table64: false, shared: false };
        tables.table(ty);
        let mut memories = MemorySection::new();
        memories.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
        let mut exports = ExportSection::new();
        exports.export("memory", ExportKind::Memory, 0).export("vm_call", ExportKind::Func, ENTRY);
        let mut module = Module::new();
        module.section(&sections.types).section(&sections.declared).section(&tables).section(&memories);
        module.section(&sections.globals).section(&exports).section(&sections.elements);
        module.section(&wasm_encoder::DataCountSection { count: sections.pieces });
        module.section(&sections.code).section(&sections.data);
        module.finish()
    }
}
