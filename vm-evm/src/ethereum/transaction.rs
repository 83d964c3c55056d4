use bytes::Bytes;
use vm_core::{Address, Amount};

/// An Ethereum transaction, its sender known from the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EthereumTransaction {
    /// Who signed it.
    pub sender: Address,
    /// How many transactions the sender has made before.
    pub nonce: u64,
    /// Who is called; `None` creates a contract.
    pub to: Option<Address>,
    /// What is transferred, in wei.
    pub value: Amount,
    /// The call data, or the creation code.
    pub input: Bytes,
    /// The gas that it may use, intrinsic gas included.
    pub gas_limit: u64,
    /// The chain that it is for (EIP-155). Only a legacy transaction may leave it open.
    pub chain_id: Option<u64>,
    /// Its type, with what only that has.
    pub kind: EthereumTransactionKind,
}

/// The types of transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EthereumTransactionKind {
    /// As from the start.
    Legacy {
        /// Wei for a unit of gas.
        gas_price: u128,
    },
    /// EIP-2930, from Berlin on.
    AccessList {
        /// Wei for a unit of gas.
        gas_price: u128,
        /// What is warm from the start.
        access_list: Vec<AccessListItem>,
    },
    /// EIP-1559, from London on.
    DynamicFee(DynamicFee),
    /// EIP-4844, from Cancun on. It must call.
    Blob {
        /// Fees and access list.
        fee: DynamicFee,
        /// The most wei for a unit of blob gas.
        max_fee_per_blob_gas: u128,
        /// The blobs' versioned hashes.
        blob_hashes: Vec<[u8; 32]>,
    },
    /// EIP-7702, from Prague on. It must call.
    SetCode {
        /// Fees and access list.
        fee: DynamicFee,
        /// Accounts that delegate their code; such that are not valid are passed over.
        authorizations: Vec<Authorization>,
    },
}

/// Fees by EIP-1559, and an access list.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct DynamicFee {
    /// The most wei for a unit of gas, base fee included.
    pub max_fee_per_gas: u128,
    /// The most wei for a unit of gas that the coinbase gets.
    pub max_priority_fee_per_gas: u128,
    /// What is warm from the start.
    pub access_list: Vec<AccessListItem>,
}

/// An account, and slots of its storage, that a transaction announces (EIP-2930).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AccessListItem {
    /// The account.
    pub address: Address,
    /// Its slots.
    pub storage_keys: Vec<[u8; 32]>,
}

/// A signed delegation of an account's code (EIP-7702).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// The chain that it is for; 0 for any.
    pub chain_id: Amount,
    /// Whose code the account gets; the zero address clears it.
    pub address: Address,
    /// The account's nonce.
    pub nonce: u64,
    /// The parity of the signature's y: 0 or 1.
    pub y_parity: u8,
    /// The signature's r.
    pub r: Amount,
    /// The signature's s.
    pub s: Amount,
}

impl EthereumTransaction {
    /// A call of nobody with nothing, for any chain: set what it is to do.
    #[must_use]
    pub const fn legacy(sender: Address, nonce: u64, gas_price: u128) -> Self {
        Self {
            sender,
            nonce,
            to: None,
            value: Amount::ZERO,
            input: Bytes::new(),
            gas_limit: 0,
            chain_id: None,
            kind: EthereumTransactionKind::Legacy { gas_price },
        }
    }
}
