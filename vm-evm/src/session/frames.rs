//! The loop over EVM frames, with the transaction's journal rolled back along with revm's.

use revm::{
    context_interface::{ContextTr, JournalTr, context::ContextError},
    handler::{EvmTr, FrameInitOrResult, FrameResult, ItemOrResult},
    interpreter::{CallInputs, CallScheme, FrameInput, InstructionResult, interpreter_action::FrameInit},
    primitives::Address,
};
use vm_core::{
    Access, Action, Capabilities, ContractName, ContractRecord, Gas, Host, HostFault, KeyRange, Refusal, Space,
    Standing, Trap,
};

use crate::abi::{CLOSED, is_entered_by, selector_text};

use super::{
    Session,
    bounds::Lacking,
    database::{DbFault, vm_address},
    foreign,
};

type Opened = Result<ItemOrResult<(), FrameResult>, ContextError<DbFault>>;

/// A first frame that ended, whichever way.
pub(super) struct Ran {
    pub(super) session: Box<Session>,
    pub(super) result: FrameResult,
    /// What callees of other runtimes used.
    pub(super) foreign_gas: Gas,
}

/// Runs a frame and all that it calls, until it returns.
///
/// The session moves through: while a foreign contract runs it lies in the transaction, where a nested call finds it. A host
/// fault drops it, since the transaction is over. Without a host there is no dispatcher, and nothing foreign can be called.
pub(super) fn run(
    mut session: Box<Session>,
    mut host: Option<&mut dyn Host>,
    first: FrameInit,
) -> Result<Ran, HostFault> {
    let spare = session.stacks.pop().unwrap_or_default();
    let outer = std::mem::replace(&mut session.revm.frame_stack, spare);
    let mut foreign_gas = Gas::ZERO;
    // Frames that run inside the first one, which whoever entered the EVM tells of.
    let mut inner = 0_usize;
    let refused = if host.is_none() { foreign::without_dispatcher(&session, &first)? } else { None };
    let mut ended = match refused {
        Some(refused) => Some(refused),
        None => session.open(first)?,
    };
    if ended.is_none() {
        ended = loop {
            let result = match session.step()? {
                ItemOrResult::Result(result) => {
                    if inner > 0 {
                        session.tell_end(&result);
                        inner -= 1;
                    }
                    if let (Some(contract), Some(host)) = (session.muted(), &mut host) {
                        let why = Trap::NoCapability.to_string();
                        host.transaction().note_lacking(&contract, Capabilities::EVENTS, why);
                    }
                    result
                }
                ItemOrResult::Item(init) => match (session.lacking(&init), &mut host) {
                    (Some(Lacking { result, contract, capability, why }), host) => {
                        if let (Some(contract), Some(host)) = (contract, host) {
                            host.transaction().note_lacking(&contract, capability, why);
                        }
                        session.tell_begin(&init, false);
                        session.tell_end(&result);
                        result
                    }
                    (None, Some(host)) if session.is_foreign(&init) => {
                        let called = foreign::call(session, &mut **host, init)?;
                        session = called.session;
                        foreign_gas = foreign_gas.saturating_add(called.gas_used);
                        called.result
                    }
                    (None, host) => {
                        let refused = match host {
                            Some(host) => session.denied(&mut **host, &init)?,
                            None => foreign::without_dispatcher(&session, &init)?,
                        };
                        session.tell_begin(&init, refused.is_none());
                        let ended = match refused {
                            Some(refused) => Some(refused),
                            None => session.open(init)?,
                        };
                        let Some(result) = ended else {
                            inner += 1;
                            continue;
                        };
                        session.tell_end(&result);
                        result
                    }
                },
            };
            let last = session.close(result)?;
            if last.is_some() {
                break last;
            }
        };
    }
    let mut stack = std::mem::replace(&mut session.revm.frame_stack, outer);
    stack.clear();
    session.stacks.push(stack);
    let result = ended.ok_or_else(|| HostFault::Internal("evm entry without result".into()))?;
    Ok(Ran { session, result, foreign_gas })
}

impl Session {
    /// Starts a frame. A result means that there was nothing to run: a precompile, an account without code, a refusal.
    fn open(&mut self, init: FrameInit) -> Result<Option<FrameResult>, HostFault> {
        self.check_deadline()?;
        self.drain_logs()?;
        let mark = self.revm.ctx.journaled_state.database.journal()?.mark();
        let opened = match self.occupied(&init)? {
            None => self.begin(init),
            Some(address) => self.collide(address, init),
        };
        match opened {
            Ok(ItemOrResult::Item(())) => {
                self.marks.push(mark);
                Ok(None)
            }
            Ok(ItemOrResult::Result(result)) => Ok(Some(result)),
            Err(error) => Err(fault(error)),
        }
    }

    /// The address of a creation where nothing but storage is: EIP-7610 refuses it, and revm cannot see it.
    fn occupied(&mut self, init: &FrameInit) -> Result<Option<Address>, HostFault> {
        let FrameInput::Create(inputs) = &init.frame_input else { return Ok(None) };
        let state = &mut self.revm.ctx.journaled_state;
        let nonce = state.load_account(inputs.caller())?.info.nonce;
        let address = inputs.created_address(nonce);
        let slots = KeyRange::of(Space::EvmStorage, address.as_slice());
        Ok((!state.database.journal()?.scan(&slots, 1)?.is_empty()).then_some(address))
    }

