//! A whole Ethereum transaction on a session: validation, fees, nonce, execution, refunds, reward.
//!
//! The rules are revm's own handler's; only the loop over the frames is the one that contract calls have.

use revm::{
    context::{
        TxEnv,
        result::{EVMError, InvalidTransaction as RevmInvalid, ResultGas},
    },
    context_interface::JournalTr,
    handler::{FrameResult, Handler, MainnetHandler, execution},
    interpreter::{InterpreterResult, interpreter_action::FrameInit},
};
use vm_core::{HostFault, Journal};

use super::{
    Frame, Session,
    context::Revm,
    database::{DbFault, vm_address},
    frames::{self, Ran},
    pool,
};

type Failure = EVMError<DbFault, RevmInvalid>;
type Rules = MainnetHandler<Revm, Failure, Frame>;

/// Why a transaction was not executed to its end.
pub(crate) enum Refused {
    /// It does not fit the rules, the block or the sender.
    Invalid(RevmInvalid),
    /// The host failed.
    Fault(HostFault),
}

impl From<HostFault> for Refused {
    fn from(fault: HostFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        match failure {
            EVMError::Transaction(invalid) => Self::Invalid(invalid),
            EVMError::Database(DbFault(fault)) => Self::Fault(fault),
            other => Self::Fault(HostFault::Internal(format!("revm: {other}"))),
        }
    }
}

/// A transaction that was executed.
pub(crate) struct Transacted {
    pub(crate) result: InterpreterResult,
    /// The account that the transaction was to create.
    pub(crate) created: Option<vm_core::Address>,
    /// What the sender paid for, and what had been subtracted from it.
    pub(crate) gas: ResultGas,
}

impl Session {
    /// Runs a transaction on a session that was started for it, and writes what it did into the journal.
    pub(crate) fn transact(mut self: Box<Self>, transaction: TxEnv, journal: &Journal) -> Result<Transacted, Refused> {
        let rules = &mut Rules::default();
        self.revm.ctx.tx = transaction;
        let intrinsic = rules.validate(&mut self.revm)?;
        let mut gas = rules.tx_gas(&mut self.revm, &intrinsic);
        let prepared = rules.pre_execution(&mut self.revm, &mut gas)?;
        let first = execution::create_init_frame(&mut self.revm.ctx, &mut gas).map_err(HostFault::from)?;
        // Either can only run out of gas under rules newer than the newest fork here.
        let (Some(prepared), Some(frame_input)) = (prepared, first) else {
            return Err(HostFault::Internal("revm charged for state outside of any frame".into()).into());
        };
        self.revm.ctx.journaled_state.checkpoint_commit();
        let init = FrameInit { depth: 0, memory: self.memory(), frame_input };
        let Ran { mut session, mut result, .. } = frames::run(self, None, init)?;
        let revm = &mut session.revm;
        rules.last_frame_result(revm, &mut result, &mut gas)?;
        let refund = i64::try_from(prepared.eip7702_refund).unwrap_or(i64::MAX);
        let gas = rules.post_execution(revm, &mut result, intrinsic, refund)?;
        let created = match &result {
            FrameResult::Create(created) => created.address.as_ref().map(vm_address),
            FrameResult::Call(_) => None,
        };
        // Ethereum's rules know no such bound: it is counted and not enforced.
        session.count(journal)?;
        session.write(journal)?;
        session.revm.ctx.tx = TxEnv::default();
        pool::give_back(session);
        Ok(Transacted { result: result.into_interpreter_result(), created, gas })
    }
}
