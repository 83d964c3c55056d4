//! Ethereum transactions, as a chain's blocks have them: the second way into the EVM.
//!
//! A contract call, which the dispatcher makes, has no nonce, fee or intrinsic gas. A transaction has: it is validated by the
//! fork's rules, pays the coinbase, and gets refunds. Both run on the same session, database and accounts.

mod envelope;
mod invalid;
mod transaction;

use std::sync::Arc;

use bytes::Bytes;
use vm_core::{Address, Block, Changes, HostFault, Interrupt, Journal, StateView, Status};

pub use invalid::{InvalidTransaction, TransactError};
pub use transaction::{AccessListItem, Authorization, DynamicFee, EthereumTransaction, EthereumTransactionKind};

use crate::{
    EvmRuntime, contract,
    session::{self, Refused, Transacted},
};

/// What an Ethereum transaction did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EthereumReceipt {
    /// How the call or creation ended. The sender pays and its nonce counts, whichever way.
    pub status: Status,
    /// What was returned, the created account's code, or the revert's data.
    pub output: Bytes,
    /// The account that the transaction created, if it was to create one and did.
    pub created: Option<Address>,
    /// The gas that the sender paid for.
    pub gas_used: u64,
    /// The refund that is already subtracted from it.
    pub gas_refunded: u64,
    /// What it read, what is to be written, and the logs.
    pub changes: Changes,
}

impl EvmRuntime {
    /// Executes an Ethereum transaction on a state, by the rules of the configured fork, and returns what is to be written.
    ///
    /// The sender's signature is not checked: `transaction.sender` is who signed it. Contracts of other runtimes cannot be
    /// reached, since there is no dispatcher around the transaction; a call of one reverts, and so does one of a named EVM
    /// contract that is not active, or that has rules for who may call it: nobody is here who could ask them. Neither is the
    /// authorizer of a Vm asked. Raise the interrupt from another thread to stop the execution.
    ///
    /// ```
    /// use vm_core::{Account, Address, Amount, Block, Height, Interrupt, Journal, MemoryBackend, StateBackend};
    /// use vm_evm::{EthereumTransaction, EvmConfig, EvmRuntime};
    ///
    /// let (state, alice, bob) = (MemoryBackend::new(), Address::from_name("alice"), Address::from_name("bob"));
    /// let genesis = Journal::new(state.snapshot()?);
    /// Account { balance: Amount::from(1_000_000), ..Account::default() }.store(&genesis, &alice)?;
    /// state.commit(Height::new(0), Height::new(1), &genesis.finish().writes)?;
    ///
    /// let evm = EvmRuntime::new(EvmConfig::default())?;
    /// let mut transfer = EthereumTransaction::legacy(alice, 0, 7);
    /// (transfer.to, transfer.value, transfer.gas_limit) = (Some(bob), Amount::from(500), 21_000);
    /// let deadline = Interrupt::after(std::time::Duration::from_secs(1));
    /// let receipt = evm.transact(state.snapshot()?, &Block::default(), &transfer, &deadline)?;
    /// assert!(receipt.status.is_success());
    /// assert_eq!(receipt.gas_used, 21_000);
    /// state.commit(Height::new(1), Height::new(2), &receipt.changes.writes)?;
    ///
    /// let after = Account::load(&Journal::new(state.snapshot()?), &alice)?;
    /// assert_eq!((after.nonce, after.balance), (1, Amount::from(1_000_000 - 500 - 21_000 * 7)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TransactError::Invalid`] when the transaction does not fit the rules, the block or the sender, so that no block can
    /// contain it; [`TransactError::Fault`] when the host failed. Nothing has happened then.
    pub fn transact(
        &self,
        view: Arc<dyn StateView>,
        block: &Block,
        transaction: &EthereumTransaction,
        interrupt: &Interrupt,
    ) -> Result<EthereumReceipt, TransactError> {
        let journal = Journal::new(view);
        let envelope = envelope::of(transaction)?;
        let mut session = session::start(journal.clone(), interrupt.clone(), block, self.config(), self.cache());
        session.trace_to(self.trace.as_ref());
        let Transacted { result, created, gas } = session.transact(envelope, &journal)?;
        if let Some(trace) = &self.trace {
            session::trace_end(trace, &result, gas.tx_gas_used(), self.config().fork());
        }
        let succeeded = result.result.is_ok();
        let outcome = contract::outcome(result, self.config());
        Ok(EthereumReceipt {
            status: outcome.status,
            output: outcome.output,
            created: created.filter(|_| succeeded),
            gas_used: gas.tx_gas_used(),
            gas_refunded: gas.final_refunded(),
            changes: journal.finish(),
        })
    }
}

impl From<Refused> for TransactError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Invalid(invalid) => Self::Invalid(InvalidTransaction::of_revm(&invalid)),
            Refused::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<HostFault> for TransactError {
    fn from(fault: HostFault) -> Self {
        Self::Fault(fault)
    }
}
