//! Modules that are made to be expensive to compile: one kind for each way to get much work out of few bytes.
//!
//! Every kind fills as many bytes as it is given, with functions as long as the gate lets them be, so that "the worst module of a
//! kind that is accepted" can be found by trying lengths. The bench `compile` does, and compiles those on every engine.

mod float;
mod nested;
mod operator;
mod register;
mod section;
mod waiting;

pub(crate) use self::operator::streams;
pub(crate) use self::section::SECTIONS;

use wasm_encoder::{
    BlockType, CodeSection, ElementSection, Elements, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, ImportSection, InstructionSink, MemorySection, MemoryType, Module, RefType,
    TableSection, TableType, TypeSection, ValType,
};

/// What a body may have, less what the frame of a function takes; and the lengths of functions that share a budget.
pub(crate) const BODIES: [usize; 3] = [LONG, 32 << 10, SHORT];
pub(crate) const LONG: usize = (128 << 10) - 64;
pub(crate) const SHORT: usize = 12 << 10;
/// What the module has around its functions, at most.
const AROUND: usize = 4 << 10;

/// Types, by index.
const NOTHING: u32 = 0;
const ENTRY: u32 = 1;
const TO_16: u32 = 2;
const FROM_64_TO_16: u32 = 3;
const TO_I64: u32 = 4;
const I64_TO_I64: u32 = 5;

/// Functions, by index: an import, the entry, and some to call.
const GAS_LEFT: u32 = 0;
const LEAF: u32 = 2;
const GIVES_16: u32 = 3;
const TAKES_64: u32 = 4;
const IDENTITY: u32 = 5;

type Sink<'s, 'f> = &'s mut InstructionSink<'f>;

/// A kind of module.
pub(crate) struct Bomb {
    pub(crate) name: &'static str,
    /// The type of its functions.
    ty: u32,
    /// Locals, all `i64`.
    locals: u32,
    /// The most units that a function has.
    units: u32,
    before: fn(Sink<'_, '_>),
    unit: fn(Sink<'_, '_>, u32),
    after: fn(Sink<'_, '_>),
}

const PLAIN: Bomb =
    Bomb { name: "", ty: NOTHING, locals: 8, units: u32::MAX, before: |_| (), unit: |_, _| (), after: |_| () };

/// All kinds.
pub(crate) fn all() -> impl Iterator<Item = &'static Bomb> {
    BOMBS.iter().chain(nested::BOMBS).chain(waiting::BOMBS).chain(float::BOMBS).chain(register::BOMBS)
}

