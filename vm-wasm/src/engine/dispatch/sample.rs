//! A module that executes what contracts can, on operands from everywhere.
//!
//! wasmi translates an operator to one of several handlers: by whether each operand is a constant, in a local, or was just
//! computed, and by what becomes of the result.

use std::ops::RangeInclusive;
use std::slice::from_ref;

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataCountSection, DataSection, ElementSection, Elements, EntityType, ExportKind,
    ExportSection, Function, FunctionSection, GlobalSection, GlobalType, HeapType, Ieee32, Ieee64, ImportSection,
    Instruction as I, MemorySection, MemoryType, Module, RefType, TableSection, TableType, TypeSection, ValType,
};

/// The exported function, `[] -> []`. The one import, `[] -> []`, is called when it begins, between its parts, and at its end.
pub(super) const ENTRY: &str = "run";

/// The types of operands. A type's number is also that of the local and of the global that hold the first operand of it.
const TYPES: [ValType; 4] = [ValType::I32, ValType::I64, ValType::F32, ValType::F64];
const INT: u8 = 0;
const LONG: u8 = 1;
const FLOAT: u8 = 2;
const DOUBLE: u8 = 3;

/// Codes of operators in sequence, their operands and their result.
type Row = (RangeInclusive<u8>, &'static [u8], u8);

#[rustfmt::skip]
const ROWS: [Row; 32] = [
    (0x45..=0x45, &[INT], INT), (0x46..=0x4f, &[INT, INT], INT),
    (0x50..=0x50, &[LONG], INT), (0x51..=0x5a, &[LONG, LONG], INT),
    (0x5b..=0x60, &[FLOAT, FLOAT], INT), (0x61..=0x66, &[DOUBLE, DOUBLE], INT),
    (0x67..=0x69, &[INT], INT), (0x6a..=0x78, &[INT, INT], INT),
    (0x79..=0x7b, &[LONG], LONG), (0x7c..=0x8a, &[LONG, LONG], LONG),
    (0x8b..=0x91, &[FLOAT], FLOAT), (0x92..=0x98, &[FLOAT, FLOAT], FLOAT),
    (0x99..=0x9f, &[DOUBLE], DOUBLE), (0xa0..=0xa6, &[DOUBLE, DOUBLE], DOUBLE),
    (0xa7..=0xa7, &[LONG], INT), (0xa8..=0xa9, &[FLOAT], INT), (0xaa..=0xab, &[DOUBLE], INT),
    (0xac..=0xad, &[INT], LONG), (0xae..=0xaf, &[FLOAT], LONG), (0xb0..=0xb1, &[DOUBLE], LONG),
    (0xb2..=0xb3, &[INT], FLOAT), (0xb4..=0xb5, &[LONG], FLOAT), (0xb6..=0xb6, &[DOUBLE], FLOAT),
    (0xb7..=0xb8, &[INT], DOUBLE), (0xb9..=0xba, &[LONG], DOUBLE), (0xbb..=0xbb, &[FLOAT], DOUBLE),
    (0xbc..=0xbc, &[FLOAT], INT), (0xbd..=0xbd, &[DOUBLE], LONG),
    (0xbe..=0xbe, &[INT], FLOAT), (0xbf..=0xbf, &[LONG], DOUBLE),
    (0xc0..=0xc1, &[INT], INT), (0xc2..=0xc4, &[LONG], LONG),
];

/// Conversions with saturation, by the second byte of their codes.
const SATURATING: [Row; 4] =
    [(0..=1, &[FLOAT], INT), (2..=3, &[DOUBLE], INT), (4..=5, &[FLOAT], LONG), (6..=7, &[DOUBLE], LONG)];

/// Loads have an address as their operand, and stores a value of the type in addition.
const LOADS: [(RangeInclusive<u8>, u8); 6] = [
    (0x28..=0x28, INT),
    (0x29..=0x29, LONG),
    (0x2a..=0x2a, FLOAT),
    (0x2b..=0x2b, DOUBLE),
    (0x2c..=0x2f, INT),
    (0x30..=0x35, LONG),
];
const STORES: [(RangeInclusive<u8>, u8); 6] = [
    (0x36..=0x36, INT),
    (0x37..=0x37, LONG),
    (0x38..=0x38, FLOAT),
    (0x39..=0x39, DOUBLE),
    (0x3a..=0x3b, INT),
    (0x3c..=0x3e, LONG),
];

/// Alignment and offset of accesses to memory: a small offset, and one of more than 16 bits (70,000).
const OFFSETS: [&[u8]; 2] = [&[0, 8], &[0, 0xf0, 0xa2, 0x04]];

/// Where an operand comes from.
#[derive(Clone, Copy)]
enum Source {
    Local,
    Constant,
    Computed,
}

const ALL: [Source; 3] = [Source::Local, Source::Constant, Source::Computed];

/// Functions of the module: the import, the entry, one without and one with operands, and one for each of [`TYPES`].
const PLACE: u32 = 0;
const RUN: u32 = 1;
const LEAF: u32 = 2;
const PAIR: u32 = 3;
const COPIES: u32 = 4;
/// Types of functions.
const NOTHING: u32 = 0;
const PAIRS: u32 = 1;
const FIVE: u32 = 2;

/// Locals of the entry: three operands of each type, what is kept of each, a reference.
const KEPT: u32 = 12;
const REFERENCE: u32 = 16;
/// Locals that are copied into each other.
const COPIED: u32 = 12;

pub(super) fn module() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    types.ty().function([ValType::I64], [ValType::I64, ValType::I32]);
    types.ty().function([], [ValType::I64, ValType::I64, ValType::I64, ValType::I32, ValType::F64]);
    let mut imports = ImportSection::new();
    imports.import("host", "place", EntityType::Function(NOTHING));
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    functions.function(NOTHING).function(NOTHING).function(PAIRS);
    code.function(&run().0).function(&leaf()).function(&pair());
    for (ty, kind) in (0u8..).zip(TYPES) {
        functions.function(NOTHING);
        code.function(&copies(ty, kind));
    }
    let (mut tables, mut memories, mut globals) = (TableSection::new(), MemorySection::new(), GlobalSection::new());
    let funcref = RefType::FUNCREF;
    tables.table(TableType { element_type: funcref, table64: false, minimum: 16, maximum: None, shared: false });
    memories.memory(MemoryType { minimum: 2, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let zeros = [
        ConstExpr::i32_const(0),
        ConstExpr::i64_const(0),
        ConstExpr::f32_const(Ieee32::from(0.0)),
        ConstExpr::f64_const(Ieee64::from(0.0)),
    ];
    for (val_type, zero) in TYPES.into_iter().zip(zeros) {
        globals.global(GlobalType { val_type, mutable: true, shared: false }, &zero);
    }
    let mut exports = ExportSection::new();
    exports.export(ENTRY, ExportKind::Func, RUN);
    let (mut elements, mut data) = (ElementSection::new(), DataSection::new());
    let leaves = [LEAF; 16];
    elements.active(None, &ConstExpr::i32_const(0), Elements::Functions(leaves[..].into()));
    elements.passive(Elements::Functions(leaves[..].into()));
    data.passive(*b"sixteen bytes...");
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&tables).section(&memories).section(&globals);
    module.section(&exports).section(&elements).section(&DataCountSection { count: 1 }).section(&code).section(&data);
    module.finish()
}

fn leaf() -> Function {
    let mut function = Function::new([]);
    function.instruction(&I::Block(BlockType::Empty)).instruction(&I::Return).instruction(&I::End);
    function.instruction(&I::End);
    function
}

fn pair() -> Function {
    let mut function = Function::new([]);
    for instruction in [I::LocalGet(0), I::I32Const(1), I::End] {
        function.instruction(&instruction);
    }
    function
}

/// Copies between locals, and from everywhere to locals, of one type.
fn copies(ty: u8, kind: ValType) -> Function {
    let mut body = Body(Function::new([(COPIED + 4, kind)]));
    for to in 0..COPIED {
        for from in 0..COPIED {
            body.emit(&[I::LocalGet(from), I::LocalSet(to)]);
        }
        body.constant(ty, 3);
        body.emit(&[I::LocalSet(to)]);
        body.emit(&[I::LocalGet(to)]);
        body.unary(ty);
        body.emit(&[I::LocalSet(to)]);
        body.emit(&[I::LocalGet(to)]);
        body.unary(ty);
        body.emit(&[I::LocalTee(to), I::LocalSet(COPIED)]);
    }
    body.emit(&[I::End]);
    body.0
}

/// The entry. A part that needs no native stack leaves it where it was.
fn run() -> Body {
    let operands = [TYPES; 3].into_iter().flatten();
    let locals = operands.chain(TYPES).chain([ValType::FUNCREF]);
    let mut body = Body(Function::new_with_locals_types(locals));
    body.emit(&[I::Call(PLACE), I::RefFunc(LEAF), I::LocalSet(REFERENCE)]);
    for local in 0..KEPT {
        let ty = (local % 4) as u8;
        body.constant(ty, 7);
        body.emit(&[I::LocalSet(local)]);
    }
    let parts: [fn(&mut Body); 5] = [Body::arithmetic, Body::memory, Body::values, Body::control, Body::bulk];
    for part in parts {
        part(&mut body);
        body.emit(&[I::Call(PLACE)]);
    }
    body.emit(&[I::End]);
    body
}

struct Body(Function);

impl Body {
    fn emit(&mut self, instructions: &[I<'_>]) {
        for instruction in instructions {
            self.0.instruction(instruction);
        }
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.0.raw(bytes.iter().copied());
    }

    fn constant(&mut self, ty: u8, value: u8) {
        self.emit(&[match ty {
            INT => I::I32Const(value.into()),
            LONG => I::I64Const(value.into()),
            FLOAT => I::F32Const(Ieee32::from(f32::from(value))),
            _ => I::F64Const(Ieee64::from(f64::from(value))),
        }]);
    }

    /// Computes something of the operand on the stack that is not zero.
    fn unary(&mut self, ty: u8) {
        self.emit(&[match ty {
            INT => I::I32Popcnt,
            LONG => I::I64Popcnt,
            FLOAT => I::F32Abs,
            _ => I::F64Abs,
        }]);
    }

    /// The first, second or third operand of something.
    fn operand(&mut self, ty: u8, from: Source, position: u8) {
        let local = I::LocalGet(u32::from(position) * 4 + u32::from(ty));
        match from {
            Source::Constant => self.constant(ty, position + 3),
            Source::Local => self.emit(&[local]),
            Source::Computed => {
                self.emit(&[local]);
                self.unary(ty);
            }
        }
    }

    /// An operator on operands from everywhere, its result stored, given up, tested and branched on.
    fn operator(&mut self, code: &[u8], operands: &[u8], result: u8) {
        let kept = I::LocalSet(KEPT + u32::from(result));
        let zero = if result == LONG { I::I64Eqz } else { I::I32Eqz };
        for first in ALL {
            for second in if operands.len() > 1 { &ALL[..] } else { &ALL[..1] } {
                let work = |body: &mut Self, before: &[I<'_>], after: &[I<'_>]| {
                    body.emit(before);
                    for (position, (ty, from)) in (0u8..).zip(operands.iter().zip([first, *second])) {
                        body.operand(*ty, from, position);
                    }
                    body.raw(code);
                    body.emit(after);
                };
                work(self, &[], from_ref(&kept));
                work(self, &[], &[I::Drop]);
                let block = [I::Block(BlockType::Empty)];
                if result == INT {
                    work(self, &block, &[I::BrIf(0), I::End]);
                    work(self, &[], &[I::If(BlockType::Empty), I::End]);
                }
                if result == INT || result == LONG {
                    work(self, &[], &[zero.clone(), I::LocalSet(KEPT)]);
                    work(self, &[], &[zero.clone(), I::I32Eqz, I::LocalSet(KEPT)]);
                    work(self, &block, &[zero.clone(), I::BrIf(0), I::End]);
                    work(self, &[], &[zero.clone(), I::If(BlockType::Empty), I::End]);
                }
            }
        }
    }

    fn arithmetic(&mut self) {
        for (ty, square) in (0u8..).zip([I::I32Mul, I::I64Mul, I::F32Mul, I::F64Mul]) {
            let kept = KEPT + u32::from(ty);
            self.operand(ty, Source::Computed, 0);
            self.emit(&[I::LocalTee(kept), I::LocalGet(kept), square, I::LocalSet(kept)]);
        }
        for (ty, root, negate) in [(FLOAT, I::F32Sqrt, I::F32Neg), (DOUBLE, I::F64Sqrt, I::F64Neg)] {
            self.operand(ty, Source::Computed, 0);
            self.emit(&[negate.clone(), I::Drop]);
            self.operand(ty, Source::Local, 0);
            self.emit(&[root, negate, I::Drop]);
        }
        for (codes, operands, result) in ROWS {
            for code in codes {
                self.operator(&[code], operands, result);
            }
        }
        for (codes, operands, result) in SATURATING {
            for code in codes {
                self.operator(&[0xfc, code], operands, result);
            }
        }
    }

    fn memory(&mut self) {
        for offset in OFFSETS {
            for (codes, ty) in LOADS {
                for code in codes {
                    self.operator(&[&[code], offset].concat(), &[INT], ty);
                }
            }
            for (codes, ty) in STORES {
                for code in codes {
                    for (address, value) in ALL.into_iter().flat_map(|address| ALL.map(|value| (address, value))) {
                        self.operand(INT, address, 0);
                        self.operand(ty, value, 1);
                        self.raw(&[&[code], offset].concat());
                    }
                }
            }
        }
    }

    /// Selections, globals, copies.
    fn values(&mut self) {
        let (kept, constant, local) = (I::LocalGet(KEPT), I::I32Const(3), I::LocalGet(0));
        for other in [constant, local] {
            for [first, second] in [[&kept, &other], [&other, &kept]] {
                self.operand(INT, Source::Computed, 0);
                self.emit(&[I::LocalSet(KEPT), first.clone(), second.clone(), kept.clone(), I::Select, I::Drop]);
            }
        }
        for (ty, kind) in (0u8..).zip(TYPES) {
            for (first, second) in ALL.into_iter().flat_map(|first| ALL.map(|second| (first, second))) {
                for condition in ALL {
                    for select in [I::Select, I::TypedSelect(kind)] {
                        self.operand(ty, first, 0);
                        self.operand(ty, second, 1);
                        self.operand(INT, condition, 2);
                        self.emit(&[select, I::LocalSet(KEPT + u32::from(ty))]);
                    }
                }
            }
            for from in ALL {
                self.operand(ty, from, 0);
                self.emit(&[I::GlobalSet(ty.into()), I::GlobalGet(ty.into()), I::LocalSet(KEPT + u32::from(ty))]);
            }
            self.emit(&[I::Call(COPIES + u32::from(ty))]);
        }
    }

    /// Calls and branches, with results and without.
    fn control(&mut self) {
        self.emit(&[I::Nop, I::Call(LEAF), I::Call(PLACE)]);
        for from in ALL {
            self.operand(LONG, from, 0);
            self.emit(&[I::Call(PAIR), I::LocalSet(KEPT), I::LocalSet(KEPT + 1)]);
            self.operand(INT, from, 0);
            self.emit(&[I::CallIndirect { type_index: NOTHING, table_index: 0 }]);
            for values in [0, 1, 5] {
                let ty = match values {
                    0 => BlockType::Empty,
                    1 => BlockType::Result(ValType::I64),
                    _ => BlockType::FunctionType(FIVE),
                };
                for table in [false, true] {
                    // The outer block has an operand below its results.
                    self.emit(&[I::Block(ty), I::LocalGet(0), I::Block(ty)]);
                    for ty in [LONG, LONG, LONG, INT, DOUBLE].into_iter().take(values) {
                        self.operand(ty, from, 1);
                    }
                    if table {
                        self.operand(INT, from, 0);
                        self.emit(&[I::BrTable((&[0u32, 1][..]).into(), 0)]);
                    } else {
                        self.emit(&[I::Br(0)]);
                    }
                    self.emit(&[I::End, I::Br(0), I::End]);
                    for _ in 0..values {
                        self.emit(&[I::Drop]);
                    }
                }
            }
        }
        self.emit(&[I::Loop(BlockType::Empty), I::LocalGet(0), I::I32Const(1), I::I32Sub, I::LocalTee(0), I::BrIf(0)]);
        self.emit(&[I::End, I::I32Const(7), I::LocalSet(0)]);
    }

    /// What works on a length of memory or table.
    fn bulk(&mut self) {
        for from in ALL {
            for operator in [
                I::MemoryCopy { src_mem: 0, dst_mem: 0 },
                I::MemoryFill(0),
                I::MemoryInit { mem: 0, data_index: 0 },
                I::TableCopy { src_table: 0, dst_table: 0 },
                I::TableInit { elem_index: 1, table: 0 },
            ] {
                for _ in 0..3 {
                    self.operand(INT, from, 0);
                }
                self.emit(&[operator]);
            }
            for function in [I::RefFunc(LEAF), I::LocalGet(REFERENCE), I::RefNull(HeapType::FUNC)] {
                self.operand(INT, from, 0);
                self.emit(&[function.clone(), I::TableSet(0)]);
                self.operand(INT, from, 0);
                self.emit(&[I::TableGet(0), I::RefIsNull, I::LocalSet(KEPT)]);
                self.operand(INT, from, 0);
                self.emit(&[function]);
                self.operand(INT, from, 0);
                self.emit(&[I::TableFill(0)]);
            }
        }
        self.emit(&[
            I::MemorySize(0),
            I::LocalSet(KEPT),
            I::TableSize(0),
            I::LocalSet(KEPT),
            I::DataDrop(0),
            I::ElemDrop(1),
        ]);
    }
}
