//! How long compilers take at most with an instrumented module: an estimate from its shape alone.
//!
//! What an optimising compiler does grows with the instructions that it makes of the operators, and with the values that meet
//! where control flow does: every edge may carry every local that the function uses, and the operands of its label. A `br_table` of
//! 2 KiB has 2,048 edges; over 2,000 locals they are four million values. Code that compilers write is far from it, since it
//! has few locals where it has many branches.
//!
//! The weights are the smallest, in sum over such code, for which no module of 37 kinds made to be expensive (bench
//! `compile`) took longer than estimated on wasmtime 48 or wasmer 7.3, on one core of a shared server of 2.1 GHz. A MiB of
//! memory counts as 8 ms, so that the time bounds both.

use wasmparser::{BinaryReaderError, BlockType, FuncType, FunctionBody, Operator, Parser, Payload, TypeRef};

use crate::meter::Instrumented;

/// What compiling a module may take, in nanoseconds by the estimate: 2 s, and with it 256 MiB for any one function.
pub(crate) const BUDGET: u64 = 2_000_000_000;

/// The weights, in nanoseconds: of a function, and of each local that it declares,
const FUNCTION: u64 = 30_000;
const LOCAL: u64 = 2_000;
/// of any operator, and in addition of calls through the table and of access to it,
const OPERATOR: u64 = 11_000;
const INDIRECT: u64 = 63_000;
const TABLE: u64 = 41_000;
/// of a value that a call takes or gives, that a label takes or a block gives, and of a local that may differ at an edge.
const PASSED: u64 = 4_600;
const OPERAND: u64 = 9_000;
const CARRIED: u64 = 2_600;

/// Time grows faster than a function: one that is estimated to this much takes twice as long.
const DOUBLED: u64 = 1_000_000_000;

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
    let used = shape.used.iter().filter(|used| **used).count() as u64;
    let weighed = [
        (1, FUNCTION),
        (locals, LOCAL),
        (shape.operators, OPERATOR),
        (shape.indirect, INDIRECT),
        (shape.table, TABLE),
        (shape.passed, PASSED),
        (shape.operands, OPERAND),
        (shape.edges.saturating_mul(used), CARRIED),
    ];
    let linear = weighed.iter().fold(0_u64, |sum, (count, weight)| sum.saturating_add(count.saturating_mul(*weight)));
    Ok(linear.saturating_add(linear.saturating_mul(linear.min(BUDGET)) / DOUBLED))
}

/// What a function has of everything.
#[derive(Default)]
struct Shape {
    operators: u64,
    indirect: u64,
    table: u64,
    passed: u64,
    operands: u64,
    edges: u64,
    /// Which locals are read or written.
    used: Vec<bool>,
    /// How many operands a branch to each open block carries.
    labels: Vec<u64>,
}

impl Shape {
    fn add(&mut self, op: &Operator<'_>, types: &Types) -> Result<(), BinaryReaderError> {
        self.operators += 1;
        match op {
            Operator::Block { blockty } => self.open(types.arity(*blockty), |(_, results)| results),
            Operator::If { blockty } => {
                self.edges += 2;
                self.open(types.arity(*blockty), |(_, results)| results);
            }
            Operator::Loop { blockty } => {
                self.edges += 1;
                self.open(types.arity(*blockty), |(params, _)| params);
            }
            Operator::Else => self.edges += 1,
            Operator::End => {
                self.edges += 1;
                self.operands += self.labels.pop().unwrap_or_default();
            }
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => self.branch(*relative_depth),
            Operator::BrTable { targets } => {
                self.branch(targets.default());
                for target in targets.targets() {
                    self.branch(target?);
                }
            }
            Operator::Return => {
                self.edges += 1;
                self.operands += self.labels.first().copied().unwrap_or_default();
            }
            Operator::Call { function_index } => self.call(types.of_function(*function_index as usize)),
            Operator::CallIndirect { type_index, .. } => {
                self.indirect += 1;
                self.call(types.get(*type_index));
            }
            Operator::TableGet { .. } | Operator::TableSet { .. } => self.table += 1,
            Operator::LocalGet { local_index }
            | Operator::LocalSet { local_index }
            | Operator::LocalTee { local_index } => {
                let local = *local_index as usize;
                if self.used.len() <= local {
                    self.used.resize(local + 1, false);
                }
                if let Some(used) = self.used.get_mut(local) {
                    *used = true;
                }
            }
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
