//! One case: a file's test for one hard fork and one choice of data, gas and value.

use std::{sync::Arc, time::Duration};

use alloy_primitives::{B256, keccak256};
use vm_core::{Address, Amount, Block, Changes, Height, Interrupt, StateBackend};
use vm_evm::{
    AccessListItem, Authorization, DynamicFee, EthereumTransaction, EthereumTransactionKind, EvmRuntime, Fork,
    TransactError,
};

use super::{
    format::{Access, Env, Post, Test, Transaction},
    hex, state,
};

/// Runs a case; an error says what differed.
pub(crate) fn run(evm: &EvmRuntime, test: &Test, post: &Post) -> Result<(), String> {
    let before = state::before(&test.pre)?;
    let block = block(&test.env)?;
    let view = before.snapshot().map_err(|error| error.to_string())?;
    // Nothing raises it: gas bounds every case.
    let interrupt = Interrupt::after(Duration::MAX);
    let executed = match transaction(&test.transaction, post) {
        Err(unreadable) => Err(unreadable),
        Ok(transaction) => match evm.transact(view.clone(), &block, &transaction, &interrupt) {
            Ok(receipt) => Ok(receipt.changes),
            Err(TransactError::Invalid(invalid)) => Err(format!("{} ({})", invalid, invalid.rule())),
            Err(other) => return Err(other.to_string()),
        },
    };
    let changes = match (executed, &post.expect_exception) {
        (Ok(changes), None) => changes,
        (Err(_), Some(_)) => Changes::default(),
        (Ok(_), Some(expected)) => return Err(format!("was executed, expected to be invalid: {expected}")),
        (Err(reason), None) => return Err(format!("refused as invalid: {reason}")),
    };
    drop(view);
    before.commit(Height::new(1), Height::new(2), &changes.writes).map_err(|error| error.to_string())?;
    let view = before.snapshot().map_err(|error| error.to_string())?;
    same("state root", state::root(&view, &block.coinbase, evm.config().fork())?, &post.hash)?;
    same("hash of the logs", state::logs_hash(&changes.events)?, &post.logs)
}

fn same(what: &str, found: B256, expected: &str) -> Result<(), String> {
    match hex::hash(expected)? {
        expected if expected == found => Ok(()),
        expected => Err(format!("{what} is {found}, expected {expected}")),
    }
}

fn block(env: &Env) -> Result<Block, String> {
    let number = hex::small(&env.current_number)?;
    let optional = |text: &Option<String>| text.as_deref().map_or(Ok(0), hex::small);
    let random = env.current_random.as_deref().map_or(Ok(Default::default()), hex::number)?;
    // As the tests' authors agreed: a block's hash is that of its number's decimal digits.
    let known = u64::saturating_sub(number, 256)..number;
    let hashes = known.map(|number| (number, keccak256(number.to_string()).0)).collect();
    Ok(Block {
        chain_id: 1,
        number,
        timestamp: hex::small(&env.current_timestamp)?,
        coinbase: address(&env.current_coinbase)?,
        gas_limit: hex::small(&env.current_gas_limit)?,
        base_fee: optional(&env.current_base_fee)?,
        prevrandao: random.to_be_bytes(),
        difficulty: env.current_difficulty.as_deref().map_or(Ok(0), hex::small)?,
        excess_blob_gas: optional(&env.current_excess_blob_gas)?,
        hashes: Arc::new(hashes),
    })
}

fn transaction(given: &Transaction, post: &Post) -> Result<EthereumTransaction, String> {
    let chosen = |list: &'_ [String], index: usize, what: &str| {
        list.get(index).cloned().ok_or_else(|| format!("there is no {what} {index}"))
    };
    let indexes = &post.indexes;
    let kind = kind(given, indexes.data)?;
    let legacy = matches!(kind, EthereumTransactionKind::Legacy { .. });
    Ok(EthereumTransaction {
        sender: address(&given.sender)?,
        nonce: hex::small(&given.nonce)?,
        to: if given.to.is_empty() { None } else { Some(address(&given.to)?) },
        value: amount(&chosen(&given.value, indexes.value, "value")?)?,
        input: hex::bytes(&chosen(&given.data, indexes.data, "data")?)?.0,
        gas_limit: hex::small(&chosen(&given.gas_limit, indexes.gas, "gas limit")?)?,
        chain_id: (!legacy).then_some(1),
        kind,
    })
}

/// The type follows from the fields that there are.
fn kind(given: &Transaction, data: usize) -> Result<EthereumTransactionKind, String> {
    let list = given.access_lists.as_ref().and_then(|lists| lists.get(data)).and_then(Option::as_ref);
    let access_list = list.map(|list| list.iter().map(access).collect::<Result<Vec<_>, _>>()).transpose()?;
    let Some(max_fee) = &given.max_fee_per_gas else {
        let gas_price = hex::small(given.gas_price.as_deref().unwrap_or("0x0a"))?;
        return Ok(match access_list {
            Some(access_list) => EthereumTransactionKind::AccessList { gas_price, access_list },
            None => EthereumTransactionKind::Legacy { gas_price },
        });
    };
    let fee = DynamicFee {
        max_fee_per_gas: hex::small(max_fee)?,
        max_priority_fee_per_gas: given.max_priority_fee_per_gas.as_deref().map_or(Ok(0), hex::small)?,
        access_list: access_list.unwrap_or_default(),
    };
    if let Some(max_fee_per_blob_gas) = &given.max_fee_per_blob_gas {
        let hashes = given.blob_versioned_hashes.iter().flatten().map(|text| Ok(hex::hash(text)?.0));
        return Ok(EthereumTransactionKind::Blob {
            fee,
            max_fee_per_blob_gas: hex::small(max_fee_per_blob_gas)?,
            blob_hashes: hashes.collect::<Result<_, String>>()?,
        });
    }
    match &given.authorization_list {
        None => Ok(EthereumTransactionKind::DynamicFee(fee)),
        Some(list) => {
            let authorizations = list.iter().map(|given| {
                Ok(Authorization {
                    chain_id: amount(&given.chain_id)?,
                    address: address(&given.address)?,
                    nonce: hex::small(&given.nonce)?,
                    y_parity: hex::small(&given.v)?,
                    r: amount(&given.r)?,
                    s: amount(&given.s)?,
                })
            });
            let authorizations = authorizations.collect::<Result<_, String>>()?;
            Ok(EthereumTransactionKind::SetCode { fee, authorizations })
        }
    }
}

fn access(given: &Access) -> Result<AccessListItem, String> {
    let keys = given.storage_keys.iter().map(|key| Ok(hex::number(key)?.to_be_bytes()));
    Ok(AccessListItem { address: address(&given.address)?, storage_keys: keys.collect::<Result<_, String>>()? })
}

fn address(text: &str) -> Result<Address, String> {
    Ok(Address::new(*hex::address(text)?.0))
}

fn amount(text: &str) -> Result<Amount, String> {
    Ok(Amount::from_be_bytes(hex::number(text)?.to_be_bytes()))
}

/// The fork that a test file means, or why it cannot be run.
pub(crate) fn fork(name: &str) -> Result<Fork, String> {
    // Our list has Constantinople only as it became effective, with its fix.
    if name.eq_ignore_ascii_case("constantinople") {
        return Err("constantinople without its fix (with EIP-1283) was never in force".into());
    }
    name.parse::<Fork>().map_err(|_| format!("{name} is not among the hard forks of vm-evm"))
}
