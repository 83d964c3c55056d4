//! revm for the length of one transaction.

mod block;
mod bounds;
mod cache;
mod construct;
mod context;
mod database;
mod flush;
mod foreign;
mod frames;
mod overlay;
mod pool;
mod trace;
mod transact;
mod tree;

use revm::{
    bytecode::Bytecode,
    context::{FrameStack, JournalTr},
    context_interface::journaled_state::JournalCheckpoint,
    handler::EthFrame,
    interpreter::{
        CallInput, CallInputs, CallScheme, CallValue, FrameInput, InterpreterResult, SharedMemory,
        interpreter_action::FrameInit,
    },
    primitives::{AddressMap, B256, Bytes, HashSet, U256},
};
use vm_core::{Block, Env, Event, Gas, Host, HostFault, Interrupt, Journal, Mark, Topic};

pub(crate) use cache::CodeCache;
pub(crate) use construct::Constructor;
pub(crate) use context::NO_EVENTS;
use context::Revm;
use database::{evm_address, vm_address};
use frames::Ran;
pub(crate) use pool::{open, start};
pub(crate) use trace::trace_end;
pub(crate) use transact::{Refused, Transacted};
use tree::Told;

use crate::{EvmConfig, Trace};

type Frame = EthFrame;
type State = revm::context::Journal<database::JournalDb>;

/// revm with its journal, warm set and transient storage. The dispatcher keeps it in the transaction as its overlay; every
/// EVM frame of the transaction, however nested among other runtimes, continues on it.
pub(crate) struct Session {
    revm: Revm,
    config: EvmConfig,
    /// One mark of the transaction's journal for each running EVM frame, over all nested frame stacks.
    marks: Vec<Mark>,
    /// Checkpoints that the dispatcher opened for frames of other runtimes.
    checkpoints: Vec<JournalCheckpoint>,
    /// For each foreign callee on the stack: the memory context that it was called with. A nested EVM call takes its memory
    /// behind it in the one shared buffer.
    memories: Vec<SharedMemory>,
    /// The depth of the EVM frame that an entry now would have: EVM frames above it, over all nested frame stacks.
    depth: usize,
    /// The time of the block, for contracts that may know it.
    timestamp: U256,
    /// Spare frame stacks.
    stacks: Vec<FrameStack<EthFrame>>,
    /// Where every instruction is told; with it, frames run in another loop.
    trace: Option<Trace>,
    /// Where calls are told; with it, frames run in that loop, too.
    told: Option<Told>,
}

/// A call that enters the EVM from the dispatcher.
pub(crate) struct Entry {
    /// The input, selector included.
    pub(crate) input: Bytes,
    /// The limit in Ethereum's gas.
    pub(crate) gas: u64,
}

/// An entry that ended, whichever way, and the session to go on with.
pub(crate) struct Ended {
    pub(crate) session: Box<Session>,
    pub(crate) result: InterpreterResult,
    /// What callees of other runtimes used: it is part of the result's gas, and the dispatcher has charged it already.
    pub(crate) foreign_gas: Gas,
}

impl Session {
    fn new(config: EvmConfig, cache: std::sync::Arc<CodeCache>) -> Self {
        Self {
            revm: context::new(&config, cache),
            config,
            marks: Vec::new(),
            checkpoints: Vec::new(),
            memories: Vec::new(),
            depth: 0,
            timestamp: U256::ZERO,
            stacks: Vec::new(),
            trace: None,
            told: None,
        }
    }

    /// Makes the session part of a transaction.
    fn bind(&mut self, journal: Journal, interrupt: Interrupt, block: &Block, cache: &std::sync::Arc<CodeCache>) {
        let ctx = &mut self.revm.ctx;
        ctx.chain.deadline = interrupt;
        ctx.journaled_state.database.bind(journal, &block.hashes, cache);
        ctx.cfg.chain_id = block.chain_id;
        block::fill(&mut ctx.block, block, &ctx.cfg);
        self.timestamp = ctx.block.timestamp;
    }

    /// Prepares for calls of the dispatcher, which pay no fee; what Ethereum has warm from the start is warm.
    fn prepare_calls(&mut self, env: &Env) {
        let ctx = &mut self.revm.ctx;
        ctx.tx.caller = evm_address(&env.origin);
        let journal = &mut ctx.journaled_state;
        if self.config.fork() >= crate::Fork::Shanghai {
            journal.warm_coinbase_account(evm_address(&env.block.coinbase));
        }
        let origin = [(evm_address(&env.origin), HashSet::default())];
        journal.warm_access_list(AddressMap::from_iter(origin));
    }