const BOMBS: &[Bomb] = &[
    Bomb {
        name: "nested loops",
        unit: |f, _| {
            (0..500).for_each(|_| drop(f.loop_(BlockType::Empty)));
            (0..500).for_each(|_| drop(f.end()));
        },
        ..PLAIN
    },
    Bomb {
        name: "loops one after the other",
        unit: |f, _| {
            f.loop_(BlockType::Empty).end();
        },
        ..PLAIN
    },
    Bomb {
        name: "nested loops around many locals",
        locals: 2_000,
        unit: |f, _| {
            (0..500).for_each(|_| drop(f.loop_(BlockType::Empty)));
            (0..2_000).for_each(|local| drop(f.local_get(local).i64_const(1).i64_add().local_set(local)));
            (0..500).for_each(|_| drop(f.local_get(7).i32_wrap_i64().br_if(0).end()));
        },
        ..PLAIN
    },
    Bomb {
        name: "joins over many locals",
        locals: 2_000,
        units: 7_000,
        unit: |f, n| {
            f.block(BlockType::Empty).local_get(0).i32_wrap_i64().br_if(0);
            f.local_get(n % 2_000).i64_eqz().i64_extend_i32_u().local_set((n + 1) % 2_000).end();
        },
        after: |f| (0..2_000).for_each(|local| drop(f.local_get(local).global_set(0))),
        ..PLAIN
    },
    Bomb {
        name: "branches out of nested blocks",
        locals: 200,
        unit: |f, n| {
            (0..500).for_each(|_| drop(f.block(BlockType::Empty)));
            for depth in 0..500 {
                f.local_get(0).i32_wrap_i64().br_if((depth * 7 + n) % 500).i64_const(1).local_set(depth % 200);
            }
            (0..500).for_each(|local| drop(f.end().local_get(local % 200).global_set(0)));
        },
        ..PLAIN
    },
    Bomb {
        name: "br_tables over many locals",
        locals: 500,
        unit: |f, n| {
            (0..500).for_each(|_| drop(f.block(BlockType::Empty)));
            f.local_get(0).i32_wrap_i64().br_table((0..2_048).map(|n| n % 500), 0);
            for local in 0..500 {
                f.end().local_get((local + n) % 500).i64_const(1).i64_add().local_set(local);
            }
        },
        ..PLAIN
    },
    Bomb {
        name: "br_tables",
        unit: |f, _| {
            f.block(BlockType::Empty).block(BlockType::Empty);
            f.local_get(0).i32_wrap_i64().br_table((0..2_048).map(|n| n % 2), 0).end().end();
        },
        ..PLAIN
    },
    Bomb {
        name: "br_tables with results",
        ty: TO_16,
        units: 60,
        before: |f| (0..16).for_each(|n| drop(f.local_get(n))),
        unit: |f, n| {
            f.block(BlockType::FunctionType(TO_16)).call(GIVES_16).local_get(n % 8).i32_wrap_i64();
            f.br_table((0..2_048).map(|n| n % 2), 0).end();
            (0..16).for_each(|local| drop(f.local_set(local)));
        },
        locals: 16,
        ..PLAIN
    },
    Bomb {
        name: "conditional branches with results",
        ty: TO_16,
        units: 20_000,
        before: |f| drop(f.call(GIVES_16)),
        unit: |f, n| drop(f.local_get(n % 8).i32_wrap_i64().br_if(0)),
        ..PLAIN
    },
    Bomb {
        name: "loops with parameters",
        units: 2_000,
        before: |f| (0..4).for_each(|_| drop(f.call(GIVES_16))),
        unit: |f, n| {
            f.loop_(BlockType::FunctionType(FROM_64_TO_16)).call(TAKES_64).end();
            (0..3).for_each(|_| drop(f.call(GIVES_16)));
            let _ = n;
        },
        after: |f| (0..64).for_each(|_| drop(f.drop())),
        ..PLAIN
    },
    Bomb {
        name: "ifs",
        unit: |f, n| drop(f.local_get(n % 8).i64_eqz().if_(BlockType::Empty).else_().end()),
        units: 16_000,
        ..PLAIN
    },
    Bomb {
        name: "ifs that set locals",
        unit: |f, n| {
            f.local_get(n % 8).i64_eqz().if_(BlockType::Empty).local_get(0).local_set((n + 3) % 8).end();
        },
        units: 12_000,
        ..PLAIN
    },
    Bomb {
        name: "calls with many parameters",
        unit: |f, _| {
            (0..4).for_each(|_| drop(f.call(GIVES_16)));
            f.call(TAKES_64);
            (0..16).for_each(|_| drop(f.drop()));
        },
        ..PLAIN
    },
    Bomb { name: "calls", unit: |f, _| drop(f.call(LEAF)), ..PLAIN },
    Bomb { name: "calls of the host", unit: |f, _| drop(f.call(GAS_LEFT).drop()), ..PLAIN },
    Bomb {
        name: "indirect calls",
        units: 30_000,
        unit: |f, _| drop(f.i32_const(1).call_indirect(0, NOTHING)),
        ..PLAIN
    },
    Bomb {
        name: "tables",
        units: 10_000,
        unit: |f, _| drop(f.i32_const(0).i32_const(1).table_get(0).table_set(0)),
        ..PLAIN
    },
    Bomb { name: "memory.grow", units: 25_000, unit: |f, _| drop(f.i32_const(0).memory_grow(0).drop()), ..PLAIN },
    Bomb {
        name: "memory.fill",
        units: 14_000,
        unit: |f, _| drop(f.i32_const(0).i32_const(0).i32_const(1).memory_fill(0)),
        ..PLAIN
    },
    Bomb { name: "live operands", unit: |f, _| operands(f, 1_000), ..PLAIN },
    Bomb {
        name: "live locals",
        locals: 2_000,
        units: 11_000,
        before: |f| (0..2_000).for_each(|local| drop(f.i32_const(8).i64_load(memarg()).local_set(local))),
        unit: |f, n| {
            let (a, b, to) = (n % 2_000, n.wrapping_mul(7_919) % 2_000, n.wrapping_mul(104_729) % 2_000);
            f.local_get(a).local_get(b).i64_mul().local_set(to);
        },
        after: |f| (0..2_000).for_each(|local| drop(f.local_get(local).global_set(0))),
        ..PLAIN
    },
    Bomb {
        name: "live locals across calls",
        locals: 2_000,
        units: 40_000,
        before: |f| (0..2_000).for_each(|local| drop(f.i32_const(8).i64_load(memarg()).local_set(local))),
        unit: |f, _| drop(f.call(LEAF)),
        after: |f| (0..2_000).for_each(|local| drop(f.local_get(local).global_set(0))),
        ..PLAIN
    },
    Bomb {
        name: "one value in many calls",
        before: |f| drop(f.i32_const(8).i64_load(memarg()).local_set(0)),
        units: 25_000,
        unit: |f, _| drop(f.local_get(0).call(IDENTITY).drop()),
        ..PLAIN
    },
    Bomb {
        name: "arithmetic",
        units: 14_000,
        unit: |f, n| drop(f.local_get(n % 8).local_get((n + 1) % 8).i64_add().local_set((n + 2) % 8)),
        ..PLAIN
    },
    Bomb {
        name: "divisions",
        units: 14_000,
        unit: |f, n| drop(f.local_get(n % 8).local_get((n + 1) % 8).i64_rem_s().local_set((n + 2) % 8)),
        ..PLAIN
    },
    Bomb {
        name: "shifts and divisions on the operand stack",
        units: 14_000,
        before: |f| drop(f.local_get(0)),
        unit: |f, n| drop(f.local_get(n % 8).i64_rotl().local_get((n + 1) % 8).i64_div_u()),
        after: |f| drop(f.drop()),
        ..PLAIN
    },
    Bomb {
        name: "loads",
        units: 38_000,
        before: |f| drop(f.local_get(0)),
        unit: |f, _| drop(f.i32_wrap_i64().i64_load(memarg())),
        after: |f| drop(f.drop()),
        ..PLAIN
    },
    Bomb {
        name: "stores",
        units: 18_000,
        unit: |f, n| drop(f.local_get(n % 8).i32_wrap_i64().local_get((n + 1) % 8).i64_store(memarg())),
        ..PLAIN
    },
    Bomb {
        name: "globals",
        units: 30_000,
        unit: |f, n| drop(f.global_get(n % 100).global_set((n + 1) % 100)),
        ..PLAIN
    },
    Bomb {
        name: "selections",
        units: 10_000,
        before: |f| drop(f.local_get(0)),
        unit: |f, n| {
            f.local_get(n % 8).local_get((n + 1) % 8).local_get((n + 2) % 8).i64_lt_s().select();
        },
        after: |f| drop(f.local_set(0)),
        ..PLAIN
    },
    Bomb {
        name: "constants to fold",
        units: 11_000,
        before: |f| drop(f.local_get(0)),
        unit: |f, n| drop(f.i64_const(i64::from(n % 60) + 3).i64_and().i64_const(5).i64_or().i64_const(9).i64_xor()),
        after: |f| drop(f.local_set(0)),
        ..PLAIN
    },
    Bomb {
        name: "additions to reassociate",
        units: 18_000,
        before: |f| drop(f.local_get(0)),
        unit: |f, n| drop(f.local_get(n % 8).i64_add().i64_const(1).i64_add()),
        after: |f| drop(f.local_set(0)),
        ..PLAIN
    },
    Bomb { name: "short functions", units: 1, unit: |f, _| drop(f.nop()), ..PLAIN },
    Bomb { name: "short functions with many locals", locals: 2_000, units: 1, unit: |f, _| drop(f.nop()), ..PLAIN },
    Bomb {
        name: "functions with calls and many locals",
        locals: 2_000,
        units: 20,
        unit: |f, n| {
            f.loop_(BlockType::Empty).call(LEAF).local_get(n).i32_wrap_i64().br_if(0).end();
        },
        ..PLAIN
    },
    Bomb {
        name: "short functions with a loop",
        units: 1,
        unit: |f, _| drop(f.loop_(BlockType::Empty).call(LEAF).end()),
        ..PLAIN
    },
    Bomb {
        name: "returns",
        ty: TO_16,
        units: 12_000,
        before: |f| drop(f.call(GIVES_16)),
        unit: |f, n| {
            f.local_get(n % 8).i64_eqz().if_(BlockType::Empty).call(GIVES_16).return_().end();
        },
        ..PLAIN
    },
];

