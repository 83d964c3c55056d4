//! Rewrites one function body.

use wasm_encoder as encoder;
use wasm_encoder::reencode::Reencode;
use wasm_encoder::{BlockType, Function, Instruction as I};
use wasmparser::{FunctionBody, Operator};

use super::class::{Length, length};
use super::module::Rewriter;
use super::region::{Region, regions};
use super::stack::UNCOUNTED;
use super::{MeterError, Prices};
use crate::abi::import::{Import, Op};

/// The number of general operands of `host.op`.
pub(super) const OPERANDS: usize = 5;

/// Rewrites a body of the type with index `ty` that needs `units` of stack.
pub(super) fn rewrite(
    module: &mut Rewriter<'_, '_>,
    body: &FunctionBody<'_>,
    ty: u32,
    units: u64,
) -> Result<Function, MeterError> {
    let unreadable = |error: wasmparser::Error| MeterError(error.to_string());
    let ops = body
        .get_operators_reader()
        .map_err(unreadable)?
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    let mut locals = Locals::new(module.params(ty)?);
    for local in body.get_locals_reader().map_err(unreadable)? {
        let (count, ty) = local.map_err(unreadable)?;
        locals.add(count, module.val_type(ty)?);
    }
    let mut regions = regions(&ops, |op| module.price(op)).map_err(|_| MeterError("unbalanced blocks".into()))?;
    if let Some(entry) = regions.first_mut() {
        entry.cost = entry.cost.saturating_add(Prices::locals(locals.count));
    }
    let calls = ops.iter().any(|op| match op {
        Operator::Call { function_index } => module.import(*function_index).is_none(),
        Operator::CallIndirect { .. } => true,
        _ => false,
    });
    let units = (calls || units > UNCOUNTED).then_some(units.cast_signed());
    let loops = ops.iter().any(|op| matches!(op, Operator::Loop { .. }));
    let gas = if loops { Place::Local(locals.add(1, encoder::ValType::I64)) } else { Place::Global };
    let length = ops.iter().any(|op| length(op).is_some()).then(|| locals.add(1, encoder::ValType::I32));
    // One way out: every return, and every branch to the function's own label, ends at this block.
    let wrapper = if units.is_some() || loops { Some(module.result_block(ty)?) } else { None };

    let mut writer = Writer {
        code: Function::new(locals.declared),
        module,
        gas,
        length,
        units,
        depth: 0,
        wrapped: wrapper.is_some(),
    };
    writer.open(wrapper);
    writer.ops(ops, &regions)?;
    writer.close();
    Ok(writer.code)
}

/// The function that stands for an import where it is used as a value: it charges as any function does, and calls the host.
pub(super) fn thunk(module: &mut Rewriter<'_, '_>, import: &Import) -> Function {
    let price = module.thunk_price(import);
    let code = Function::new([]);
    let mut writer = Writer { code, module, gas: Place::Global, length: None, units: None, depth: 0, wrapped: false };
    writer.charge(&[I::I64Const(price)], None, false); // the host checks
    for (local, _) in (0u32..).zip(import.params) {
        writer.emit(&I::LocalGet(local));
    }
    writer.host(import);
    writer.close();
    writer.code
}

struct Locals {
    declared: Vec<(u32, encoder::ValType)>,
    count: u32,
}

impl Locals {
    fn new(params: u32) -> Self {
        Self { declared: Vec::new(), count: params }
    }

    /// Adds locals and returns the index of the first.
    fn add(&mut self, count: u32, ty: encoder::ValType) -> u32 {
        self.declared.push((count, ty));
        let first = self.count;
        self.count = self.count.saturating_add(count);
        first
    }
}

/// Where the gas lives while the function runs.
#[derive(Clone, Copy)]
enum Place {
    Global,
    Local(u32),
}

struct Writer<'m, 'a, 'c> {
    module: &'m mut Rewriter<'a, 'c>,
    code: Function,
    gas: Place,
    /// The local that holds a length while it is priced.
    length: Option<u32>,
    /// The stack units to take at the entry and to give back at the end.
    units: Option<i64>,
    /// Blocks around the present operator, without the wrapper.
    depth: u32,
    wrapped: bool,
}

