use bytes::Bytes;
use vm_core::{Call, CallRequest, Gas, Host, HostFault, Outcome, Return, Stop, Trap, WasmPrices};

use super::chainmaker::Session;
use crate::meter::word;

/// What a sys_call costs beside its bytes, in calls of the host: two maps are read by name.
const SYS_CALL: u64 = 4;

/// The host stopped the contract; the reason lies in the frame.
#[derive(Debug)]
pub(crate) struct Stopped;

/// What the ABI itself charges, beside what the host charges for its operations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AbiPrices {
    pub(super) bytes_per_unit: u64,
    pub(super) address_of: Gas,
    pub(super) sys_call: Gas,
}

impl AbiPrices {
    pub(crate) fn new(prices: &WasmPrices) -> Self {
        Self {
            bytes_per_unit: prices.bulk_bytes_per_unit.max(1),
            address_of: Gas::new(prices.address_of),
            sys_call: Gas::new(prices.host_call.saturating_mul(SYS_CALL)),
        }
    }

    /// The price of copying so many bytes.
    pub(super) fn copy(self, bytes: usize) -> Gas {
        Gas::new(bytes as u64 / self.bytes_per_unit)
    }
}

/// Why the host stopped a contract.
#[derive(Debug)]
pub(super) enum Exit {
    /// A trap or a fault.
    Stop(Stop),
    /// It asked for what it cannot have; the session knows why.
    Refused,
}

impl<T: Into<Stop>> From<T> for Exit {
    fn from(stop: T) -> Self {
        Self::Stop(stop.into())
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
    /// Used by ChainMaker's contracts only.
    pub(super) session: Session,
    /// The gas that the contract was given when it last left the host.
    given: i64,
    /// The bytes of the contract's memory when it last entered the host.
    memory: usize,
    /// What the contract counts of its stack, which it gets back as it gave it.
    stack: i64,
    slice: u64,
    exit: Option<Exit>,
}

impl<'h> Frame<'h> {
    pub(crate) fn new(host: &'h mut dyn Host, call: &'h Call, input: Bytes, prices: AbiPrices, slice: u64) -> Self {
        let (output, kept, session) = (Bytes::new(), Bytes::new(), Session::default());
        Self { host, call, input, output, kept, prices, session, given: 0, memory: 0, stack: 0, slice, exit: None }
    }

    /// With what the host keeps for a ChainMaker contract.
    pub(crate) fn with_session(mut self, session: Session) -> Self {
        self.session = session;
        self
    }

    /// The next slice of gas, in the word that the contract counts with.
    pub(crate) fn give(&mut self) -> i64 {
        self.given = i64::try_from(self.host.gas_left().get().min(self.slice)).unwrap_or(i64::MAX);
        word::join(self.given, self.stack)
    }

    /// Charges what the contract used: its word says what is left of its slice, less than nothing if it used more.
    pub(crate) fn settle(&mut self, word: i64) -> Result<(), Stop> {
        let (left, stack) = word::split(word);
        self.stack = stack;
        let used = self.given.saturating_sub(left);
        self.given = left;
        let used = u64::try_from(used)
            .map_err(|_| HostFault::Internal(format!("a contract gained {} gas", used.unsigned_abs())))?;
        self.host.charge(Gas::new(used))
    }

    /// Settles, performs an operation, and gives the next slice: returns the operation's result and the slice.
    pub(super) fn enter(
        &mut self,
        memory: usize,
        left: i64,
        operation: impl FnOnce(&mut Self) -> Result<i64, Exit>,
    ) -> Result<(i64, i64), Stopped> {
        self.memory = memory;
        match self.settle(left).map_err(Exit::from).and_then(|()| operation(self)) {
            Ok(result) => Ok((result, self.give())),
            Err(exit) => {
                self.exit = Some(exit);
                Err(Stopped)
            }
        }
    }

    /// Calls another contract, for which this one's memory waits.
    pub(super) fn call(&mut self, request: CallRequest) -> Result<Outcome, Stop> {
        self.host.call(CallRequest { memory: self.memory, ..request })
    }

    /// How the call ends when the host stopped the contract.
    pub(crate) fn into_stopped(self) -> Result<Return, Stop> {
        let defect = |why: &str| Err(HostFault::Internal(why.into()).into());
        match (self.exit, self.session.into_failure()) {
            (Some(Exit::Stop(stop)), _) => Err(stop),
            (Some(Exit::Refused), Some(reason)) => Ok(Return::revert(reason)),
            (Some(Exit::Refused), None) => defect("a contract was refused something without a reason"),
            (None, _) => defect("the engine stopped a contract without a reason"),
        }
    }

    /// How the call ends when the contract returned this status.
    pub(crate) fn into_return(self, status: i32) -> Result<Return, Stop> {
        match (status, self.session.into_failure()) {
            (0, Some(reason)) => Ok(Return::revert(reason)),
            (0, None) => Ok(Return::success(self.output)),
            (1, _) => Ok(Return::revert(self.output)),
            _ => Err(Trap::BadReturn.into()),
        }
    }
}

impl std::fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame")
            .field("call", &self.call)
            .field("given", &self.given)
            .field("exit", &self.exit)
            .finish_non_exhaustive()
    }
}
