//! How long compilers take at most with an instrumented module: an estimate from its shape alone.
//!
//! What an optimising compiler does grows with the instructions that it makes of the operators, and with the values that meet
//! where control flow does: every edge carries every local that is [live] there. A `br_table` of 2 KiB has 2,048 edges; over 2,000
//! live locals they are four million values. And it grows faster than the function: ranges of values are split again and again, and each
//! part is as long as the function is. Code that compilers write is far from it, since few of its locals are live at a time and few of its
//! functions are long.
//!
//! The weights are small for such code (libraries in Rust of up to 1 MiB, published contracts), and such that modules of 37 kinds made to be
//! expensive (bench `compile`), as long functions and as many shorter ones, took no longer than the estimate on wasmtime 48 or wasmer
//! 7.3, on one core of a shared server of 2.1 GHz. What no compiler writes, values that labels take, weighs more than it takes. A MiB of memory
//! counts as 8 ms, so that the time bounds both.

mod live;

use wasmparser::{BinaryReaderError, BlockType, FuncType, FunctionBody, Operator, Parser, Payload, TypeRef};

use self::live::Steps;
use crate::meter::Instrumented;

/// What compiling a module may take, in nanoseconds by the estimate: 4 s, and with it some 400 MiB for any one function.
pub(crate) const BUDGET: u64 = 4_000_000_000;

/// The weights, in nanoseconds: of a function, and of each local that it declares,
const FUNCTION: u64 = 120_000;
const LOCAL: u64 = 75;
/// of any operator, and in addition of loads and stores, of calls through the table and of access to it,
const OPERATOR: u64 = 2_100;
const MEMORY: u64 = 4_900;
const INDIRECT: u64 = 136_000;
const TABLE: u64 = 69_000;
/// of a value that a label takes or a block gives.
const OPERAND: u64 = 75_000;

/// What weighs more the more of it a function has: operators, edges of its control flow, locals that are live at an edge, and values that
/// calls take or give.
const OPERATORS: Grown = Grown { most: 1_820, at: 20_000 };
const EDGES: Grown = Grown { most: 48_000, at: 5_000 };
const CARRIED: Grown = Grown { most: 4_600, at: 220_000 };
const PASSED: Grown = Grown { most: 15_500, at: 5_000 };

/// The weight of a thousand operators for each local by which more are live somewhere than registers and a few words of the stack hold.
const CROWDED: u64 = 3_900;
const UNCROWDED: u64 = 64;

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

/// Whether compiling the module is worth the risk. Its result does not depend on it: an interpreter gives the same.
#[cfg(any(feature = "wasmer", feature = "wasmtime"))]
pub(crate) fn affordable(module: &Instrumented) -> bool {
    nanoseconds(module) <= BUDGET
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
    let mut shape = Shape { labels: vec![ty.map_or(0, |ty| ty.results().len() as u64)], ..Shape::default() };
    for op in body.get_operators_reader()? {
        shape.add(&op?, types)?;
    }
    let live = shape.steps.live();
    let crowd = live.most.saturating_sub(UNCROWDED);
    let weights = [
        FUNCTION,
        locals.saturating_mul(LOCAL),
        shape.operators.saturating_mul(OPERATOR),
        shape.memory.saturating_mul(MEMORY),
        shape.indirect.saturating_mul(INDIRECT),
        shape.table.saturating_mul(TABLE),
        shape.operands.saturating_mul(OPERAND),
        OPERATORS.of(shape.operators),
        EDGES.of(shape.edges),
        CARRIED.of(live.carried),
        PASSED.of(shape.passed),
        crowd.saturating_mul(shape.operators).saturating_mul(CROWDED) / 1_000,
    ];
    Ok(weights.into_iter().fold(0, u64::saturating_add))
}

