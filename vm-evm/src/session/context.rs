//! The types that revm is put together from: one context for outer and nested execution, so that the interpreter is
//! instantiated once.

use std::{sync::Arc, time::Duration};

use revm::{
    bytecode::opcode,
    context::{BlockEnv, CfgEnv, Context, Evm, FrameStack, Journal, JournalTr, TxEnv},
    handler::{EthFrame, EthPrecompiles, PrecompileProvider, instructions::EthInstructions},
    interpreter::{
        CallInputs, Instruction, InstructionContext, InstructionExecResult, InstructionResult, InterpreterResult,
        instructions::{self, gas_table_spec},
        interpreter::EthInterpreter,
    },
    primitives::{AddressSet, hardfork::SpecId},
};

use vm_core::Interrupt;

use super::{cache::CodeCache, database::JournalDb};
use crate::{EvmConfig, Fork};

pub(super) type Ctx = Context<BlockEnv, TxEnv, CfgEnv, JournalDb, Journal<JournalDb>, Around>;
pub(super) type Revm = Evm<Ctx, (), EthInstructions<EthInterpreter, Ctx>, Precompiles, EthFrame<EthInterpreter>>;

/// What instructions find of the transaction around them.
#[derive(Clone, Debug)]
pub(super) struct Around {
    /// Its deadline.
    pub(super) deadline: Interrupt,
    /// True while a contract runs that was deployed without events.
    pub(super) silent: bool,
    /// True when one such has tried to emit one.
    pub(super) muted: bool,
}

impl Default for Around {
    /// A deadline that nobody raises, until there is a transaction.
    fn default() -> Self {
        Self { deadline: Interrupt::after(Duration::MAX), silent: false, muted: false }
    }
}

/// Ethereum's precompiles, looked up only where no code lives.
#[derive(Debug)]
pub(super) struct Precompiles(EthPrecompiles);

impl PrecompileProvider<Ctx> for Precompiles {
    type Output = InterpreterResult;

    fn set_spec(&mut self, spec: SpecId) -> bool {
        PrecompileProvider::<Ctx>::set_spec(&mut self.0, spec)
    }

    #[inline]
    fn run(&mut self, ctx: &mut Ctx, inputs: &CallInputs) -> Result<Option<InterpreterResult>, String> {
        if !inputs.known_bytecode.1.is_empty() {
            return Ok(None);
        }
        self.0.run(ctx, inputs)
    }

    fn warm_addresses(&self) -> &AddressSet {
        self.0.warm_addresses()
    }
}

/// A fresh revm, not yet bound to a transaction.
pub(super) fn new(config: &EvmConfig, cache: Arc<CodeCache>) -> Revm {
    let spec = config.fork().spec();
    let mut ctx = Ctx::new(JournalDb::new(cache), spec);
    ctx.cfg.limit_contract_code_size = config.max_code();
    ctx.cfg.limit_contract_initcode_size = config.max_creation_code();
    ctx.cfg.max_blobs_per_tx = Some(if config.fork() == Fork::Prague { 9 } else { 6 });
    ctx.cfg.memory_limit = config.memory();
    let precompiles = EthPrecompiles::new(spec);
    ctx.journaled_state.warm_precompiles(precompiles.warm_addresses());
    let mut instruction = EthInstructions::new_mainnet_with_spec(spec);
    let prices = gas_table_spec(spec);
    for (opcode, own) in OWN {
        let price = prices.get(usize::from(opcode)).copied().unwrap_or_default();
        instruction.insert_instruction(opcode, Instruction::new(own), price);
    }
    for opcode in config.refused_opcodes().iter() {
        instruction.insert_instruction(opcode, Instruction::new(refused), 0);
    }
    Evm {
        ctx,
        inspector: (),
        instruction,
        precompiles: Precompiles(precompiles),
        // Frames are made when they are needed: eight at once would be 256 KiB.
        frame_stack: FrameStack::new(),
    }
}

type InstructionOf<'a> = InstructionContext<'a, Ctx, EthInterpreter>;

type Own = fn(InstructionOf<'_>) -> InstructionExecResult;

/// Instructions that do something beside what Ethereum's do.
const OWN: [(u8, Own); 6] = [
    (opcode::JUMPDEST, jumpdest),
    (opcode::LOG0, log::<0>),
    (opcode::LOG1, log::<1>),
    (opcode::LOG2, log::<2>),
    (opcode::LOG3, log::<3>),
    (opcode::LOG4, log::<4>),
];

/// LOG0 to LOG4, unless the contract was deployed without events.
fn log<const N: usize>(context: InstructionOf<'_>) -> InstructionExecResult {
    match context.host.chain.silent {
        true => {
            context.host.chain.muted = true;
            Err(NO_EVENTS)
        }
        false => instructions::host::log::<N, _>(context),
    }
}

/// What no instruction of these forks ends with stands for a missing capability.
pub(crate) const NO_EVENTS: InstructionResult = InstructionResult::InvalidImmediateEncoding;

/// JUMPDEST, unless the transaction's time is over. Every loop comes by one, so this is where an endless one is noticed.
fn jumpdest(context: InstructionOf<'_>) -> InstructionExecResult {
    match context.host.chain.deadline.is_raised() {
        true => over(),
        false => Ok(()),
    }
}

/// Apart from the loop, which pays for a load and a branch that is never taken.
#[cold]
const fn over() -> InstructionExecResult {
    Err(InstructionResult::FatalExternalError)
}

/// In place of an opcode that the configuration refuses.
fn refused(_: InstructionOf<'_>) -> InstructionExecResult {
    Err(InstructionResult::InvalidFEOpcode)
}