impl Writer<'_, '_, '_> {
    fn emit(&mut self, instruction: &I<'_>) {
        self.code.instruction(instruction);
    }

    fn open(&mut self, wrapper: Option<BlockType>) {
        if let Some(block) = wrapper {
            self.emit(&I::Block(block));
        }
        self.load();
    }

    fn close(&mut self) {
        if self.wrapped {
            self.emit(&I::End);
            self.save();
        }
        if let Some(units) = self.units {
            let sp = self.module.sp();
            for instruction in [I::GlobalGet(sp), I::I64Const(units), I::I64Add, I::GlobalSet(sp)] {
                self.emit(&instruction);
            }
        }
        self.emit(&I::End);
    }

    fn ops(&mut self, ops: Vec<Operator<'_>>, regions: &[Region]) -> Result<(), MeterError> {
        let mut regions = regions.iter().peekable();
        let last = ops.len().saturating_sub(1);
        for (at, op) in ops.into_iter().enumerate() {
            while let Some(region) = regions.next_if(|region| region.at == at) {
                let units = if at == 0 { self.units } else { None };
                self.charge(&[I::I64Const(region.cost.cast_signed())], units, region.checked);
            }
            if at == last {
                break; // the function's own end is written by `close`
            }
            self.op(op)?;
        }
        Ok(())
    }

    fn op(&mut self, op: Operator<'_>) -> Result<(), MeterError> {
        if let (Some(kind), Some(local)) = (length(&op), self.length) {
            self.emit(&I::LocalTee(local));
            let amount = length_price(kind, local, self.module.prices);
            self.charge(&amount, None, true);
        }
        match op {
            Operator::Return if self.wrapped => self.emit(&I::Br(self.depth)),
            Operator::Call { function_index } => match self.module.import(function_index) {
                Some(import) => self.host(import),
                None => self.surrounded(op)?,
            },
            Operator::CallIndirect { .. } => self.surrounded(op)?,
            op => {
                match op {
                    Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => self.depth += 1,
                    Operator::End => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                let instruction = self.module.reencode(op)?;
                self.emit(&instruction);
            }
        }
        Ok(())
    }

    /// A call of another function, with the gas saved around it.
    fn surrounded(&mut self, op: Operator<'_>) -> Result<(), MeterError> {
        self.save();
        let instruction = self.module.reencode(op)?;
        self.emit(&instruction);
        self.load();
        Ok(())
    }

    /// A call of the host: the operands on the stack are filled up, followed by the operation's number and the gas.
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
        self.get_gas();
        self.emit(&I::Call(function));
        self.set_gas();
        match import.result {
            None => self.emit(&I::Drop),
            Some(wasmparser::ValType::I32) => self.emit(&I::I32WrapI64),
            Some(_) => {}
        }
    }

    fn get_gas(&mut self) {
        let instruction = match self.gas {
            Place::Local(local) => I::LocalGet(local),
            Place::Global => I::GlobalGet(self.module.gas()),
        };
        self.emit(&instruction);
    }

    fn set_gas(&mut self) {
        let instruction = match self.gas {
            Place::Local(local) => I::LocalSet(local),
            Place::Global => I::GlobalSet(self.module.gas()),
        };
        self.emit(&instruction);
    }

    /// Copies the gas from the global, if it lives in a local.
    fn load(&mut self) {
        if let Place::Local(local) = self.gas {
            self.emit(&I::GlobalGet(self.module.gas()));
            self.emit(&I::LocalSet(local));
        }
    }

    /// Copies the gas to the global, if it lives in a local.
    fn save(&mut self) {
        if let Place::Local(local) = self.gas {
            self.emit(&I::LocalGet(local));
            self.emit(&I::GlobalSet(self.module.gas()));
        }
    }

    /// `gas -= amount; sp -= units; if (gas | sp) < 0 { refill() }`
    fn charge(&mut self, amount: &[I<'_>], units: Option<i64>, checked: bool) {
        let sp = self.module.sp();
        self.get_gas();
        for instruction in amount {
            self.emit(instruction);
        }
        self.emit(&I::I64Sub);
        self.set_gas();
        if let Some(units) = units {
            for instruction in [I::GlobalGet(sp), I::I64Const(units), I::I64Sub, I::GlobalSet(sp)] {
                self.emit(&instruction);
            }
        }
        if !checked {
            return;
        }
        self.get_gas();
        if units.is_some() {
            self.emit(&I::GlobalGet(sp));
            self.emit(&I::I64Or);
        }
        for instruction in [I::I64Const(0), I::I64LtS, I::If(BlockType::Empty)] {
            self.emit(&instruction);
        }
        self.save();
        self.emit(&I::Call(self.module.refill()));
        self.load();
        self.emit(&I::End);
    }
}

/// The instructions that leave the price of the length in `local` on the stack.
fn length_price(kind: Length, local: u32, prices: &Prices) -> [I<'static>; 4] {
    let (factor, operation) = match kind {
        Length::Pages => (prices.page, I::I64Mul),
        Length::Elements => (prices.entry, I::I64Mul),
        Length::Bytes => (prices.bytes, I::I64DivU),
    };
    [I::LocalGet(local), I::I64ExtendI32U, I::I64Const(factor), operation]
}
