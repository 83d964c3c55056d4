//! Ethereum's gas and the schedule's: one factor between them.

use vm_core::Gas;

/// What the schedule charges for this much of Ethereum's gas.
pub(crate) const fn to_vm(evm: u64, factor: u64) -> Gas {
    Gas::new(evm).times(factor)
}

/// How much of Ethereum's gas an amount buys.
pub(crate) const fn to_evm(gas: Gas, factor: u64) -> u64 {
    match gas.get().checked_div(factor) {
        Some(evm) => evm,
        None => 0,
    }
}

/// How much of Ethereum's gas covers an amount: rounded against the one who pays.
pub(crate) const fn to_evm_rounded_up(gas: Gas, factor: u64) -> u64 {
    if factor == 0 { 0 } else { gas.get().div_ceil(factor) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_never_creates_gas() {
        for factor in [1, 3, 7, 1000] {
            for gas in [0, 1, 999, 1000, 1001, u64::MAX] {
                let gas = Gas::new(gas);
                assert!(to_vm(to_evm(gas, factor), factor) <= gas);
                assert!(to_vm(to_evm_rounded_up(gas, factor), factor) >= gas);
            }
        }
    }
}
