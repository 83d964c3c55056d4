//! What an operator keeps beside the state: what was refused, and to whom; and how contracts were called. One line of JSON
//! each, in files of the data directory that do not grow beyond bounds.
//!
//! Nothing here decides anything. What cannot be written costs a warning.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vm_core::{
    Address, Amount, Argument, Arguments, AuditEvent, AuditResult, ContractName, Gas, GovernanceEvent, InvokeRequest,
    Observer, Receipt, Target,
};
use vm_host::config::{Config, State};

/// Beyond this size a file is put aside, in the place of the one before.
const MOST: u64 = 4 << 20;

/// Stands for the host where a contract is named, which none can be.
const HOST: &str = "";

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

/// A call, as it can be made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordedCall {
    /// Who called: a name, or 0x and 40 hex digits.
    from: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    endorsed_by: Vec<String>,
    #[serde(default)]
    method: String,
    /// The arguments by position.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    args: Vec<String>,
    /// The arguments by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    named: BTreeMap<String, String>,
    /// All arguments in the contract's encoding, in hex, in the place of the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gas: Option<u64>,
}

impl RecordedCall {
    fn of(request: &InvokeRequest) -> Self {
        let InvokeRequest { method, arguments, sender, .. } = request;
        let (mut args, mut named, mut input) = (Vec::new(), BTreeMap::new(), None);
        match arguments {
            Arguments::Raw(bytes) => input = Some(hex::encode(bytes)),
            Arguments::Text(list) => {
                for Argument { name, value, .. } in list {
                    match name {
                        Some(name) => drop(named.insert(name.clone(), value.clone())),
                        None => args.push(value.clone()),
                    }
                }
            }
        }
        Self {
            from: sender.caller.to_string(),
            endorsed_by: sender.endorsers.iter().map(ToString::to_string).collect(),
            method: method.clone(),
            args,
            named,
            input,
            value: (!sender.value.is_zero()).then(|| sender.value.to_string()),
            gas: sender.gas.map(Gas::get),
        }
    }

    /// The call of a contract.
    ///
    /// # Errors
    /// When an address, an amount or the input is none: what it is instead.
    pub(super) fn request(&self, contract: &ContractName) -> Result<InvokeRequest, String> {
        let told = |error: &dyn std::fmt::Display| error.to_string();
        let address = |text: &String| text.parse::<Address>().map_err(|error| told(&error));
        let mut request = InvokeRequest::new(contract.clone(), self.method.clone()).from(address(&self.from)?);
        request = request.endorsed_by(self.endorsed_by.iter().map(address).collect::<Result<Vec<_>, _>>()?);
        request.sender.gas = self.gas.map(Gas::new);
        if let Some(value) = &self.value {
            request.sender.value = value.parse::<Amount>().map_err(|error| told(&error))?;
        }
        if let Some(input) = &self.input {
            let digits = input.strip_prefix("0x").unwrap_or(input);
            return Ok(
                request.input(hex::decode(digits).map_err(|error| format!("input is not hexadecimal: {error}"))?)
            );
        }
        let named = self.named.iter().map(|(name, value)| (name.clone(), value.clone()));
        Ok(named.fold(request.args(self.args.iter().cloned()), |request, (name, value)| request.arg(name, value)))
    }
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

    /// What was refused on a contract, or on the host, oldest first.
    pub(super) fn refused(&self, contract: Option<&ContractName>) -> Vec<Refused> {
        let contract = contract.map_or(HOST, ContractName::as_str);
        let files = self.directory.iter().flat_map(|directory| [aside(&refusals(directory)), refusals(directory)]);
        let lines = files.filter_map(|file| File::open(file).ok()).flat_map(|file| BufReader::new(file).lines());
        let told = lines.map_while(Result::ok).filter_map(|line| serde_json::from_str::<Refused>(&line).ok());
        told.filter(|refused| refused.contract == contract).collect()
    }
}

impl Records {
    /// The last calls of a contract that are on record, oldest first.
    pub(super) fn calls(&self, contract: &ContractName, last: usize) -> Vec<RecordedCall> {
        let files = self.directory.iter().flat_map(|directory| {
            let file = calls(directory, contract);
            [aside(&file), file]
        });
        let lines = files.filter_map(|file| File::open(file).ok()).flat_map(|file| BufReader::new(file).lines());
        let mut told: Vec<_> =
            lines.map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok()).collect();
        told.split_off(told.len().saturating_sub(last))
    }
}

impl Observer for Records {
    fn called(&self, request: &InvokeRequest, _: &Receipt) {
        let (Some(directory), Target::Name(contract)) = (&self.directory, &request.target) else { return };
        let file = calls(directory, contract);
        if let Err(error) = append(&file, &RecordedCall::of(request)) {
            tracing::warn!(file = %file.display(), %error, "cannot record a call");
        }
    }

    fn audit(&self, event: &AuditEvent<'_>) {
        let (Some(directory), AuditResult::Refused(why)) = (&self.directory, event.result) else { return };
        record(
            directory,
            &Refused {
                time: now(),
                contract: event.contract.to_string(),
                actor: event.actor.to_string(),
                action: event.action.to_string(),
                reason: event.reason.to_owned(),
                why: why.to_owned(),
            },
        );
    }

    fn governed(&self, event: &GovernanceEvent<'_>) {
        let (Some(directory), Err(why)) = (&self.directory, event.result) else { return };
        record(
            directory,
            &Refused {
                time: now(),
                contract: HOST.to_owned(),
                actor: event.actor.to_string(),
                action: "change the host's policy".to_owned(),
                reason: event.reason.to_owned(),
                why: why.to_owned(),
            },
        );
    }
}

fn record(directory: &Path, refused: &Refused) {
    let file = refusals(directory);
    if let Err(error) = append(&file, refused) {
        tracing::warn!(file = %file.display(), %error, "cannot record what was refused");
    }
}

fn refusals(directory: &Path) -> PathBuf {
    directory.join("refused.jsonl")
}

/// Names of contracts are names of files, too, but for those of one or two dots.
fn calls(directory: &Path, contract: &ContractName) -> PathBuf {
    directory.join("calls").join(format!("{contract}.jsonl"))
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
