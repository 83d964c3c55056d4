//! Traces in the form of EIP-3155: a line of JSON for every instruction.

use std::{
    fmt,
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use revm::primitives::U256;
use serde::{Serialize, Serializer};

use crate::Fork;

/// Where a runtime writes what its contracts do, instruction by instruction, as [EIP-3155] has it.
///
/// Each line is one JSON object: `pc`, `op`, `opName`, `gas` (before the instruction), `gasCost`, `memSize`, `stack` (the top
/// last), `depth` (1 for the call that entered the EVM), `returnData`, `refund`, and `error` where the instruction failed.
/// Each entry into the EVM ends with a line with `output`, `gasUsed`, `pass`, `fork`, and `error` where it failed. Gas is Ethereum's. Instructions of other runtimes are
/// not traced. The EIP's `stateRoot` is left out: the state is no Merkle trie.
///
/// A runtime without a trace does not know of it: its interpreter loop is another one.
///
/// ```
/// use vm_evm::{EvmConfig, EvmRuntime, Trace};
///
/// let lines = Trace::to(std::io::sink());
/// let runtime = EvmRuntime::new(EvmConfig::default())?.with_trace(lines.clone());
/// // ... after the calls:
/// lines.finish()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [EIP-3155]: https://eips.ethereum.org/EIPS/eip-3155
#[derive(Clone)]
pub struct Trace(Arc<Mutex<Sink>>);

struct Sink {
    to: Box<dyn Write + Send>,
    /// The first failure; nothing is written after it.
    failed: Option<io::Error>,
    refunds: Refunds,
}

impl Trace {
    /// A trace that is written here. A `BufWriter` around a file is worth it.
    pub fn to(sink: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Sink { to: Box::new(sink), failed: None, refunds: Refunds::default() })))
    }

    /// Flushes what was written.
    ///
    /// # Errors
    /// When it, or something before it, could not be written.
    pub fn finish(&self) -> io::Result<()> {
        let mut sink = self.sink();
        match sink.failed.take() {
            Some(error) => Err(error),
            None => sink.to.flush(),
        }
    }

    pub(crate) fn step(&self, step: Step<'_>) {
        let mut sink = self.sink();
        let refund = sink.refunds.total(step.depth, step.refund);
        sink.line(&Step { refund, ..step });
    }

    pub(crate) fn summary(&self, summary: &Summary<'_>) {
        self.sink().line(summary);
    }

    fn sink(&self) -> MutexGuard<'_, Sink> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink {
    /// A trace that cannot be written must not change what contracts do; the failure waits for [`Trace::finish`].
    fn line(&mut self, value: &impl Serialize) {
        if self.failed.is_some() {
            return;
        }
        let written = serde_json::to_writer(&mut self.to, value).map_err(io::Error::from);
        self.failed = written.and_then(|()| self.to.write_all(b"\n")).err();
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").finish_non_exhaustive()
    }
}

/// The refunds of the frames on the stack.
#[derive(Debug, Default)]
pub(crate) struct Refunds(Vec<i64>);

impl Refunds {
    /// Of all of them, when the one at `depth`, counted from 1, has this much.
    pub(crate) fn total(&mut self, depth: usize, refund: i64) -> i64 {
        self.0.resize(depth, 0);
        if let Some(last) = self.0.last_mut() {
            *last = refund;
        }
        self.0.iter().sum()
    }
}

/// One instruction.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Step<'s> {
    pub(crate) pc: usize,
    pub(crate) op: u8,
    #[serde(serialize_with = "hex")]
    pub(crate) gas: u64,
    #[serde(serialize_with = "hex")]
    pub(crate) gas_cost: u64,
    pub(crate) mem_size: usize,
    #[serde(serialize_with = "words")]
    pub(crate) stack: &'s [U256],
    pub(crate) depth: usize,
    #[serde(serialize_with = "bytes")]
    pub(crate) return_data: &'s [u8],
    #[serde(serialize_with = "signed_hex")]
    pub(crate) refund: i64,
    pub(crate) op_name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<&'s str>,
}

/// What an entry ended with.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary<'s> {
    #[serde(serialize_with = "bytes")]
    pub(crate) output: &'s [u8],
    #[serde(serialize_with = "hex")]
    pub(crate) gas_used: u64,
    pub(crate) pass: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    pub(crate) fork: Fork,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn hex<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{number:#x}"))
}

/// Refunds of single frames may be negative, their sum is not.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn signed_hex<S: Serializer>(number: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    hex(&u64::try_from(*number).unwrap_or_default(), serializer)
}

fn words<S: Serializer>(stack: &&[U256], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(stack.iter().map(|word| format!("{word:#x}")))
}

fn bytes<S: Serializer>(bytes: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("0x{}", hex::encode(bytes)))
}
