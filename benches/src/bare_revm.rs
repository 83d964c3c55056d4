//! The Solidity token on revm alone, its state in revm's own cache.

use std::error::Error;

use revm::context::TxEnv;
use revm::context::result::{ExecutionResult, Output};
use revm::database::{CacheDB, EmptyDB};
use revm::primitives::{Address, Bytes, TxKind, U256};
use revm::state::EvmState;
use revm::{Context, ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext, MainnetEvm};

type Failure = Box<dyn Error + Send + Sync>;
type State = CacheDB<EmptyDB>;

/// A contract on revm; the EVM is re-used for all calls.
pub struct BareRevm {
    evm: MainnetEvm<revm::handler::MainnetContext<State>>,
    contract: Address,
    nonces: std::collections::BTreeMap<[u8; 20], u64>,
}

impl std::fmt::Debug for BareRevm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BareRevm").field("contract", &self.contract).finish_non_exhaustive()
    }
}

impl BareRevm {
    /// Runs creation code, constructor arguments included, sent by `caller`.
    ///
    /// # Errors
    /// When the constructor fails.
    pub fn new(caller: [u8; 20], creation_code: &[u8]) -> Result<Self, Failure> {
        let mut this = Self {
            // The default cap of a transaction is too little for programs that only compute.
            evm: Context::mainnet()
                .with_db(State::default())
                .modify_cfg_chained(|cfg| cfg.tx_gas_limit_cap = Some(u64::MAX))
                .build_mainnet(),
            contract: Address::ZERO,
            nonces: std::collections::BTreeMap::new(),
        };
        match this.transact(caller, TxKind::Create, creation_code)? {
            Output::Create(_, Some(contract)) => this.contract = contract,
            other => return Err(format!("no contract was created: {other:?}").into()),
        }
        Ok(this)
    }

    /// Calls the contract and keeps what it changed; returns its output.
    ///
    /// # Errors
    /// When it does not succeed.
    pub fn call(&mut self, caller: [u8; 20], call_data: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(self.transact(caller, TxKind::Call(self.contract), call_data)?.into_data().to_vec())
    }

    /// Calls the contract and drops what it changed: the number of accounts that it would have.
    ///
    /// # Errors
    /// When it does not succeed.
    pub fn try_call(&mut self, caller: [u8; 20], call_data: &[u8]) -> Result<usize, Failure> {
        let transaction = self.transaction(caller, TxKind::Call(self.contract), call_data)?;
        let executed = self.evm.transact(transaction)?;
        succeeded(executed.result)?;
        let state: EvmState = executed.state;
        Ok(state.len())
    }

    fn transact(&mut self, caller: [u8; 20], to: TxKind, data: &[u8]) -> Result<Output, Failure> {
        let transaction = self.transaction(caller, to, data)?;
        *self.nonces.entry(caller).or_default() += 1;
        succeeded(self.evm.transact_commit(transaction)?)
    }

    fn transaction(&self, caller: [u8; 20], to: TxKind, data: &[u8]) -> Result<TxEnv, Failure> {
        let transaction = TxEnv::builder()
            .caller(Address::new(caller))
            .nonce(self.nonces.get(&caller).copied().unwrap_or_default())
            .kind(to)
            .data(Bytes::copy_from_slice(data))
            .value(U256::ZERO)
            .gas_limit(1_000_000_000)
            .build();
        Ok(transaction.map_err(|error| format!("{error:?}"))?)
    }
}

fn succeeded(result: ExecutionResult) -> Result<Output, Failure> {
    match result {
        ExecutionResult::Success { output, .. } => Ok(output),
        failed => Err(format!("{failed:?}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_works() {
        let (alice, bob) = ([1; 20], [2u8; 20]);
        let mut token = BareRevm::new(alice, &crate::solidity::token(1_000)).unwrap();
        token.call(alice, &crate::solidity::transfer(bob, 40)).unwrap();
        assert_eq!(token.call(alice, &crate::solidity::balance_of(bob)).unwrap(), crate::solidity::word(40));
        assert!(token.call(bob, &crate::solidity::transfer(alice, 41)).is_err());
    }
}