    fn begin(&mut self, init: FrameInit) -> Opened {
        Ok(match self.revm.frame_init(init)? {
            ItemOrResult::Item(_) => ItemOrResult::Item(()),
            ItemOrResult::Result(result) => ItemOrResult::Result(result),
        })
    }

    /// Has revm refuse a creation at the address as one where an account with a nonce is.
    fn collide(&mut self, address: Address, init: FrameInit) -> Opened {
        let nonce = |session: &mut Self, shown: u64| {
            let account = session.revm.ctx.journaled_state.state.get_mut(&address);
            account.map(|account| std::mem::replace(&mut account.info.nonce, shown))
        };
        self.revm.ctx.journaled_state.load_account(address)?;
        let own = nonce(self, 1);
        let opened = self.begin(init);
        own.and_then(|own| nonce(self, own));
        opened
    }

    /// Runs the newest frame until it ends or calls.
    fn step(&mut self) -> Result<FrameInitOrResult<super::Frame>, HostFault> {
        self.restrain();
        let next = match self.is_told() {
            false => self.revm.frame_run(),
            true => self.run_traced(),
        };
        let next = next.map_err(fault)?;
        // A fault inside an instruction ends the frame like a failure of the contract; it must not look like one.
        std::mem::replace(self.revm.ctx.error(), Ok(())).map_err(fault)?;
        self.check_deadline()?;
        Ok(next)
    }

    /// Gives a result to the frame that waits for it; the result itself when none does.
    fn close(&mut self, result: FrameResult) -> Result<Option<FrameResult>, HostFault> {
        // Otherwise it is the result of something that had no frame, and no mark.
        if self.revm.frame_stack.get().is_finished() {
            let mark = self.marks.pop();
            let mark = mark.ok_or_else(|| HostFault::Internal("evm frame without mark".into()))?;
            if !result.instruction_result().is_ok() {
                self.revm.ctx.journaled_state.database.journal()?.revert(mark);
            }
        }
        self.revm.frame_return_result(result).map_err(fault)
    }

    pub(super) fn is_foreign(&self, init: &FrameInit) -> bool {
        match &init.frame_input {
            FrameInput::Call(call) => {
                let database = &self.revm.ctx.journaled_state.database;
                database.is_foreign(&call.bytecode_address, &call.known_bytecode.0)
            }
            _ => false,
        }
    }

    /// The named contract that a call enters, and its standing. Code that is run for another account is no call of its contract; a
    /// contract's own code, which it runs for itself, is one by whoever called it.
    pub(super) fn called(&self, call: &CallInputs) -> Result<Option<(&ContractName, Option<Standing>)>, HostFault> {
        let database = &self.revm.ctx.journaled_state.database;
        let name = database.read(&call.target_address).and_then(|read| read.account.contract.as_ref());
        let plain = matches!(call.scheme, CallScheme::Call | CallScheme::StaticCall);
        match name.filter(|_| plain || call.bytecode_address == call.target_address) {
            Some(name) => Ok(Some((name, ContractRecord::standing(database.journal()?, name)?))),
            None => Ok(None),
        }
    }

    /// Why nobody can call a named contract so: it is a migration's function, or its migration goes on. While a constructor runs there is
    /// no code to call.
    pub(super) fn closed(&self, call: &CallInputs, name: &ContractName, standing: Option<Standing>) -> Option<String> {
        if is_entered_by(&call.input.as_bytes(&self.revm.ctx)) {
            return Some(CLOSED.to_owned());
        }
        let lifecycle = standing?.lifecycle;
        let refused = !lifecycle.is_callable() && !call.known_bytecode.1.is_empty();
        refused.then(|| Refusal::NotCallable { name: name.clone(), lifecycle }.to_string())
    }

    /// The refusal of a call of another named EVM contract, which the dispatcher does not see, if the authorizer refuses it.
    fn denied(&self, host: &mut dyn Host, init: &FrameInit) -> Result<Option<FrameResult>, HostFault> {
        let FrameInput::Call(call) = &init.frame_input else { return Ok(None) };
        let Some((name, standing)) = self.called(call)? else { return Ok(None) };
        if let Some(why) = self.closed(call, name, standing) {
            return Ok(Some(foreign::refused(call, InstructionResult::Revert, &why)));
        }
        let method = selector_text(&call.input.as_bytes(&self.revm.ctx));
        let access = Access {
            actor: vm_address(&call.caller),
            action: Action::Call { method: &method },
            contract: name,
            owner: standing.map(|standing| standing.owner),
            guarded: standing.is_some_and(|standing| standing.guarded),
        };
        let denied = host.transaction().authorize(&access).err();
        Ok(denied.map(|denied| foreign::refused(call, InstructionResult::Revert, &denied.to_string())))
    }

    fn check_deadline(&self) -> Result<(), HostFault> {
        self.revm.ctx.chain.deadline.check()
    }
}

fn fault(error: ContextError<DbFault>) -> HostFault {
    match error {
        ContextError::Db(DbFault(fault)) => fault,
        ContextError::Custom(message) => HostFault::Internal(format!("revm: {message}")),
    }
}
