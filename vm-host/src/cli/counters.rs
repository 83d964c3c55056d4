//! What the commands on a data directory have done, summed up over their processes in a small file beside the state.
//!
//! The file decides nothing: one that cannot be read or written costs a warning. It is changed only while this process holds
//! the data directory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vm_core::{MetricsSnapshot, RuntimeMetrics};
use vm_host::config::{Config, State};

/// The sums.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Counters {
    /// By the name of the runtime.
    pub(super) runtimes: BTreeMap<String, Calls>,
    pub(super) commits: u64,
    pub(super) committed: u64,
    pub(super) conflicts: u64,
    pub(super) refused: u64,
    pub(super) faults: u64,
    pub(super) deadlines: u64,
    pub(super) cache_hits: u64,
    pub(super) cache_misses: u64,
    pub(super) cache_evictions: u64,
    pub(super) known_refusals: u64,
}

/// What the contracts of one runtime have done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Calls {
    pub(super) succeeded: u64,
    pub(super) reverted: u64,
    pub(super) trapped: u64,
    pub(super) gas_used: u64,
    pub(super) nanoseconds: u64,
}

impl Counters {
    /// What is stored for this configuration, which is nothing where the state is in memory.
    pub(super) fn load(config: &Config) -> Self {
        let Some(path) = file(config) else { return Self::default() };
        let read = fs::read(&path).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
        read.unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(file = %path.display(), %error, "cannot read the counters; they begin anew");
            }
            Self::default()
        })
    }

    /// Takes the place of what is stored.
    pub(super) fn store(&self, config: &Config) {
        let Some(path) = file(config) else { return };
        if let Err(error) = self.write(&path) {
            tracing::warn!(file = %path.display(), %error, "cannot store the counters");
        }
    }

    /// Under another name first, so that the file is always whole. It is not synced: after a loss of power it may be old.
    fn write(&self, path: &Path) -> io::Result<()> {
        let unfinished = path.with_extension("unfinished");
        File::create(&unfinished)?.write_all(&serde_json::to_vec(self)?)?;
        fs::rename(unfinished, path)
    }

    /// Adds what a machine has counted.
    pub(super) fn add(&mut self, more: &MetricsSnapshot) {
        for (kind, calls) in &more.runtimes {
            self.runtimes.entry(kind.to_string()).or_default().add(calls);
        }
        for (sum, count) in [
            (&mut self.commits, more.commits),
            (&mut self.committed, more.committed),
            (&mut self.conflicts, more.conflicts),
            (&mut self.refused, more.refused),
            (&mut self.faults, more.faults),
            (&mut self.deadlines, more.deadlines),
            (&mut self.cache_hits, more.cache_hits),
            (&mut self.cache_misses, more.cache_misses),
            (&mut self.cache_evictions, more.cache_evictions),
            (&mut self.known_refusals, more.known_refusals),
        ] {
            *sum = sum.saturating_add(count);
        }
    }

    /// As `metrics --json` prints them.
    pub(super) fn json(&self) -> Value {
        let calls = |calls: &Calls| {
            json!({
                "succeeded": calls.succeeded,
                "reverted": calls.reverted,
                "trapped": calls.trapped,
                "gas_used": calls.gas_used,
                "duration_ms": super::output::milliseconds(calls.duration()),
            })
        };
        let runtimes: BTreeMap<_, _> = self.runtimes.iter().map(|(kind, sums)| (kind, calls(sums))).collect();
        json!({
            "runtimes": runtimes,
            "commits": self.commits,
            "committed": self.committed,
            "conflicts": self.conflicts,
            "refused": self.refused,
            "faults": self.faults,
            "deadlines": self.deadlines,
            "cache_hits": self.cache_hits,
            "cache_misses": self.cache_misses,
            "cache_evictions": self.cache_evictions,
            "known_refusals": self.known_refusals,
        })
    }
}

impl Calls {
    fn add(&mut self, more: &RuntimeMetrics) {
        for (sum, count) in [
            (&mut self.succeeded, more.succeeded),
            (&mut self.reverted, more.reverted),
            (&mut self.trapped, more.trapped),
            (&mut self.gas_used, more.gas_used),
            (&mut self.nanoseconds, more.nanoseconds),
        ] {
            *sum = sum.saturating_add(count);
        }
    }

    /// The time spent in all calls.
    pub(super) const fn duration(&self) -> std::time::Duration {
        std::time::Duration::from_nanos(self.nanoseconds)
    }
}

fn file(config: &Config) -> Option<PathBuf> {
    match &config.state {
        State::Fjall { path } => Some(path.join("metrics.json")),
        _ => None,
    }
}
