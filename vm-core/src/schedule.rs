use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{Gas, RuntimeKind};

/// The prices of everything, in [`Gas`]. Read from a versioned file whose hash is a parameter of the state.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GasSchedule {
    /// The version of the prices.
    pub version: u32,
    /// Operations of the host.
    pub host: HostPrices,
    /// What a transaction costs before the contract runs.
    pub transaction: TransactionPrices,
    /// Checking and preparing code.
    pub prepare: PreparePrices,
    /// WebAssembly operators.
    pub wasm: WasmPrices,
    /// The EVM.
    pub evm: EvmPrices,
    /// Containers.
    pub docker: DockerPrices,
    #[serde(skip)]
    hash: [u8; 32],
}

/// A price that grows with size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Once.
    pub base: u64,
    /// For every started 32 bytes.
    pub word: u64,
}

impl Price {
    /// The price for this many bytes.
    pub fn of(self, bytes: usize) -> Gas {
        Gas::new(self.base).saturating_add(Gas::new(self.word).times(bytes.div_ceil(32) as u64))
    }
}

/// Prices of the operations of [`Host`](crate::Host).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostPrices {
    /// By bytes of key and value.
    pub get: Price,
    /// By bytes of key and value.
    pub put: Price,
    /// By bytes of the key.
    pub delete: Price,
    /// By bytes of the bounds.
    pub scan: Price,
    /// By bytes of key and value of each returned entry.
    pub scan_entry: Price,
    /// By bytes of topics and data.
    pub emit: Price,
    /// By bytes of the message.
    pub log: Price,
    /// By bytes of method and input; the callee's gas comes on top.
    pub call: Price,
    /// In addition for a call that moves value.
    pub transfer: Price,
}

impl HostPrices {
    /// What it costs to turn text into a contract's encoding or back, for so many values and bytes: for each value what an entry of a
    /// scan costs, which is found, decoded and copied as it is.
    pub(crate) fn wording(&self, values: usize, bytes: usize) -> Gas {
        let Price { base, word } = self.scan_entry;
        Gas::new(base).times(values as u64).saturating_add(Price { base: 0, word }.of(bytes))
    }
}

/// Prices of transactions.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransactionPrices {
    /// By bytes of method and input.
    pub invoke: Price,
    /// By bytes of the code.
    pub deploy: Price,
    /// By bytes of the code.
    pub upgrade: Price,
}

/// Prices of checking and preparing code, by bytes of the code; paid by deployments and upgrades.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreparePrices {
    /// A linked contract.
    pub native: Price,
    /// A WASM module: gate, instrumentation, compilation.
    pub wasm: Price,
    /// EVM creation code: analysis.
    pub evm: Price,
    /// An image: digests, import.
    pub docker: Price,
}

impl PreparePrices {
    /// The price of a runtime's code.
    pub const fn of(&self, runtime: RuntimeKind) -> Price {
        match runtime {
            RuntimeKind::Native => self.native,
            RuntimeKind::Wasm => self.wasm,
            RuntimeKind::Evm => self.evm,
            RuntimeKind::Docker => self.docker,
        }
    }
}

/// Prices of WebAssembly.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WasmPrices {
    /// Every operator that has no price of its own.
    pub operator: u64,
    /// A direct call.
    pub call: u64,
    /// An indirect call.
    pub call_indirect: u64,
    /// A call of the host, in addition to the host's operation.
    pub host_call: u64,
    /// Deriving the address of a name.
    pub address_of: u64,
    /// A memory or table operation, in addition to its length.
    pub bulk: u64,
    /// `memory.grow` and `table.grow`, in addition to their length.
    pub grow: u64,
    /// How many bytes one unit copies or fills.
    pub bulk_bytes_per_unit: u64,
    /// Each entry of a table operation.
    pub table_entry: u64,
    /// Each page of 64 KiB at instantiation and growth.
    pub page: u64,
    /// A fresh instance.
    pub instance: u64,
    /// Each function and global of the instance.
    pub instance_item: u64,
}

/// Prices of the EVM.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvmPrices {
    /// How many units one gas of Ethereum is.
    pub factor: u64,
}

/// Prices of containers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DockerPrices {
    /// Entering a container.
    pub call: u64,
    /// A request of the container that waits for its answer, in addition to the operation itself.
    pub round_trip: u64,
    /// A request of the container that needs no answer, in addition to the operation itself.
    pub frame: u64,
}

/// A schedule file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid gas schedule: {0}")]
pub struct InvalidSchedule(String);

impl GasSchedule {
    /// Reads a schedule from the text of its file.
    ///
    /// # Errors
    /// When the text is not TOML, a price is missing or unknown, or a divisor is zero.
    pub fn parse(text: &str) -> Result<Self, InvalidSchedule> {
        let mut schedule: Self = toml::from_str(text).map_err(|e| InvalidSchedule(e.to_string()))?;
        if schedule.wasm.bulk_bytes_per_unit == 0 || schedule.evm.factor == 0 {
            return Err(InvalidSchedule("wasm.bulk_bytes_per_unit and evm.factor must not be 0".into()));
        }
        schedule.hash = Sha256::digest(text.as_bytes()).into();
        Ok(schedule)
    }

    /// Version 1, which is part of this crate.
    pub fn v1() -> Arc<Self> {
        static V1: std::sync::LazyLock<Arc<GasSchedule>> = std::sync::LazyLock::new(|| {
            #[allow(clippy::expect_used, reason = "the file is part of the crate, and a test parses it")]
            Arc::new(GasSchedule::parse(include_str!("../../gas-schedule/v1.toml")).expect("version 1 parses"))
        });
        V1.clone()
    }

    /// The SHA-256 of the file's text.
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_parses_and_prices_words() {
        let schedule = GasSchedule::v1();
        assert_eq!(schedule.version, 1);
        assert_eq!(schedule.host.put.of(0), Gas::new(500));
        assert_eq!(schedule.host.put.of(33), Gas::new(520));
    }

    #[test]
    fn unknown_and_missing_prices_are_refused() {
        let text = include_str!("../../gas-schedule/v1.toml");
        assert!(GasSchedule::parse(&text.replace("factor = 1", "factor = 0")).is_err());
        assert!(GasSchedule::parse(&text.replace("factor = 1", "faktor = 1")).is_err());
        assert_ne!(GasSchedule::parse(&format!("{text}\n")).unwrap().hash(), GasSchedule::v1().hash());
    }
}
