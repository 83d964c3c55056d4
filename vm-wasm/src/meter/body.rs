//! Rewrites one function body.

use wasm_encoder::reencode::Reencode;
use wasm_encoder::{BlockType, Function, Instruction as I, ValType};
use wasmparser::{FunctionBody, Operator};

use super::class::{Length, length};
use super::float::{Float, float};
use super::grow::Grown;
use super::module::{OPERANDS, Rewriter};
use super::region::{Region, regions};
use super::{MeterError, Prices, select, word};
use crate::abi::import::{Import, Op};
use crate::gate::Imported;

/// What a function may cost at most that is entered without a check, if it calls no other.
const BRIEF: u64 = 64;
/// What a function on a cycle may cost at most that does not check after its calls: when many of its frames return, that is
/// what each can use unchecked.
const TAIL: u64 = 1_000;

/// Rewrites the body of a function.
pub(super) fn rewrite(
    module: &mut Rewriter<'_, '_>,
    body: &FunctionBody<'_>,
    function: u32,
) -> Result<Function, MeterError> {
    let ty = module.type_of(function)?;
    let ops = body.get_operators_reader()?.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut regions = regions(&ops, |op| module.price(op)).map_err(|_| MeterError("unbalanced blocks".into()))?;

    let params = module.params(ty)?;
    let mut locals = Locals { declared: Vec::new(), count: params.saturating_add(1) };
    for local in body.get_locals_reader()? {
        let (count, ty) = local?;
        locals.add(count, module.value(ty)?);
    }
    if let Some(entry) = regions.first_mut() {
        entry.cost = entry.cost.saturating_add(Prices::locals(locals.count.saturating_sub(1)));
    }
    let spare = ops.iter().any(|op| length(op).is_some() || matches!(op, Operator::CallIndirect { .. }));
    let spare = (spare || ops.iter().any(select::is_select)).then(|| locals.add(1, ValType::I32));
    let floats = [Float::Number32, Float::Number64].map(|kind| {
        let ty = kind.local().filter(|_| ops.iter().any(|op| float(op) == Some(kind)));
        ty.map(|ty| (kind, locals.add(1, ty)))
    });

    let calls = ops.iter().filter(|op| module.is_inner_call(op)).count() as u64;
    let cost = regions.iter().fold(0u64, |sum, region| sum.saturating_add(region.cost));
    let node = module.called(function);
    let entry = match node.counts {
        true => Check::Both,
        false if calls == 0 && cost <= BRIEF => Check::None,
        false => Check::Gas,
    };
    let tail = calls.saturating_mul(BRIEF).saturating_add(cost);
    // Branches that leave the function do not carry the word: they end at a block of their own.
    let wrapper = if leaves(&ops)? { Some(module.result_block(ty)?) } else { None };
    let mut writer = Writer {
        code: Function::new(locals.declared),
        gas: params,
        spare,
        floats,
        entry,
        units: if node.counts { module.units(function).cast_signed() } else { 0 },
        recheck: node.recursive && tail > TAIL,
        labels: vec![Label { place: 0, header: None }],
        open: 1,
        wrapped: wrapper.is_some(),
        module,
    };
    if let Some(block) = wrapper {
        writer.emit(&I::Block(block));
    }
    writer.ops(ops, &regions)?;
    Ok(writer.code)
}

/// The function that stands for an import where it is used as a value: it charges as any function does, and calls the host.
pub(super) fn thunk(module: &mut Rewriter<'_, '_>, import: u32, params: u32) -> Result<Function, MeterError> {
    let price = module.thunk_price(import, params);
    let code = Function::new([]);
    let mut writer = Writer {
        code,
        module,
        gas: params,
        spare: None,
        floats: [None; 2],
        entry: Check::None,
        units: 0,
        recheck: false,
        labels: Vec::new(),
        open: 0,
        wrapped: false,
    };
    writer.charge(&[I::I64Const(word::of_gas(price))], Check::None); // the host checks
    for local in 0..params {
        writer.emit(&I::LocalGet(local));
    }
    writer.call(Operator::Call { function_index: import })?;
    writer.close();
    Ok(writer.code)
}

