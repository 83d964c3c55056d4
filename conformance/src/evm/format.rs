//! The filled format of general state tests. Texts are decoded when a case needs them: what cannot be decoded may be just what
//! the case is about.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A file: tests by name.
pub(crate) type File = BTreeMap<String, Test>;

#[derive(Debug, Deserialize)]
pub(crate) struct Test {
    pub(crate) env: Env,
    pub(crate) pre: BTreeMap<String, Account>,
    pub(crate) transaction: Transaction,
    /// What is expected, by hard fork.
    pub(crate) post: BTreeMap<String, Vec<Post>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Env {
    pub(crate) current_coinbase: String,
    pub(crate) current_gas_limit: String,
    pub(crate) current_number: String,
    pub(crate) current_timestamp: String,
    pub(crate) current_difficulty: Option<String>,
    pub(crate) current_base_fee: Option<String>,
    pub(crate) current_random: Option<String>,
    pub(crate) current_excess_blob_gas: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Account {
    pub(crate) balance: String,
    pub(crate) nonce: String,
    pub(crate) code: String,
    pub(crate) storage: BTreeMap<String, String>,
}

/// Transactions that differ in what `data`, `gas_limit` and `value` have several of.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Transaction {
    pub(crate) sender: String,
    /// Empty to create a contract.
    pub(crate) to: String,
    pub(crate) nonce: String,
    pub(crate) data: Vec<String>,
    pub(crate) gas_limit: Vec<String>,
    pub(crate) value: Vec<String>,
    pub(crate) gas_price: Option<String>,
    pub(crate) max_fee_per_gas: Option<String>,
    pub(crate) max_priority_fee_per_gas: Option<String>,
    pub(crate) max_fee_per_blob_gas: Option<String>,
    pub(crate) blob_versioned_hashes: Option<Vec<String>>,
    /// One for each of `data`.
    pub(crate) access_lists: Option<Vec<Option<Vec<Access>>>>,
    pub(crate) authorization_list: Option<Vec<Authorization>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Access {
    pub(crate) address: String,
    pub(crate) storage_keys: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Authorization {
    pub(crate) chain_id: String,
    pub(crate) address: String,
    pub(crate) nonce: String,
    #[serde(alias = "yParity")]
    pub(crate) v: String,
    pub(crate) r: String,
    pub(crate) s: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Post {
    /// The state's root.
    pub(crate) hash: String,
    /// The hash of the logs' RLP.
    pub(crate) logs: String,
    pub(crate) indexes: Indexes,
    /// Why the transaction is invalid, if it is.
    pub(crate) expect_exception: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Indexes {
    pub(crate) data: usize,
    pub(crate) gas: usize,
    pub(crate) value: usize,
}
