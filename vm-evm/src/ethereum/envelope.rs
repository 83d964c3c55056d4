//! A transaction as revm has it.

use revm::{
    context::{TransactionType, TxEnv, either::Either},
    context_interface::transaction::{
        AccessList, AccessListItem as RevmItem, Authorization as RevmAuthorization, SignedAuthorization,
    },
    primitives::{Address, B256, Bytes, TxKind, U256},
};
use vm_core::Amount;

use super::{
    AccessListItem, Authorization, DynamicFee, EthereumTransaction, EthereumTransactionKind, InvalidTransaction,
};

/// Checks what revm takes for granted: that fees are numbers of 128 bits.
pub(super) fn of(transaction: &EthereumTransaction) -> Result<TxEnv, InvalidTransaction> {
    let mut to = TxEnv {
        caller: address(&transaction.sender),
        gas_limit: transaction.gas_limit,
        kind: transaction.to.as_ref().map_or(TxKind::Create, |to| TxKind::Call(address(to))),
        value: number(transaction.value),
        data: Bytes(transaction.input.clone()),
        nonce: transaction.nonce,
        chain_id: transaction.chain_id,
        ..TxEnv::default()
    };
    let kind = match &transaction.kind {
        EthereumTransactionKind::Legacy { gas_price } => {
            to.gas_price = *gas_price;
            TransactionType::Legacy
        }
        EthereumTransactionKind::AccessList { gas_price, access_list } => {
            (to.gas_price, to.access_list) = (*gas_price, list(access_list));
            TransactionType::Eip2930
        }
        EthereumTransactionKind::DynamicFee(fee) => {
            set_fee(&mut to, fee);
            TransactionType::Eip1559
        }
        EthereumTransactionKind::Blob { fee, max_fee_per_blob_gas, blob_hashes } => {
            set_fee(&mut to, fee);
            to.max_fee_per_blob_gas = *max_fee_per_blob_gas;
            to.blob_hashes = blob_hashes.iter().copied().map(B256::new).collect();
            TransactionType::Eip4844
        }
        EthereumTransactionKind::SetCode { fee, authorizations } => {
            if transaction.to.is_none() {
                return Err(InvalidTransaction::new("set-code-create", "a set-code transaction must call (EIP-7702)"));
            }
            set_fee(&mut to, fee);
            to.authorization_list = authorizations.iter().map(|given| Either::Left(signed(given))).collect();
            TransactionType::Eip7702
        }
    };
    to.tx_type = kind.into();
    if to.gas_price.checked_mul(u128::from(to.gas_limit)).is_none() {
        return Err(InvalidTransaction::new(
            "fee-overflow",
            format!("gas limit {} times gas price {} is more than 128 bits hold", to.gas_limit, to.gas_price),
        ));
    }
    Ok(to)
}

fn set_fee(to: &mut TxEnv, fee: &DynamicFee) {
    to.gas_price = fee.max_fee_per_gas;
    to.gas_priority_fee = Some(fee.max_priority_fee_per_gas);
    to.access_list = list(&fee.access_list);
}

fn list(items: &[AccessListItem]) -> AccessList {
    let item = |item: &AccessListItem| RevmItem {
        address: address(&item.address),
        storage_keys: item.storage_keys.iter().copied().map(B256::new).collect(),
    };
    AccessList(items.iter().map(item).collect())
}

fn signed(given: &Authorization) -> SignedAuthorization {
    let inner =
        RevmAuthorization { chain_id: number(given.chain_id), address: address(&given.address), nonce: given.nonce };
    SignedAuthorization::new_unchecked(inner, given.y_parity, number(given.r), number(given.s))
}

const fn address(address: &vm_core::Address) -> Address {
    Address::new(*address.as_bytes())
}

fn number(amount: Amount) -> U256 {
    U256::from_be_bytes(amount.to_be_bytes())
}