    /// Takes everything of the transaction out, for the next one.
    fn release(&mut self) {
        let ctx = &mut self.revm.ctx;
        ctx.journaled_state.database.release();
        ctx.error = Ok(());
        (ctx.chain.silent, ctx.chain.muted) = (false, false);
        self.marks.clear();
        self.checkpoints.clear();
        self.memories.clear();
        self.depth = 0;
        self.trace = None;
        self.told = None;
    }

    /// Calls what lives at `env.this`. The value has been credited already.
    pub(crate) fn call(mut self: Box<Self>, host: &mut dyn Host, entry: Entry) -> Result<Ended, HostFault> {
        let this = evm_address(&host.env().this);
        let journal = &mut self.revm.ctx.journaled_state;
        journal.database.enter(this, host.transaction().bounds());
        let info = &journal.load_account_with_code(this)?.info;
        let (hash, code) = (info.code_hash, info.code.clone().unwrap_or_default());
        // The dispatcher has decided that this is ours: a named contract that has destroyed itself is an empty account.
        let code = match journal.database.is_foreign(&this, &hash) {
            true => (revm::primitives::KECCAK_EMPTY, Bytecode::default()),
            false => (hash, code),
        };
        self.enter(host, entry, code, true)
    }

    /// Runs `code` at `env.this`, behind whatever is on the stack. It sees the value if it `pays`.
    fn enter(
        mut self: Box<Self>,
        host: &mut dyn Host,
        entry: Entry,
        code: (B256, Bytecode),
        pays: bool,
    ) -> Result<Ended, HostFault> {
        let Env { this, caller, value, is_static, .. } = host.env();
        let this = evm_address(this);
        let value = if pays { U256::from_be_bytes(value.to_be_bytes()) } else { U256::ZERO };
        let inputs = CallInputs {
            input: CallInput::Bytes(entry.input),
            return_memory_offset: 0..0,
            gas_limit: entry.gas,
            reservoir: 0,
            bytecode_address: this,
            known_bytecode: code,
            target_address: this,
            caller: evm_address(caller),
            value: CallValue::Apparent(value),
            scheme: if *is_static { CallScheme::StaticCall } else { CallScheme::Call },
            is_static: *is_static,
            charged_new_account_state_gas: false,
        };
        // As the transfer that Ethereum begins every call with does.
        self.revm.ctx.journaled_state.touch_account(this);
        let memory = self.memory();
        let frame_input = FrameInput::Call(Box::new(inputs));
        let init = FrameInit { depth: self.depth, memory, frame_input };
        let Ran { mut session, result, foreign_gas } = frames::run(self, Some(host), init)?;
        if let Some(outer) = session.memories.last_mut() {
            outer.free_child_context();
        }
        session.drain_logs()?;
        Ok(Ended { session, result: result.into_interpreter_result(), foreign_gas })
    }

    /// Moves the logs that revm holds to the end of the journal's events. Before every checkpoint of revm, so that its log
    /// list never holds logs from before a checkpoint: a revert drops those in the list, and the journal's mark the others.
    fn drain_logs(&mut self) -> Result<(), HostFault> {
        let state = &mut self.revm.ctx.journaled_state;
        if state.logs.is_empty() {
            return Ok(());
        }
        let database = &state.database;
        let journal = database.journal().map_err(HostFault::from)?;
        for log in state.inner.logs.drain(..) {
            let (topics, data) = log.data.split();
            journal.emit(Event {
                address: vm_address(&log.address),
                contract: database.read(&log.address).and_then(|read| read.account.contract.clone()),
                topics: topics.into_iter().map(|topic| Topic::Word(topic.0)).collect(),
                data: data.0,
            });
        }
        Ok(())
    }

    /// What an entry used, in Ethereum's gas: refunds are granted up to the fork's part of it.
    pub(crate) fn gas_used(&self, result: &mut InterpreterResult) -> u64 {
        let gas = &mut result.gas;
        if result.result.is_ok() {
            gas.set_final_refund(self.revm.ctx.cfg.gas_params.max_refund_quotient());
            let refund = u64::try_from(gas.refunded()).unwrap_or_default();
            self.tell_refund(refund);
            return gas.total_gas_spent().saturating_sub(refund);
        }
        if result.result.is_halt() {
            gas.spend_all();
        }
        gas.total_gas_spent()
    }

    fn memory(&mut self) -> SharedMemory {
        if let Some(outer) = self.memories.last_mut() {
            return outer.new_child_context();
        }
        let local = &mut self.revm.ctx.local;
        revm::context_interface::LocalContextTr::clear(local);
        let mut memory = SharedMemory::new_with_buffer(local.shared_memory_buffer.clone());
        memory.set_memory_limit(self.config.memory());
        memory
    }
}