fn memarg() -> wasm_encoder::MemArg {
    wasm_encoder::MemArg { offset: 0, align: 3, memory_index: 0 }
}

fn operands(f: Sink<'_, '_>, count: u32) {
    (0..count).for_each(|_| drop(f.i32_const(8).i64_load(memarg())));
    (1..count).for_each(|_| drop(f.i64_add()));
    f.drop();
}

impl Bomb {
    /// A contract of at most so many bytes, whose functions have at most so many.
    pub(crate) fn module(&self, bytes: usize, body: usize) -> Vec<u8> {
        let mut functions = Vec::new();
        let mut left = bytes.saturating_sub(AROUND);
        while functions.len() < 8_000 {
            let Some(function) = self.function(left.min(body)) else { break };
            left = left.saturating_sub(function.byte_len() + 8);
            functions.push(function);
        }
        contract(self.ty, &functions)
    }

    /// A function of at most so many bytes; `None` when not even one unit fits.
    fn function(&self, bytes: usize) -> Option<Function> {
        let build = |units: u32| {
            let mut function = Function::new((self.locals > 0).then_some((self.locals, ValType::I64)));
            let mut sink = function.instructions();
            (self.before)(&mut sink);
            (0..units).for_each(|n| (self.unit)(&mut sink, n));
            (self.after)(&mut sink);
            sink.end();
            function
        };
        let (none, one) = (build(0).byte_len(), build(1).byte_len());
        let mut units = u32::try_from(bytes.checked_sub(none)? / (one - none).max(1)).unwrap().min(self.units);
        while units > 0 {
            let function = build(units);
            match function.byte_len().checked_sub(bytes) {
                None | Some(0) => return Some(function),
                Some(over) => units -= u32::try_from(over / (one - none).max(1) + 1).unwrap().min(units),
            }
        }
        None
    }
}