/// What a function has of everything.
#[derive(Default)]
struct Shape {
    operators: u64,
    memory: u64,
    indirect: u64,
    table: u64,
    passed: u64,
    operands: u64,
    edges: u64,
    /// What it does with its locals.
    steps: Steps,
    /// How many operands a branch to each open block carries.
    labels: Vec<u64>,
}

impl Shape {
    fn add(&mut self, op: &Operator<'_>, types: &Types) -> Result<(), BinaryReaderError> {
        self.operators += 1;
        match op {
            Operator::Block { blockty } => {
                self.steps.block();
                self.open(types.arity(*blockty), |(_, results)| results);
            }
            Operator::If { blockty } => {
                self.edges += 2;
                self.steps.if_();
                self.open(types.arity(*blockty), |(_, results)| results);
            }
            Operator::Loop { blockty } => {
                self.edges += 1;
                self.steps.loop_();
                self.open(types.arity(*blockty), |(params, _)| params);
            }
            Operator::Else => {
                self.edges += 1;
                self.steps.else_();
            }
            Operator::End => {
                self.edges += 1;
                self.steps.end();
                self.operands += self.labels.pop().unwrap_or_default();
            }
            Operator::Br { relative_depth } => {
                self.branch(*relative_depth);
                self.steps.branch([*relative_depth], false);
            }
            Operator::BrIf { relative_depth } => {
                self.branch(*relative_depth);
                self.steps.branch([*relative_depth], true);
            }
            Operator::BrTable { targets } => {
                let mut depths = targets.targets().collect::<Result<Vec<_>, _>>()?;
                depths.push(targets.default());
                depths.iter().for_each(|depth| self.branch(*depth));
                self.steps.branch(depths, false);
            }
            Operator::Return => {
                self.edges += 1;
                self.steps.leave();
                self.operands += self.labels.first().copied().unwrap_or_default();
            }
            Operator::Unreachable => self.steps.leave(),
            Operator::Call { function_index } => self.call(types.of_function(*function_index as usize)),
            Operator::CallIndirect { type_index, .. } => {
                self.indirect += 1;
                self.call(types.get(*type_index));
            }
            Operator::TableGet { .. } | Operator::TableSet { .. } => self.table += 1,
            Operator::LocalGet { local_index } => self.steps.get(*local_index),
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => self.steps.set(*local_index),
            op if is_memory(op) => self.memory += 1,
            _ => {}
        }
        Ok(())
    }

    /// A block begins, whose label takes what `label` picks of its parameters and results.
    fn open(&mut self, (params, results): (u64, u64), label: impl Fn((u64, u64)) -> u64) {
        self.operands += params + results;
        self.labels.push(label((params, results)));
    }

    fn branch(&mut self, depth: u32) {
        self.edges += 1;
        let label = self.labels.len().checked_sub(1).and_then(|last| last.checked_sub(depth as usize));
        self.operands += label.and_then(|label| self.labels.get(label)).copied().unwrap_or_default();
    }

    fn call(&mut self, ty: Option<&FuncType>) {
        self.passed += ty.map_or(0, |ty| (ty.params().len() + ty.results().len()) as u64);
    }
}

/// A load or a store.
fn is_memory(op: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(
        op,
        O::I32Load { .. }
            | O::I64Load { .. }
            | O::F32Load { .. }
            | O::F64Load { .. }
            | O::I32Load8S { .. }
            | O::I32Load8U { .. }
            | O::I32Load16S { .. }
            | O::I32Load16U { .. }
            | O::I64Load8S { .. }
            | O::I64Load8U { .. }
            | O::I64Load16S { .. }
            | O::I64Load16U { .. }
            | O::I64Load32S { .. }
            | O::I64Load32U { .. }
            | O::I32Store { .. }
            | O::I64Store { .. }
            | O::F32Store { .. }
            | O::F64Store { .. }
            | O::I32Store8 { .. }
            | O::I32Store16 { .. }
            | O::I64Store8 { .. }
            | O::I64Store16 { .. }
            | O::I64Store32 { .. }
    )
}