/// Whether a conditional branch or a table leads out of the function.
fn leaves(ops: &[Operator<'_>]) -> Result<bool, MeterError> {
    let mut depth = 0u32;
    for op in ops {
        match op {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => depth += 1,
            Operator::End => depth = depth.saturating_sub(1),
            Operator::BrIf { relative_depth } if *relative_depth == depth => return Ok(true),
            Operator::BrTable { targets } => {
                if targets.default() == depth {
                    return Ok(true);
                }
                for target in targets.targets() {
                    if target? == depth {
                        return Ok(true);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(false)
}

struct Locals {
    declared: Vec<(u32, ValType)>,
    /// With parameters and the word.
    count: u32,
}

impl Locals {
    /// Adds locals and returns the index of the first.
    fn add(&mut self, count: u32, ty: ValType) -> u32 {
        self.declared.push((count, ty));
        let first = self.count;
        self.count = self.count.saturating_add(count);
        first
    }
}

/// What is checked after a charge.
#[derive(Clone, Copy)]
enum Check {
    None,
    Gas,
    /// Gas and stack.
    Both,
}

/// A label that the module's own branches have.
struct Label {
    /// How many labels are around it.
    place: u32,
    /// The charge at a loop's header, if what happens when the slice is used up stands behind the loop's body.
    header: Option<i64>,
}

struct Writer<'m, 'a, 'c> {
    module: &'m mut Rewriter<'a, 'c>,
    code: Function,
    /// The local that holds the word: the last parameter.
    gas: u32,
    /// A local for the topmost operand, while something is done below it.
    spare: Option<u32>,
    /// Locals for results that are made canonical.
    floats: [Option<(Float, u32)>; 2],
    entry: Check,
    /// The stack units to add around calls.
    units: i64,
    /// Whether to check after calls.
    recheck: bool,
    /// The labels around the present operator, outermost first: that of the function, or of the wrapper around its body.
    labels: Vec<Label>,
    /// How many labels are open, added ones included. The function's own counts even when it is not used.
    open: u32,
    wrapped: bool,
}

impl Writer<'_, '_, '_> {
    fn emit(&mut self, instruction: &I<'_>) {
        self.code.instruction(instruction);
    }

    fn ops(&mut self, ops: Vec<Operator<'_>>, regions: &[Region]) -> Result<(), MeterError> {
        let mut regions = regions.iter().peekable();
        let last = ops.len().saturating_sub(1);
        for (at, op) in ops.into_iter().enumerate() {
            while let Some(region) = regions.next_if(|region| region.at == at) {
                let cost = word::of_gas(region.cost);
                match self.labels.last_mut() {
                    _ if at == 0 => self.charge(&[I::I64Const(cost)], self.entry),
                    Some(Label { header, .. }) if region.checked && header.is_some() => {
                        *header = Some(cost);
                        self.subtract(&[I::I64Const(cost)]);
                        for instruction in [I::LocalTee(self.gas), I::I64Const(0), I::I64LtS, I::BrIf(0)] {
                            self.emit(&instruction);
                        }
                    }
                    _ => {
                        let check = if region.checked { Check::Gas } else { Check::None };
                        self.charge(&[I::I64Const(cost)], check);
                    }
                }
            }
            if at == last {
                break; // the function's own end is written by `close`
            }
            let checked = regions.peek().is_some_and(|region| region.at == at + 1 && region.checked);
            if let Some(local) = self.spare.filter(|_| select::is_select(&op)) {
                self.emit(&I::LocalTee(local));
            }
            self.op(op, checked)?;
        }
        self.close();
        Ok(())
    }

    fn close(&mut self) {
        if self.wrapped {
            self.emit(&I::End);
        }
        self.emit(&I::LocalGet(self.gas));
        self.emit(&I::End);
    }

    fn op(&mut self, op: Operator<'_>, checked: bool) -> Result<(), MeterError> {
        if let (Some(kind), Some(local)) = (length(&op), self.spare) {
            self.emit(&I::LocalTee(local));
            let amount = length_price(kind, local, self.module.prices);
            self.charge(&amount, Check::Gas);
        }
        match op {
            Operator::LocalGet { local_index } => self.emit(&I::LocalGet(self.local(local_index))),
            Operator::LocalSet { local_index } => self.emit(&I::LocalSet(self.local(local_index))),
            Operator::LocalTee { local_index } => self.emit(&I::LocalTee(self.local(local_index))),
            Operator::Return => self.leave(),
            Operator::Br { relative_depth } if self.leaves(relative_depth) => self.leave(),
            Operator::Br { relative_depth } => self.emit(&I::Br(self.label(relative_depth)?)),
            Operator::BrIf { relative_depth } => self.emit(&I::BrIf(self.label(relative_depth)?)),
            Operator::BrTable { targets } => {
                let label = |depth: Result<u32, wasmparser::Error>| self.label(depth?);
                let labels = targets.targets().map(label).collect::<Result<Vec<_>, _>>()?;
                let default = self.label(targets.default())?;
                self.emit(&I::BrTable(labels.into(), default));
            }
            Operator::Loop { blockty } if checked && self.module.has_no_params(blockty)? => self.open_loop(blockty)?,
            Operator::RefFunc { function_index } => {
                let function = self.module.reencode(op)?;
                self.emit(&function);
                self.module.declared.insert(function_index);
            }
            Operator::End => self.end(),
            Operator::Call { .. } | Operator::CallIndirect { .. } => self.call(op)?,
            Operator::MemoryGrow { .. } if self.module.checked.contract => self.grow(Grown::Memory),
            Operator::TableGrow { .. } if self.module.checked.contract => self.grow(Grown::Table),
            op => {
                if matches!(op, Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. }) {
                    self.labels.push(Label { place: self.open, header: None });
                    self.open += 1;
                }
                let kind = float(&op);
                let instruction = self.module.reencode(op)?;
                self.emit(&instruction);
                if let Some((kind, local)) = self.floats.into_iter().flatten().find(|(of, _)| kind == Some(*of)) {
                    for instruction in kind.canonical(local) {
                        self.emit(&instruction);
                    }
                }
            }
        }
        Ok(())
    }

    /// Opens a loop such that the check at its header falls through when there is gas, which is what interpreters do best:
    /// `block { loop { block { word -= C; br_if 0 (word < 0); body; br 2 } word = refill(word) + C; br 0 } }`
    fn open_loop(&mut self, ty: wasmparser::BlockType) -> Result<(), MeterError> {
        let block = self.module.block_type(ty)?;
        for instruction in [I::Block(block), I::Loop(block), I::Block(BlockType::Empty)] {
            self.emit(&instruction);
        }
        self.labels.push(Label { place: self.open + 1, header: Some(0) });
        self.open += 3;
        Ok(())
    }

    fn end(&mut self) {
        let header = self.labels.pop().and_then(|label| label.header);
        self.open = self.open.saturating_sub(if header.is_some() { 3 } else { 1 });
        if let Some(cost) = header {
            let refill = I::Call(self.module.refill());
            for instruction in [I::Br(2), I::End, I::LocalGet(self.gas), refill, I::I64Const(cost), I::I64Add] {
                self.emit(&instruction);
            }
            for instruction in [I::LocalSet(self.gas), I::Br(0), I::End] {
                self.emit(&instruction);
            }
        }
        self.emit(&I::End);
    }

    /// Whether a branch leaves the function.
    fn leaves(&self, depth: u32) -> bool {
        depth as usize + 1 == self.labels.len()
    }

    /// The new depth of a label.
    fn label(&self, depth: u32) -> Result<u32, MeterError> {
        let label = self.labels.iter().nth_back(depth as usize);
        let label = label.ok_or_else(|| MeterError(format!("there is no label {depth}")))?;
        Ok(self.open.saturating_sub(label.place + 1))
    }

    /// The word is the last parameter, so the module's own locals move up by one.
    fn local(&self, index: u32) -> u32 {
        if index < self.gas { index } else { index.saturating_add(1) }
    }

    /// Returns from the function.
    fn leave(&mut self) {
        if self.wrapped {
            return self.emit(&I::Br(self.open.saturating_sub(1)));
        }
        self.emit(&I::LocalGet(self.gas));
        self.emit(&I::Return);
    }

    fn grow(&mut self, grown: Grown) {
        let grower = self.module.grower(grown);
        self.emit(&I::Call(grower));
    }

    fn call(&mut self, op: Operator<'_>) -> Result<(), MeterError> {
        match op {
            Operator::Call { function_index } => match self.module.import(function_index) {
                Some(Imported::Host(import)) => self.host(import),
                Some(Imported::Foreign { .. }) => self.emit(&I::Call(self.module.foreign(function_index))),
                None => {
                    let reaches = self.module.called(function_index).reaches;
                    self.inner(&I::Call(self.module.function(function_index)), reaches);
                }
            },
            Operator::CallIndirect { type_index, table_index } => {
                let reaches = self.module.calls.indirect(type_index).reaches;
                let type_index = self.module.metered(type_index);
                self.inner(&I::CallIndirect { type_index, table_index }, reaches);
            }
            _ => {}
        }
        Ok(())
    }

    /// A call of another function of the module. The word goes with it, and with the word what is counted of the stack.
    fn inner(&mut self, call: &I<'_>, reaches: bool) {
        // The index of an indirect call is above the operands.
        let index = if matches!(call, I::CallIndirect { .. }) { self.spare } else { None };
        if let Some(index) = index {
            self.emit(&I::LocalSet(index));
        }
        let units = if reaches { self.units } else { 0 };
        self.emit(&I::LocalGet(self.gas));
        self.add(units);
        if let Some(index) = index {
            self.emit(&I::LocalGet(index));
        }
        self.emit(call);
        self.add(-units);
        if reaches && self.recheck {
            self.emit(&I::LocalTee(self.gas));
            self.check(Check::Gas);
        } else {
            self.emit(&I::LocalSet(self.gas));
        }
    }

    fn add(&mut self, units: i64) {
        if units != 0 {
            self.emit(&I::I64Const(units));
            self.emit(&I::I64Add);
        }
    }

    /// A call of the host: the operands on the stack are filled up, followed by the operation's number and the word.
    fn host(&mut self, import: &Import) {
        match import.op {
            Op::Nothing => {
                for _ in import.params {
                    self.emit(&I::Drop);
                }
                return self.emit(&I::I32Const(0));
            }
            Op::Never => return self.emit(&I::Unreachable),
            _ => {}
        }
        let function = if import.op == Op::Call {
            self.module.host_call()
        } else {
            for _ in import.params.len()..OPERANDS {
                self.emit(&I::I32Const(0));
            }
            self.emit(&I::I32Const(import.op as i32));
            self.module.host_op()
        };
        for instruction in [I::LocalGet(self.gas), I::Call(function), I::LocalSet(self.gas)] {
            self.emit(&instruction);
        }
        match import.result {
            None => self.emit(&I::Drop),
            Some(wasmparser::ValType::I32) => self.emit(&I::I32WrapI64),
            Some(_) => {}
        }
    }

    /// `word -= amount`, and the check.
    fn charge(&mut self, amount: &[I<'_>], check: Check) {
        self.subtract(amount);
        if matches!(check, Check::None) {
            return self.emit(&I::LocalSet(self.gas));
        }
        self.emit(&I::LocalTee(self.gas));
        self.check(check);
    }

    /// `word - amount`, left on the stack.
    fn subtract(&mut self, amount: &[I<'_>]) {
        self.emit(&I::LocalGet(self.gas));
        for instruction in amount {
            self.emit(instruction);
        }
        self.emit(&I::I64Sub);
    }

    /// `if word < 0 { word = refill(word) }`, of the word on the stack; or of its bits for the stack too.
    fn check(&mut self, check: Check) {
        if matches!(check, Check::Both) {
            for instruction in [I::I64Const(word::SPENT), I::I64And, I::I64Const(0), I::I64Ne] {
                self.emit(&instruction);
            }
        } else {
            self.emit(&I::I64Const(0));
            self.emit(&I::I64LtS);
        }
        let refill = I::Call(self.module.refill());
        for instruction in [I::If(BlockType::Empty), I::LocalGet(self.gas), refill, I::LocalSet(self.gas), I::End] {
            self.emit(&instruction);
        }
    }
}

/// The instructions that leave the price of the length in `local` on the stack, as a part of the word.
fn length_price(kind: Length, local: u32, prices: &Prices) -> [I<'static>; 6] {
    let (factor, operation) = match kind {
        Length::Pages => (prices.page, I::I64Mul),
        Length::Elements => (prices.entry, I::I64Mul),
        Length::Bytes => (prices.bytes, I::I64DivU),
    };
    [I::LocalGet(local), I::I64ExtendI32U, I::I64Const(factor), operation, I::I64Const(word::SHIFT.into()), I::I64Shl]
}