/// A module of so many bytes that is a contract but for its functions of type `()`.
fn contract(ty: u32, functions: &[Function]) -> Vec<u8> {
    let mut types = TypeSection::new();
    let many = |count: usize| std::iter::repeat_n(ValType::I64, count);
    types.ty().function([], []);
    types.ty().function([ValType::I32; 3], [ValType::I32]);
    types.ty().function([], many(16));
    types.ty().function(many(64), many(16));
    types.ty().function([], [ValType::I64]);
    types.ty().function([ValType::I64], [ValType::I64]);
    let mut imports = ImportSection::new();
    imports.import("vm1", "gas_left", EntityType::Function(TO_I64));
    let (mut declared, mut code) = (FunctionSection::new(), CodeSection::new());
    let mut add = |ty, body: &mut dyn FnMut(Sink<'_, '_>)| {
        declared.function(ty);
        let mut function = Function::new([]);
        body(&mut function.instructions());
        code.function(&function);
    };
    add(ENTRY, &mut |f| drop(f.i32_const(0).end()));
    add(NOTHING, &mut |f| drop(f.end()));
    add(TO_16, &mut |f| {
        (0..16).for_each(|n| drop(f.i64_const(n)));
        f.end();
    });
    add(FROM_64_TO_16, &mut |f| {
        (0..16).for_each(|n| drop(f.local_get(n)));
        f.end();
    });
    add(I64_TO_I64, &mut |f| drop(f.local_get(0).end()));
    for function in functions {
        declared.function(ty);
        code.function(function);
    }
    let mut tables = TableSection::new();
    let table = TableType { element_type: RefType::FUNCREF, minimum: 4, maximum: None, table64: false, shared: false };
    tables.table(table);
    let mut elements = ElementSection::new();
    elements.active(None, &wasm_encoder::ConstExpr::i32_const(0), Elements::Functions((&[LEAF; 2]).into()));
    let mut memories = MemorySection::new();
    memories.memory(MemoryType { minimum: 17, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let mut globals = GlobalSection::new();
    for _ in 0..100 {
        let ty = GlobalType { val_type: ValType::I64, mutable: true, shared: false };
        globals.global(ty, &wasm_encoder::ConstExpr::i64_const(0));
    }
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0).export("vm_call", ExportKind::Func, 1);
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&declared).section(&tables).section(&memories).section(&globals);
    module.section(&exports).section(&elements).section(&code);
    module.finish()
}
