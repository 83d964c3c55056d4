//! How long compilers take with an instrumented module: an estimate from its shape alone, which no module may exceed by more than a quarter.
//!
//! What an optimising compiler does grows with the instructions that it makes of the operators, and with the values that meet
//! where control flow does: every edge carries every local that is [live] there, and every operand that waits below. A `br_table` of 2 KiB has
//! 2,048 edges; over 2,000 live locals they are four million values. And it grows faster than the function: ranges of values are split again and again, and each
//! part is as long as the function is. Code that compilers write is far from it, since few of its locals are live at a time and few of its
//! functions are long.
//!
//! Around functions there are types, of each of which compilers make ways in and out, functions that are used as values, which can be called
//! from outside in one more way, and segments of elements, whose passive ones wasmtime keeps entry by entry.
//!
//! The weights are small for such code, and such that modules made to be expensive (bench `compile`: shapes, and every operator that
//! contracts may use, one after the other, as long functions and as many shorter ones) take no longer than 1.25 times the estimate on
//! wasmtime 48 and wasmer 7.3, on one core of a shared server of 2.1 GHz: with the budget of 4 s, no longer than 5 s. The bench fails otherwise. What no compiler writes, values that labels take or that wait below blocks,
//! weighs many times what it takes. A MiB of memory counts as 8 ms, so that the time bounds both.

mod around;
mod live;
mod operands;

use wasmparser::{BinaryReaderError, BlockType, FuncType, FunctionBody, Operator, Parser, Payload, TypeRef};

use self::live::Steps;
use self::operands::Operands;
use crate::meter::Instrumented;
use crate::meter::class::access;

/// What compiling a module may take, in nanoseconds by the estimate: 4 s, and with it some 400 MiB for any one function.
pub(crate) const BUDGET: u64 = 4_000_000_000;

/// The weights, in nanoseconds: of a function, and of each local that it declares,
const FUNCTION: u64 = 120_000;
const LOCAL: u64 = 75;
/// of any operator, and in addition of loads and stores, and of those at offsets that no compiler makes, of conversions of floats to integers
/// that may trap, of divisions of integers, and of those by what is no constant, of calls through the table, of access to it, of what
/// compilers make a call of a library of, and of shifts and rotations by what is no constant,
const OPERATOR: u64 = 2_100;
const MEMORY: u64 = 4_900;
const FAR: u64 = 200_000;
const TRUNCATION: u64 = 4_000;
const DIVISION: u64 = 3_000;
const BY_VARIABLE: u64 = 19_000;
const INDIRECT: u64 = 170_000;
const TABLE: u64 = 150_000;
const LIBRARY: u64 = 12_000;
const SHIFT: u64 = 60_000;
/// of what goes through a part of a table, which becomes a loop of its own with checks in and around it,
const STRETCH: u64 = 2_000_000;
/// of a value that a label takes or a block gives.
const OPERAND: u64 = 75_000;

/// What weighs more the more of it a function has: operators, since what they give may be kept for another that would give the same;
/// shifts and rotations by what is no constant, which want it in a register that there is once; locals and operands that are kept over an
/// edge, and values that calls take or give. Edges of its control flow do so without end: where they meet, an allocator of registers merges
/// what it has of a value on either side, and goes through all of it each time. The gas that is left is such a value wherever control goes.
const OPERATORS: Grown = Grown { most: 16_000, at: 100_000 };
const SHIFTS: Grown = Grown { most: 90_000, at: 26_000 };
const EDGES: Grown = Grown { most: 72_000 * ENDLESS / 7_500, at: ENDLESS };
const CARRIED: Grown = Grown { most: 4_600, at: 220_000 };
const PASSED: Grown = Grown { most: 15_500, at: 5_000 };

/// The weight of a thousand operators for each value by which more are kept somewhere than registers and a few words of the stack hold.
const CROWDED: u64 = 5_000;
/// The weight of a thousand operators for each value that has a place of its own, as that of a load has: what is only computed from such
/// values is computed where it is used, and they are kept until then.
const PLACED: u64 = 3_500;
const UNCROWDED: u64 = 64;

/// The least offset of a load or store that is far off, in bytes: memories have not so many.
const FAR_OFF: u64 = 1 << 31;

/// More of anything than a module has bytes by default.
const ENDLESS: u64 = 1 << 20;

/// A weight in nanoseconds that is `most` once there are `at`, and proportionally less before.
struct Grown {
    most: u64,
    at: u64,
}

impl Grown {
    fn of(&self, count: u64) -> u64 {
        count.saturating_mul(self.most).saturating_mul(count.min(self.at)) / self.at
    }
}

/// The estimate for a module if compiling it is worth the risk. Its result does not depend on it: an interpreter gives the same.
#[cfg(any(feature = "wasmer", feature = "wasmtime"))]
pub(crate) fn affordable(module: &Instrumented) -> Option<u64> {
    Some(nanoseconds(module)).filter(|estimate| *estimate <= BUDGET)
}

