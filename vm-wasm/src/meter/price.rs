use vm_core::WasmPrices;
use wasmparser::Operator;

use super::class::{OpClass, class};
use crate::gate::Initial;

/// The most that an operator may cost, so that no sum of prices overflows the word.
const CAP: u64 = 1 << 16;
/// The same for a page or an entry.
const LENGTH_CAP: u64 = 1 << 13;

/// Locals that one unit zeroes at a function's entry.
const LOCALS_PER_UNIT: u32 = 4;

/// The prices of the gas schedule, in the form that instrumentation needs.
#[derive(Debug, Clone)]
pub(crate) struct Prices {
    operator: u64,
    call: u64,
    call_indirect: u64,
    /// Of a call of the host, without the operation's own price.
    pub(super) host_call: u64,
    grow: u64,
    bulk: u64,
    /// Of a page of 64 KiB.
    pub(super) page: i64,
    /// Of an entry of a table.
    pub(super) entry: i64,
    /// How many bytes one unit copies or fills; at least 1.
    pub(super) bytes: i64,
    instance: u64,
    instance_item: u64,
}

impl Prices {
    pub(crate) fn new(prices: &WasmPrices) -> Self {
        let cap = |price: u64| price.min(CAP);
        Self {
            operator: cap(prices.operator),
            call: cap(prices.call),
            call_indirect: cap(prices.call_indirect),
            host_call: cap(prices.host_call),
            grow: cap(prices.grow),
            bulk: cap(prices.bulk),
            page: prices.page.min(LENGTH_CAP).cast_signed(),
            entry: prices.table_entry.min(LENGTH_CAP).cast_signed(),
            bytes: cap(prices.bulk_bytes_per_unit).max(1).cast_signed(),
            instance: prices.instance,
            instance_item: prices.instance_item,
        }
    }

    /// The first price that is higher than code can be metered with: its name, itself, and what it may be.
    pub(crate) fn too_high(prices: &WasmPrices) -> Option<(&'static str, u64, &'static str)> {
        let operators = [
            ("schedule, wasm.operator", prices.operator),
            ("schedule, wasm.call", prices.call),
            ("schedule, wasm.call_indirect", prices.call_indirect),
            ("schedule, wasm.host_call", prices.host_call),
            ("schedule, wasm.grow", prices.grow),
            ("schedule, wasm.bulk", prices.bulk),
            ("schedule, wasm.bulk_bytes_per_unit", prices.bulk_bytes_per_unit),
        ];
        let lengths = [("schedule, wasm.page", prices.page), ("schedule, wasm.table_entry", prices.table_entry)];
        let over = |(_, price): &(&str, u64), cap| *price > cap;
        let operator =
            operators.into_iter().find(|price| over(price, CAP)).map(|(name, price)| (name, price, "at most 65,536"));
        let length = || {
            lengths
                .into_iter()
                .find(|price| over(price, LENGTH_CAP))
                .map(|(name, price)| (name, price, "at most 8,192"))
        };
        operator.or_else(length)
    }

    /// The price of an operator, without what depends on a length. Operators that contracts may not use are free.
    pub(super) fn operator(&self, op: &Operator<'_>) -> u64 {
        match class(op) {
            None | Some(OpClass::Free) => 0,
            Some(OpClass::Operator) => self.operator,
            Some(OpClass::Call) => self.call,
            Some(OpClass::CallIndirect) => self.call_indirect,
            Some(OpClass::Grow) => self.grow,
            Some(OpClass::Bulk) => self.bulk,
        }
    }

    /// The price of passing so many operands on.
    pub(super) fn operands(&self, count: u64) -> u64 {
        self.operator.saturating_mul(count)
    }

    /// The price of zeroing so many locals.
    pub(super) fn locals(count: u32) -> u64 {
        u64::from(count / LOCALS_PER_UNIT)
    }

    /// The price of a fresh instance.
    pub(crate) fn instance(&self, initial: &Initial) -> u64 {
        let part = |price: i64, count: u64| price.unsigned_abs().saturating_mul(count);
        self.instance
            .saturating_add(self.instance_item.saturating_mul(initial.functions.saturating_add(initial.globals)))
            .saturating_add(part(self.page, initial.memory_pages))
            .saturating_add(part(self.entry, initial.table_entries.saturating_add(initial.elements)))
            .saturating_add(initial.data_bytes / self.bytes.unsigned_abs())
    }
}
