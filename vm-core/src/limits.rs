use std::time::Duration;

use crate::Gas;

/// What requests and contracts may use at most. Sizes are in bytes.
///
/// All but the time are deterministic: the same request hits the same limit on every node that has the same settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Limits {
    /// Gas of one transaction. Default: 10,000,000,000, about ten seconds of work.
    pub gas: Gas,
    /// Wall-clock time of one transaction; reaching it is a host fault. Default: 30 s.
    pub execution_timeout: Duration,
    /// How long after its deadline a call may take to come back before its worker is given up. Default: 500 ms.
    pub grace: Duration,
    /// Frames on the call stack, over all runtimes. Default: 64.
    pub call_depth: u16,
    /// Memory of contracts that wait for what they called, of one transaction, all together; what the innermost may have is
    /// its runtime's limit and comes on top. Default: 256 MiB.
    pub waiting_memory: usize,
    /// A contract's code. Default: 64 MiB, for images; runtimes have their own, lower ones.
    pub code_size: usize,
    /// The encoded arguments of a call. Default: 1 MiB.
    pub input_size: usize,
    /// The output of a call. Default: 1 MiB.
    pub output_size: usize,
    /// A key of a contract. Default: 1,024.
    pub key_size: usize,
    /// A value of a contract. Default: 1 MiB.
    pub value_size: usize,
    /// The topics and data of an event. Default: 64 KiB.
    pub event_size: usize,
    /// Keys, values and events that one transaction reads and writes, all together, also what is reverted or overwritten.
    /// Default: 256 MiB.
    pub journal_size: usize,
    /// Entries of one scan. Default: 1,000.
    pub scan_entries: usize,
    /// Requests that wait for a worker. Default: 4,096.
    pub queue: usize,
    /// Prepared contracts kept in memory. Default: 256 MiB.
    pub cache_size: usize,
}

impl Default for Limits {
    fn default() -> Self {
        const KIB: usize = 1024;
        const MIB: usize = 1024 * KIB;
        Self {
            gas: Gas::new(10_000_000_000),
            execution_timeout: Duration::from_secs(30),
            grace: Duration::from_millis(500),
            call_depth: 64,
            waiting_memory: 256 * MIB,
            code_size: 64 * MIB,
            input_size: MIB,
            output_size: MIB,
            key_size: KIB,
            value_size: MIB,
            event_size: 64 * KIB,
            journal_size: 256 * MIB,
            scan_entries: 1_000,
            queue: 4_096,
            cache_size: 256 * MIB,
        }
    }
}
