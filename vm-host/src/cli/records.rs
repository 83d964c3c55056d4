//! What an operator keeps beside the state: what was refused, and to whom. One line of JSON each, in a file of the data
//! directory that does not grow beyond bounds.
//!
//! Nothing here decides anything. What cannot be written costs a warning.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vm_core::{AuditEvent, AuditResult, ContractName, Observer};
use vm_host::config::{Config, State};

/// Beyond this size a file is put aside, in the place of the one before.
const MOST: u64 = 4 << 20;

/// Something that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refused {
    /// When, by this host's clock: RFC 3339, in UTC.
    pub(super) time: String,
    pub(super) contract: String,
    pub(super) actor: String,
    /// What was asked for, such as `freeze contract`.
    pub(super) action: String,
    pub(super) reason: String,
    /// The phase, and which rule refused it.
    pub(super) why: String,
}

/// The records of a data directory.
#[derive(Debug, Clone)]
pub(super) struct Records {
    /// None where the state is in memory.
    directory: Option<PathBuf>,
}

impl Records {
    /// Those of this configuration.
    pub(super) fn of(config: &Config) -> Self {
        let directory = match &config.state {
            State::Fjall { path } => Some(path.join("records")),
            _ => None,
        };
        Self { directory }
    }

    /// What was refused on a contract, oldest first.
    pub(super) fn refused(&self, contract: &ContractName) -> Vec<Refused> {
        let files = self.directory.iter().flat_map(|directory| [aside(&refusals(directory)), refusals(directory)]);
        let lines = files.filter_map(|file| File::open(file).ok()).flat_map(|file| BufReader::new(file).lines());
        let told = lines.map_while(Result::ok).filter_map(|line| serde_json::from_str::<Refused>(&line).ok());
        told.filter(|refused| refused.contract == contract.as_str()).collect()
    }
}

impl Observer for Records {
    fn audit(&self, event: &AuditEvent<'_>) {
        let (Some(directory), AuditResult::Refused(why)) = (&self.directory, event.result) else { return };
        let refused = Refused {
            time: now(),
            contract: event.contract.to_string(),
            actor: event.actor.to_string(),
            action: event.action.to_string(),
            reason: event.reason.to_owned(),
            why: why.to_owned(),
        };
        let file = refusals(directory);
        if let Err(error) = append(&file, &refused) {
            tracing::warn!(file = %file.display(), %error, "cannot record what was refused");
        }
    }
}

fn refusals(directory: &Path) -> PathBuf {
    directory.join("refused.jsonl")
}

fn aside(file: &Path) -> PathBuf {
    file.with_extension("1.jsonl")
}

/// Adds a line, in one write, so that lines are whole.
fn append(file: &Path, line: &impl Serialize) -> io::Result<()> {
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    if fs::metadata(file).is_ok_and(|metadata| metadata.len() > MOST) {
        fs::rename(file, aside(file))?;
    }
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    OpenOptions::new().create(true).append(true).open(file)?.write_all(&text)
}

#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an operator's record says when something was refused; nothing depends on it"
)]
fn now() -> String {
    use std::time::SystemTime;
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}
