use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use vm_core::{Contract, TextInterface};
use vm_sdk::NativeContract;

use crate::contract::Linked;
use crate::system::{Direct, MultiSign, Operations};

/// The contracts that are linked in, by the name that deployments give as code.
#[derive(Clone, Default)]
pub struct NativeConfig {
    pub(crate) contracts: BTreeMap<String, Arc<dyn Contract>>,
}

/// A registration that is not possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NativeError {
    /// Two contracts under one name.
    #[error("a contract is registered as '{0}' already; choose another name")]
    NameTaken(String),
    /// The contract's interface text is broken, which `vm-sdk` does not produce.
    #[error("the interface of '{name}' is invalid: {message}")]
    Interface {
        /// The name.
        name: String,
        /// What is wrong.
        message: String,
    },
}

impl NativeConfig {
    /// No contracts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a contract that was written with `vm-sdk`.
    ///
    /// # Errors
    /// When the name is taken or the contract's interface is invalid.
    pub fn contract(self, name: &str, contract: NativeContract) -> Result<Self, NativeError> {
        let interface: TextInterface = contract
            .interface
            .parse()
            .map_err(|error| NativeError::Interface { name: name.into(), message: format!("{error}") })?;
        self.custom(name, Arc::new(Linked { contract, interface }))
    }

    /// Adds the system contracts under their own names: `contract_manager`, `access_control` and `multi_sign`. They are
    /// deployed as any other contract, under any name, and have no rights of their own.
    ///
    /// # Errors
    /// When one of the names is taken.
    pub fn system_contracts(mut self) -> Result<Self, NativeError> {
        let invalid = |name: &str, error: &dyn fmt::Display| NativeError::Interface {
            name: name.into(),
            message: error.to_string(),
        };
        for operations in [Operations::Contracts, Operations::Access] {
            let name = operations.name();
            let contract = Direct::new(operations).map_err(|error| invalid(name, &error))?;
            self = self.custom(name, Arc::new(contract))?;
        }
        let multi_sign = MultiSign::new().map_err(|error| invalid("multi_sign", &error))?;
        self.custom("multi_sign", Arc::new(multi_sign))
    }

    /// Adds a contract that implements the trait of the core itself. One that asks for operations in the name of others than itself
    /// and its caller has to [keep its state apart](Contract::keeps_apart).
    ///
    /// # Errors
    /// When the name is taken.
    pub fn custom(mut self, name: &str, contract: Arc<dyn Contract>) -> Result<Self, NativeError> {
        if self.contracts.contains_key(name) {
            return Err(NativeError::NameTaken(name.into()));
        }
        self.contracts.insert(name.into(), contract);
        Ok(self)
    }
}

impl fmt::Debug for NativeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeConfig").field("contracts", &self.contracts.keys()).finish()
    }
}
