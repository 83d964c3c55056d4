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
        let input = match self.input(call) {
            Ok(input) => input,
            Err(reason) => return Ok(Return::revert(abi::error_string(&reason))),
        };
        let factor = host.transaction().schedule().evm.factor;
        let limit = gas::to_evm(host.gas_left(), factor);
        let mut session = session::open(host, &self.config, &self.cache)?;
        session.trace_to(self.trace.as_ref());
        let Ended { session, mut result, foreign_gas } = match call.entry {
            Entry::Invoke => session.call(host, SessionEntry { input: input.into(), gas: limit }),
            Entry::Deploy => session.construct(host, Constructor::Deploy, input.into(), limit),
            Entry::Upgrade { .. } => {
                let kind = if self.migrates { Constructor::Migrate } else { Constructor::Replace };
                session.construct(host, kind, input.into(), limit)
            }
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

    fn interface(&self) -> &dyn Interface {
        &self.interface
    }

    fn migrates(&self) -> bool {
        self.migrates
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
    /// Call data of a call, or creation code with its arguments of a deployment or upgrade.
    fn input(&self, call: &Call) -> Result<Bytes, String> {
        match (&call.entry, &*call.method) {
            (Entry::Deploy | Entry::Upgrade { .. }, _) => Ok([&self.creation_code[..], &call.input].concat().into()),
            (Entry::Invoke, "") => Ok(call.input.clone()),
            (Entry::Invoke, method) => match self.interface.selector(method) {
                Some(selector) => Ok([&selector[..], &call.input].concat().into()),
                None => Err(format!(
                    "unknown method '{}': give a signature such as transfer(address,uint256), or no method and whole call data",
                    method.chars().take(80).collect::<String>()
                )),
            },
        }
    }
}

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
