//! What a contract is kept from: capabilities, which frames are asked for, and room, which is counted at the end.

use revm::{
    handler::{FrameResult, PrecompileProvider},
    interpreter::{
        CreateOutcome, FrameInput, Gas as EvmGas, InstructionResult, InterpreterResult, interpreter_action::FrameInit,
    },
    primitives::{Address, U256},
};
use vm_core::{Capabilities, ContractName, Excess, HostFault, Journal, KeyRange, Room, Space};

use super::{Session, context::Ctx, foreign};
use crate::abi;

/// What a contract may not do that it was deployed without the capability for.
pub(super) struct Lacking {
    /// What its frame gets in place of it.
    pub(super) result: FrameResult,
    pub(super) contract: Option<ContractName>,
    pub(super) capability: Capabilities,
    pub(super) why: String,
}

/// The bytes of a slot's number.
const SLOT: usize = 32;

impl Session {
    /// Before the newest frame goes on: what its contract may not do or see. Nothing as long as no contract of the transaction is
    /// kept from anything.
    pub(super) fn restrain(&mut self) {
        if !self.revm.ctx.journaled_state.database.is_bounded() {
            return;
        }
        let this = self.running();
        let ctx = &mut self.revm.ctx;
        let capabilities = ctx.journaled_state.database.bounds(&this).capabilities;
        ctx.chain.silent = !capabilities.contains(Capabilities::EVENTS);
        ctx.block.timestamp = if capabilities.contains(Capabilities::TIME) { self.timestamp } else { U256::ZERO };
    }

    /// The refusal of a call or creation that the newest frame's contract may not make. It may call itself and precompiles.
    pub(super) fn lacking(&mut self, init: &FrameInit) -> Option<Lacking> {
        if !self.revm.ctx.journaled_state.database.is_bounded() {
            return None;
        }
        let this = self.running();
        let database = &self.revm.ctx.journaled_state.database;
        let capabilities = database.bounds(&this).capabilities;
        let name = database.read(&this).and_then(|read| read.account.contract.as_ref());
        match &init.frame_input {
            FrameInput::Call(call) => {
                let precompiles = PrecompileProvider::<Ctx>::warm_addresses(&self.revm.precompiles);
                let free = call.bytecode_address == this || precompiles.contains(&call.bytecode_address);
                let why = capabilities.lack(name, call.is_static).filter(|_| !free)?;
                let result = foreign::refused(call, InstructionResult::Revert, &why);
                let capability = if call.is_static { Capabilities::STATE } else { Capabilities::CALLS };
                Some(Lacking { result, contract: name.cloned(), capability, why })
            }
            FrameInput::Create(create) => {
                // What it creates would have all of them.
                let (capability, why) = capabilities
                    .lack(name, false)
                    .map(|why| (Capabilities::CALLS, why))
                    .or_else(|| (capabilities != Capabilities::ALL).then(|| (Capabilities::ALL, bears(name))))?;
                let (output, gas) = (abi::error_string(&why).into(), EvmGas::new(create.gas_limit()));
                let result = InterpreterResult::new(InstructionResult::Revert, output, gas);
                let result = FrameResult::Create(CreateOutcome::new(result, None));
                Some(Lacking { result, contract: name.cloned(), capability, why })
            }
            FrameInput::Empty => None,
        }
    }

    /// The contract whose frame has just ended since it emitted an event that it may not, if it did.
    pub(super) fn muted(&mut self) -> Option<ContractName> {
        if !std::mem::take(&mut self.revm.ctx.chain.muted) {
            return None;
        }
        let this = self.running();
        self.revm.ctx.journaled_state.database.read(&this)?.account.contract.clone()
    }

    /// The account that the newest frame runs for.
    fn running(&mut self) -> Address {
        self.revm.frame_stack.get().interpreter.input.target_address
    }

    /// Counts what contracts with a bounded state have of it now; tells of one that has more than it may, the first by address.
    pub(super) fn count(&mut self, journal: &Journal) -> Result<Option<Excess>, HostFault> {
        let state = &self.revm.ctx.journaled_state;
        let mut first = None;
        if !state.database.is_bounded() {
            return Ok(first);
        }
        #[allow(clippy::disallowed_methods, reason = "each is counted by itself, and the first by address is told of")]
        for (address, account) in state.state.iter().filter(|(_, account)| account.is_touched()) {
            let bounds = state.database.bounds(address);
            let name = state.database.read(address).and_then(|read| read.account.contract.as_ref());
            let Some((room, name)) = bounds.room.zip(name) else { continue };
            let (removed, added) = match account.is_selfdestructed() {
                true => (slots(journal, address)?, Room::NOTHING),
                false => exchanged(
                    account.changed_storage_slots().map(|(_, slot)| (slot.original_value, slot.present_value)),
                ),
            };
            let excess = exchange(room, journal, name, (removed, added))?;
            first = first.into_iter().chain(excess).min();
        }
        Ok(first)
    }
}

fn bears(name: Option<&ContractName>) -> String {
    let name = name.map_or("", ContractName::as_str);
    format!(
        "contract '{name}' was deployed without all capabilities, so it creates no contracts, which would have them"
    )
}

fn exchange(
    room: Room,
    journal: &Journal,
    name: &ContractName,
    (removed, added): (Room, Room),
) -> Result<Option<Excess>, HostFault> {
    match removed == added {
        true => Ok(None),
        false => Ok(room.exchange(journal, name, removed, added)?),
    }
}

/// What slots had, and what they have instead. A slot that is zero is none.
fn exchanged(slots: impl Iterator<Item = (U256, U256)>) -> (Room, Room) {
    let (mut removed, mut added) = (Room::NOTHING, Room::NOTHING);
    let add = |sum: &mut Room, value: U256| {
        if !value.is_zero() {
            sum.add(SLOT, value.byte_len());
        }
    };
    for (before, after) in slots {
        add(&mut removed, before);
        add(&mut added, after);
    }
    (removed, added)
}

/// All that an account has.
fn slots(journal: &Journal, address: &Address) -> Result<Room, HostFault> {
    let mut all = Room::NOTHING;
    let range = KeyRange::of(Space::EvmStorage, address.as_slice());
    journal.scan(&range, usize::MAX)?.iter().for_each(|(_, value)| all.add(SLOT, value.len()));
    Ok(all)
}