/// The estimate for a module.
pub(crate) fn nanoseconds(module: &Instrumented) -> u64 {
    // The instrumenter wrote it, so it can be read; if not, the interpreter says why.
    read(&module.bytes).unwrap_or(u64::MAX)
}

fn read(module: &[u8]) -> Result<u64, BinaryReaderError> {
    let (mut types, mut functions) = (Types::default(), 0);
    let mut sum = 0_u64;
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::TypeSection(section) => {
                types.types = section.into_iter_err_on_gc_types().collect::<Result<_, _>>()?;
                sum = sum.saturating_add(around::types(&types.types));
            }
            Payload::ElementSection(section) => {
                sum = sum.saturating_add(around::elements(section, &types)?);
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    if let TypeRef::Func(ty) = import?.ty {
                        types.functions.push(ty);
                    }
                }
                functions = types.functions.len();
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    types.functions.push(ty?);
                }
            }
            Payload::DataSection(section) => {
                sum = sum.saturating_add(around::DATA.saturating_mul(section.range().len() as u64));
            }
            Payload::CodeSectionEntry(body) => {
                sum = sum.saturating_add(function(&types, types.of_function(functions), &body)?);
                functions += 1;
            }
            _ => {}
        }
    }
    Ok(sum)
}

#[derive(Default)]
struct Types {
    types: Vec<FuncType>,
    /// The type of each function.
    functions: Vec<u32>,
}

impl Types {
    fn of_function(&self, function: usize) -> Option<&FuncType> {
        self.functions.get(function).and_then(|ty| self.get(*ty))
    }

    fn get(&self, index: u32) -> Option<&FuncType> {
        self.types.get(index as usize)
    }

    /// How many parameters and results a block has.
    fn arity(&self, ty: BlockType) -> (u64, u64) {
        match ty {
            BlockType::Empty => (0, 0),
            BlockType::Type(_) => (0, 1),
            BlockType::FuncType(index) => {
                self.get(index).map_or((0, 0), |ty| (ty.params().len() as u64, ty.results().len() as u64))
            }
        }
    }
}

/// The estimate for a function.
fn function(types: &Types, ty: Option<&FuncType>, body: &FunctionBody<'_>) -> Result<u64, BinaryReaderError> {
    let mut locals = ty.map_or(0, |ty| ty.params().len() as u64);
    for group in body.get_locals_reader()? {
        locals = locals.saturating_add(group?.0.into());
    }
    let results = ty.map_or(0, |ty| ty.results().len() as u64);
    let mut shape = Shape { operands: Operands::of_function(results), ..Shape::default() };
    for op in body.get_operators_reader()? {
        shape.add(&op?, types)?;
    }
    let live = shape.steps.live();
    let crowd = live.most.saturating_add(shape.operands.most()).saturating_sub(UNCROWDED);
    let weights = [
        FUNCTION,
        locals.saturating_mul(LOCAL),
        shape.operators.saturating_mul(OPERATOR),
        shape.memory.saturating_mul(MEMORY),
        shape.truncations.saturating_mul(TRUNCATION),
        shape.divisions.saturating_mul(DIVISION),
        shape.indirect.saturating_mul(INDIRECT),
        shape.table.saturating_mul(TABLE),
        shape.library.saturating_mul(LIBRARY),
        shape.far.saturating_mul(FAR),
        shape.by_variable.saturating_mul(BY_VARIABLE),
        shape.shifts.saturating_mul(SHIFT),
        SHIFTS.of(shape.shifts),
        shape.stretches.saturating_mul(STRETCH),
        shape.passed_on.saturating_mul(OPERAND),
        OPERATORS.of(shape.operators),
        EDGES.of(shape.edges),
        CARRIED.of(live.carried.saturating_add(shape.kept)),
        PASSED.of(shape.passed),
        crowd.saturating_mul(shape.operators).saturating_mul(CROWDED) / 1_000,
        shape.placed.saturating_mul(shape.operators).saturating_mul(PLACED) / 1_000,
    ];
    Ok(weights.into_iter().fold(0, u64::saturating_add))
}

/// What a function has of everything.
#[derive(Default)]
struct Shape {
    operators: u64,
    memory: u64,
    truncations: u64,
    divisions: u64,
    indirect: u64,
    table: u64,
    library: u64,
    /// Loads and stores at offsets that no compiler makes.
    far: u64,
    /// Divisions, and shifts and rotations, by what is no constant.
    by_variable: u64,
    shifts: u64,
    /// Values of loads, globals and calls.
    placed: u64,
    /// True after a constant.
    constant: bool,
    stretches: u64,
    passed: u64,
    /// Values that labels take and blocks give.
    passed_on: u64,
    edges: u64,
    /// Over all edges: the operands that are below what the edge takes.
    kept: u64,
    /// What it does with its locals,
    steps: Steps,
    /// and with its operands.
    operands: Operands,
}

