//! An EVM contract as the dispatcher enters it.

use std::sync::Arc;

use bytes::Bytes;
use revm::interpreter::{InstructionResult, InterpreterResult};
use vm_core::{Call, Contract, Entry, Host, HostFault, Interface, Return, Status, Trap};

use crate::{
    EvmConfig, Trace,
    abi::{self, SolidityInterface},
    gas,
    session::{self, CodeCache, Constructor, Ended, Entry as SessionEntry},
};

/// A prepared contract. Its running code lies in the state, under its account; here is what made it.
pub(crate) struct EvmContract {
    pub(crate) config: EvmConfig,
    pub(crate) cache: Arc<CodeCache>,
    pub(crate) creation_code: Bytes,
    pub(crate) interface: SolidityInterface,
    pub(crate) migrates: bool,
    pub(crate) trace: Option<Trace>,
}

impl Contract for EvmContract {
    fn call(&self, host: &mut dyn Host, call: &Call) -> Result<Return, HostFault> {
        match &call.entry {
            Entry::Invoke => match self.call_data(call) {
                Ok(input) if host.env().name.is_some() && abi::is_entered_by(&input) => Ok(refusal(abi::CLOSED)),
                Ok(input) => self.enter(host, None, input),
                Err(reason) => Ok(refusal(&reason)),
            },
            Entry::Deploy => self.enter(host, Some(Constructor::Deploy), self.creation(&call.input)),
            Entry::Upgrade { from, to } => match self.interface.migration_data(from, to, &call.input) {
                Some(input) => self.enter(host, None, input),
                None => Ok(refusal(UNFIT)),
            },
            Entry::Replace { from, to, migrates: true } if self.interface.migrates() => {
                let parts = self.interface.parts(&call.input);
                let parts = parts.and_then(|(made, migrated)| {
                    Some((self.creation(&made), self.interface.migration_data(from, to, &migrated)?))
                });
                let Some((creation, migration)) = parts else { return Ok(refusal(UNFIT)) };
                let made = self.enter(host, Some(self.replacing(true, false)), creation)?;
                match made.status.is_success() {
                    true => self.enter(host, None, migration),
                    false => Ok(made),
                }
            }
            Entry::Replace { migrates, .. } => {
                self.enter(host, Some(self.replacing(*migrates, true)), self.creation(&call.input))
            }
        }
    }

    fn interface(&self) -> &dyn Interface {
        &self.interface
    }

    fn migrates(&self) -> bool {
        self.migrates || self.interface.migrates()
    }

    fn reentrant(&self) -> bool {
        // As on Ethereum: contracts guard themselves.
        true
    }

    fn weight(&self) -> usize {
        self.creation_code.len() + self.interface.weight() + 1024
    }
}

impl EvmContract {
    /// Calls the contract, or runs creation code for it.
    fn enter(&self, host: &mut dyn Host, creation: Option<Constructor>, input: Bytes) -> Result<Return, HostFault> {
        let factor = host.transaction().schedule().evm.factor;
        let gas = gas::to_evm(host.gas_left(), factor);
        let mut session = session::open(host, &self.config, &self.cache)?;
        session.trace_to(self.trace.as_ref());
        let entry = SessionEntry { input: input.into(), gas };
        let Ended { session, mut result, foreign_gas } = match creation {
            None => session.call(host, entry),
            Some(kind) => session.construct(host, kind, entry),
        }?;
        let used = session.gas_used(&mut result);
        session.trace_end(&result, used);
        host.transaction().put_overlay(session);
        // The dispatcher has charged what callees of other runtimes used.
        let due = gas::to_vm(used, factor).saturating_sub(foreign_gas);
        match host.charge(due) {
            Ok(()) => Ok(outcome(result, &self.config)),
            Err(stop) => stop.into_return(),
        }
    }

    /// What becomes of what the constructor does in an upgrade. It gets the value, unless a migration comes after it.
    const fn replacing(&self, migrates: bool, pays: bool) -> Constructor {
        match self.migrates && migrates {
            true => Constructor::Migrate { pays },
            false => Constructor::Replace { pays },
        }
    }

    /// Creation code with the constructor's arguments.
    fn creation(&self, arguments: &[u8]) -> Bytes {
        [&self.creation_code[..], arguments].concat().into()
    }

    /// Call data of a call.
    fn call_data(&self, call: &Call) -> Result<Bytes, String> {
        match &*call.method {
            "" => Ok(call.input.clone()),
            method => match self.interface.selector(method) {
                Some(selector) => Ok([&selector[..], &call.input].concat().into()),
                None => Err(format!(
                    "unknown method '{}': give a signature such as transfer(address,uint256), or no method and whole call data",
                    method.chars().take(80).collect::<String>()
                )),
            },
        }
    }
}

/// What a migration is told whose arguments cannot be decoded.
const UNFIT: &str =
    "the arguments are not those of upgrade: the constructor's, where the code is made, and then one of type bytes";

/// How revm's result reads in the words of all runtimes.
pub(crate) fn outcome(result: InterpreterResult, config: &EvmConfig) -> Return {
    use InstructionResult as R;
    let status = match result.result {
        R::Stop | R::Return | R::SelfDestruct | R::Suspend => Status::Success,
        R::Revert => Status::Revert,
        R::CreateContractSizeLimit => {
            let most = config.max_code().unwrap_or_default();
            return refusal(&format!("the constructor returned more code than the limit of {most} bytes (EIP-170)"));
        }
        R::CreateContractStartingWithEF => {
            return refusal("the constructor returned code that starts with 0xef (EIP-3541)");
        }
        R::CreateCollision => return refusal("there is an evm account with code or nonce at the contract's address"),
        R::CreateInitCodeSizeLimit => {
            let most = config.max_creation_code().unwrap_or_default();
            return refusal(&format!("the creation code with its arguments is longer than {most} bytes (EIP-3860)"));
        }
        R::OutOfFunds | R::OverflowPayment => return refusal("the balance is too low for the value"),
        R::CallTooDeep => Status::Trap(Trap::StackOverflow),
        R::StackOverflow => Status::Trap(Trap::StackOverflow),
        R::OutOfGas | R::MemoryOOG | R::PrecompileOOG | R::InvalidOperandOOG | R::ReentrancySentryOOG => {
            Status::Trap(Trap::OutOfGas)
        }
        R::MemoryLimitOOG => Status::Trap(Trap::MemoryLimit),
        R::CallNotAllowedInsideStatic | R::StateChangeDuringStaticCall => Status::Trap(Trap::StaticViolation),
        R::OutOfOffset => Status::Trap(Trap::OutOfBounds),
        session::NO_EVENTS => Status::Trap(Trap::NoCapability),
        _ => Status::Trap(Trap::InvalidInstruction),
    };
    // A constructor that cannot pay for its code leaves the code behind; what is halted returns nothing.
    let output = if matches!(status, Status::Trap(_)) { Bytes::new() } else { result.output.0 };
    Return { status, output }
}

fn refusal(reason: &str) -> Return {
    Return::revert(abi::error_string(reason))
}

impl std::fmt::Debug for EvmContract {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EvmContract")
            .field("config", &self.config)
            .field("creation_code", &self.creation_code.len())
            .field("migrates", &self.migrates)
            .finish_non_exhaustive()
    }
}
