//! The host's block as revm has it.

use revm::{
    context::{BlockEnv, CfgEnv},
    context_interface::block::BlobExcessGasAndPrice,
    primitives::{B256, U256},
};
use vm_core::Block;

use super::database::evm_address;

pub(super) fn fill(to: &mut BlockEnv, block: &Block, cfg: &CfgEnv) {
    to.number = U256::from(block.number);
    to.timestamp = U256::from(block.timestamp);
    to.beneficiary = evm_address(&block.coinbase);
    to.gas_limit = block.gas_limit;
    to.basefee = block.base_fee;
    to.difficulty = U256::from(block.difficulty);
    to.prevrandao = Some(B256::new(block.prevrandao));
    to.blob_excess_gas_and_price = match block.excess_blob_gas {
        // The usual case, and the exponential that the price is is not for free.
        0 => Some(BlobExcessGasAndPrice { excess_blob_gas: 0, blob_gasprice: 1 }),
        excess => Some(BlobExcessGasAndPrice::new(excess, cfg.blob_base_fee_update_fraction())),
    };
}