impl Shape {
    fn add(&mut self, op: &Operator<'_>, types: &Types) -> Result<(), BinaryReaderError> {
        self.operators += 1;
        let by_variable = !std::mem::replace(&mut self.constant, is_constant(op));
        match op {
            Operator::Block { blockty } => {
                self.steps.block();
                self.open(types.arity(*blockty), false);
            }
            Operator::If { blockty } => {
                self.steps.if_();
                self.operands.takes(1, 0);
                self.open(types.arity(*blockty), false);
                (0..2).for_each(|_| self.edge(0));
            }
            Operator::Loop { blockty } => {
                self.steps.loop_();
                self.open(types.arity(*blockty), true);
                self.edge(0);
            }
            Operator::Else => {
                self.steps.else_();
                self.edge(0);
                self.operands.else_();
            }
            Operator::End => {
                self.steps.end();
                self.edge(0);
                self.passed_on += self.operands.end();
            }
            Operator::Br { relative_depth } => {
                self.branch(*relative_depth);
                self.steps.branch([*relative_depth], false);
                self.operands.leave();
            }
            Operator::BrIf { relative_depth } => {
                self.operands.takes(1, 0);
                self.branch(*relative_depth);
                self.steps.branch([*relative_depth], true);
            }
            Operator::BrTable { targets } => {
                let mut depths = targets.targets().collect::<Result<Vec<_>, _>>()?;
                depths.push(targets.default());
                depths.iter().for_each(|depth| self.branch(*depth));
                self.steps.branch(depths, false);
                self.operands.leave();
            }
            Operator::Return => {
                self.edges += 1;
                self.steps.leave();
                self.passed_on += self.operands.results();
                self.operands.leave();
            }
            Operator::Unreachable => {
                self.steps.leave();
                self.operands.leave();
            }
            Operator::Call { function_index } => self.call(types.of_function(*function_index as usize)),
            Operator::CallIndirect { type_index, .. } => {
                self.indirect += 1;
                self.operands.takes(1, 0);
                self.call(types.get(*type_index));
            }
            op => {
                if let Some(memarg) = access(op) {
                    self.memory += 1;
                    self.placed += 1;
                    self.far += u64::from(memarg.offset >= FAR_OFF);
                }
                match op {
                    Operator::TableGet { .. } | Operator::TableSet { .. } => self.table += 1,
                    Operator::TableGrow { .. }
                    | Operator::TableFill { .. }
                    | Operator::TableCopy { .. }
                    | Operator::TableInit { .. } => self.stretches += 1,
                    Operator::RefFunc { .. }
                    | Operator::MemorySize { .. }
                    | Operator::TableSize { .. }
                    | Operator::ElemDrop { .. }
                    | Operator::DataDrop { .. } => self.library += 1,
                    Operator::GlobalGet { .. } => self.placed += 1,
                    Operator::LocalGet { local_index } => self.steps.get(*local_index),
                    Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                        self.steps.set(*local_index);
                    }
                    op if is_shift(op) => self.shifts += u64::from(by_variable),
                    op if is_truncation(op) => self.truncations += 1,
                    op if is_division(op) => {
                        self.divisions += 1;
                        self.by_variable += u64::from(by_variable);
                    }
                    _ => {}
                }
                self.operands.simple(op);
            }
        }
        Ok(())
    }

    /// A block begins.
    fn open(&mut self, (params, results): (u64, u64), is_loop: bool) {
        self.passed_on += params + results;
        self.operands.open(params, results, is_loop);
    }

    /// An edge to the label at this depth.
    fn edge(&mut self, depth: u32) {
        self.edges += 1;
        self.kept = self.kept.saturating_add(self.operands.below(depth));
    }

    fn branch(&mut self, depth: u32) {
        self.edge(depth);
        self.passed_on += self.operands.label(depth);
    }

    fn call(&mut self, ty: Option<&FuncType>) {
        let (params, results) = ty.map_or((0, 0), |ty| (ty.params().len() as u64, ty.results().len() as u64));
        self.passed += params + results;
        self.placed += results;
        self.operands.takes(params, results);
    }
}

const fn is_constant(op: &Operator<'_>) -> bool {
    matches!(op, Operator::I32Const { .. } | Operator::I64Const { .. })
}

fn is_shift(op: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(op, O::I32Shl | O::I32ShrS | O::I32ShrU | O::I32Rotl | O::I32Rotr)
        || matches!(op, O::I64Shl | O::I64ShrS | O::I64ShrU | O::I64Rotl | O::I64Rotr)
}

/// A division of integers, or what is left of one.
fn is_division(op: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(op, O::I32DivS | O::I32DivU | O::I32RemS | O::I32RemU | O::I64DivS | O::I64DivU | O::I64RemS | O::I64RemU)
}

/// A conversion of a float to an integer that traps where there is none.
fn is_truncation(op: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(
        op,
        O::I32TruncF32S
            | O::I32TruncF32U
            | O::I32TruncF64S
            | O::I32TruncF64U
            | O::I64TruncF32S
            | O::I64TruncF32U
            | O::I64TruncF64S
            | O::I64TruncF64U
    )
}
