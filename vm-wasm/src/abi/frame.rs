use bytes::Bytes;
use vm_core::{Call, Gas, Host, HostFault, Stop, WasmPrices};

/// The host stopped the contract; the reason lies in the frame.
#[derive(Debug)]
pub(crate) struct Stopped;

/// What the ABI itself charges, beside what the host charges for its operations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AbiPrices {
    pub(super) bytes_per_unit: u64,
    pub(super) address_of: Gas,
}

impl AbiPrices {
    pub(crate) fn new(prices: &WasmPrices) -> Self {
        Self { bytes_per_unit: prices.bulk_bytes_per_unit.max(1), address_of: Gas::new(prices.address_of) }
    }

    /// The price of copying so many bytes.
    pub(super) fn copy(self, bytes: usize) -> Gas {
        Gas::new(bytes as u64 / self.bytes_per_unit)
    }
}

/// One call of a contract, as the host functions see it.
///
/// The contract's gas is handed out in slices. Whenever the contract enters the host, what it used since the last time is
/// charged first, and the next slice is given when it leaves: so the host's meter is exact at every operation, and results
/// do not depend on the size of the slices.
pub(crate) struct Frame<'h> {
    pub(super) host: &'h mut dyn Host,
    pub(super) call: &'h Call,
    pub(super) input: Bytes,
    pub(super) output: Bytes,
    /// The result of the last `get`, `scan` or `call`.
    pub(super) kept: Bytes,
    pub(super) prices: AbiPrices,
    /// The gas that the contract was given when it last left the host.
    given: i64,
    slice: u64,
    stop: Option<Stop>,
}

impl<'h> Frame<'h> {
    pub(crate) fn new(host: &'h mut dyn Host, call: &'h Call, input: Bytes, prices: AbiPrices, slice: u64) -> Self {
        Self { host, call, input, output: Bytes::new(), kept: Bytes::new(), prices, given: 0, slice, stop: None }
    }

    /// The next slice of gas.
    pub(crate) fn give(&mut self) -> i64 {
        self.given = i64::try_from(self.host.gas_left().get().min(self.slice)).unwrap_or(i64::MAX);
        self.given
    }

    /// Charges what the contract used; `left` is what it says is left of its slice, negative if it used more.
    pub(crate) fn settle(&mut self, left: i64) -> Result<(), Stop> {
        let used = self.given.saturating_sub(left);
        self.given = left;
        let used = u64::try_from(used)
            .map_err(|_| HostFault::Internal(format!("a contract gained {} gas", used.unsigned_abs())))?;
        self.host.charge(Gas::new(used))
    }

    /// Settles, performs an operation, and gives the next slice: returns the operation's result and the slice.
    pub(super) fn enter(
        &mut self,
        left: i64,
        operation: impl FnOnce(&mut Self) -> Result<i64, Stop>,
    ) -> Result<(i64, i64), Stopped> {
        match self.settle(left).and_then(|()| operation(self)) {
            Ok(result) => Ok((result, self.give())),
            Err(stop) => {
                self.stop = Some(stop);
                Err(Stopped)
            }
        }
    }

    /// Why the host stopped the contract.
    pub(crate) fn into_stop(self) -> Stop {
        self.stop.unwrap_or_else(|| HostFault::Internal("the engine stopped a contract without a reason".into()).into())
    }

    /// What the contract gave as its output.
    pub(crate) fn into_output(self) -> Bytes {
        self.output
    }
}

impl std::fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame")
            .field("call", &self.call)
            .field("given", &self.given)
            .field("stop", &self.stop)
            .finish_non_exhaustive()
    }
}
