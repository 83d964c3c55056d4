//! What an operator keeps beside the state: what was refused, and to whom; and how contracts were called. One line of JSON
//! each, in files of the data directory that do not grow beyond bounds.
//!
//! Nothing here decides anything. What cannot be written costs a warning.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vm_core::{
    Address, Amount, Argument, Arguments, AuditEvent, AuditResult, ContractName, Gas, GovernanceEvent, InvokeRequest,
    Observer, Receipt,
};
use vm_host::config::{Config, State};

/// Beyond this size a file of calls is put aside, in the place of the one before.
const CALLS: u64 = 4 << 20;

/// The same for what was refused.
const REFUSALS: u64 = 1 << 20;

/// What all files of a folder may have together. Beyond it the oldest go: first what was put aside.
const ALL: u64 = 256 << 20;

/// What a file counts at least, so that there are not too many.
const LEAST: u64 = 64 << 10;

/// The most characters of a text that somebody was refused with.
const TEXT: usize = 1_024;

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
    /// Held while a file is written or put aside.
    writing: Arc<Mutex<()>>,
}

impl Records {
    /// Those of this configuration.
    pub(super) fn of(config: &Config) -> Self {
        let directory = match &config.state {
            State::Fjall { path } => Some(path.join("records")),
            _ => None,
        };
        Self { directory, writing: Arc::default() }
    }

    /// What was refused on a contract, or on the host, oldest first; so many of the newest, or all.
    pub(super) fn refused(&self, contract: Option<&ContractName>, last: Option<usize>) -> Vec<Refused> {
        // Before there was a contract of this name, it was asked for as one of those that nobody has.
        let of = [contract.is_some().then_some(Of::Nobody), Some(contract.map_or(Of::Host, Of::Contract))];
        let contract = contract.map_or(HOST, ContractName::as_str);
        let told = of.into_iter().flatten().flat_map(|of| self.lines::<Refused>(REFUSED, of));
        newest(told.filter(|refused| refused.contract == contract).collect(), last)
    }

    /// The last calls of a contract that are on record, oldest first.
    pub(super) fn calls(&self, contract: &ContractName, last: usize) -> Vec<RecordedCall> {
        newest(self.lines(CALLED, Of::Contract(contract)), Some(last))
    }

    /// What can be read of a file and of the one before.
    fn lines<T: DeserializeOwned>(&self, folder: &str, of: Of<'_>) -> Vec<T> {
        let files = self.directory.iter().flat_map(|directory| {
            let file = file(directory, folder, of);
            [aside(&file), file]
        });
        // A line that was torn costs itself only, be it in the middle of a character.
        let lines = files.filter_map(|file| File::open(file).ok()).flat_map(|file| {
            let lines = BufReader::new(file).split(b'\n');
            lines.map_while(Result::ok)
        });
        lines.filter_map(|line| serde_json::from_slice(&line).ok()).collect()
    }

    /// Adds a line to a file. A file that is full is put aside, in the place of the one before.
    fn write(&self, folder: &str, of: Of<'_>, most: u64, line: &impl Serialize) {
        let Some(directory) = &self.directory else { return };
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let file = file(directory, folder, of);
        if let Err(error) = append(&file, most, line) {
            tracing::warn!(file = %file.display(), %error, "cannot record a call, or what was refused");
        }
    }

    fn write_refused(&self, of: Of<'_>, refused: &Refused) {
        self.write(REFUSED, of, REFUSALS, refused);
    }
}

/// The newest of a list.
fn newest<T>(mut all: Vec<T>, last: Option<usize>) -> Vec<T> {
    all.split_off(last.map_or(0, |last| all.len().saturating_sub(last)))
}

impl Observer for Records {
    fn called(&self, request: &InvokeRequest, receipt: &Receipt) {
        // By name or by address: what is called is the contract.
        let Some(contract) = &receipt.contract else { return };
        self.write(CALLED, Of::Contract(contract), CALLS, &RecordedCall::of(request));
    }

    fn audit(&self, event: &AuditEvent<'_>) {
        let AuditResult::Refused(why) = event.result else { return };
        let action = if event.tried { format!("try to {}", event.action) } else { event.action.to_string() };
        let refused = Refused {
            time: now(),
            contract: event.contract.to_string(),
            actor: event.actor.to_string(),
            action: cut(&action),
            reason: cut(event.reason),
            why: cut(why),
        };
        self.write_refused(if event.exists { Of::Contract(event.contract) } else { Of::Nobody }, &refused);
    }

    fn governed(&self, event: &GovernanceEvent<'_>) {
        let Err(why) = event.result else { return };
        let refused = Refused {
            time: now(),
            contract: HOST.to_owned(),
            actor: event.actor.to_string(),
            action: format!("{}change the host's policy", if event.tried { "try to " } else { "" }),
            reason: cut(event.reason),
            why: cut(why),
        };
        self.write_refused(Of::Host, &refused);
    }
}

/// The folders.
const CALLED: &str = "calls";
const REFUSED: &str = "refused";

/// Whom a file is about.
#[derive(Clone, Copy)]
enum Of<'n> {
    Contract(&'n ContractName),
    Host,
    /// Names that no contract has: as anybody can ask for any, they have one file together.
    Nobody,
}

/// A name that no other has, on file systems that do not tell capitals apart either. `%` is in no contract's name.
fn file(directory: &Path, folder: &str, of: Of<'_>) -> PathBuf {
    let name = match of {
        Of::Contract(contract) => {
            let letter = |c: char| c.is_ascii_uppercase().then_some('%').into_iter().chain([c.to_ascii_lowercase()]);
            contract.as_str().chars().flat_map(letter).collect()
        }
        Of::Host => "%0host".to_owned(),
        Of::Nobody => "%0nobody".to_owned(),
    };
    directory.join(folder).join(format!("{name}.jsonl"))
}

/// What ends in `.1` is not another contract's file, whatever its name.
fn aside(file: &Path) -> PathBuf {
    file.with_extension("jsonl.1")
}

/// As much of a text as is worth keeping of somebody who was refused.
fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Adds a line, in one write, so that lines are whole.
fn append(file: &Path, most: u64, line: &impl Serialize) -> io::Result<()> {
    let length = fs::metadata(file).map(|metadata| metadata.len());
    if let Some(directory) = file.parent()
        && !length.as_ref().is_ok_and(|length| *length <= most)
    {
        fs::create_dir_all(directory)?;
        make_room(directory, ALL)?;
    }
    if length.is_ok_and(|length| length > most) {
        fs::rename(file, aside(file))?;
    }
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    let mut file = OpenOptions::new().create(true).read(true).append(true).open(file)?;
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    // After a line that was not written to its end.
    if last != [b'\n'] {
        text.insert(0, b'\n');
    }
    file.write_all(&text)
}

/// Removes the oldest files, and of these what was put aside first, when all together have more than `most`; then some more, so that
/// this is not done for every file that comes.
fn make_room(directory: &Path, most: u64) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let (path, metadata) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)))?;
        let is_aside = path.extension().is_some_and(|extension| extension == "1");
        files.push((!is_aside, metadata.modified()?, metadata.len().max(LEAST), path));
    }
    let mut all: u64 = files.iter().map(|(_, _, size, _)| size).sum();
    if all <= most {
        return Ok(());
    }
    files.sort();
    for (_, _, size, path) in files {
        if all <= most / 8 * 7 {
            break;
        }
        fs::remove_file(path)?;
        all -= size;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ContractName {
        text.parse().unwrap()
    }

    fn records(directory: &Path) -> Records {
        Records { directory: Some(directory.to_owned()), writing: Arc::default() }
    }

    #[test]
    fn no_two_names_share_a_file() {
        let names = ["token", "token.1", "Token", "tOken", "token.jsonl.1", "..", "nobody", "host"].map(name);
        let of = names.iter().map(Of::Contract).chain([Of::Host, Of::Nobody]);
        let files = of.map(|of| file(Path::new("/"), "f", of)).flat_map(|file| [aside(&file), file]);
        let lower: std::collections::BTreeSet<_> =
            files.map(|file| file.to_string_lossy().to_ascii_lowercase()).collect();
        assert_eq!(lower.len(), 2 * (names.len() + 2), "{lower:?}");
    }

    #[test]
    fn a_full_file_is_put_aside_and_both_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let records = records(directory.path());
        let (token, other) = (name("token"), name("token.1"));
        let call = |n: u32| RecordedCall::of(&InvokeRequest::new(token.clone(), n.to_string()));
        records.write(CALLED, Of::Contract(&other), 150, &call(9));
        for n in 0..8 {
            records.write(CALLED, Of::Contract(&token), 150, &call(n));
        }
        let methods = |of, last| records.calls(of, last).into_iter().map(|call| call.method).collect::<Vec<_>>();
        let kept = methods(&token, 99);
        assert!((3..8).contains(&kept.len()) && kept.last().unwrap() == "7", "{kept:?}");
        assert_eq!(
            (methods(&token, 2), methods(&other, 99)),
            (vec!["6".to_owned(), "7".to_owned()], vec!["9".to_owned()])
        );
    }

    #[test]
    fn a_torn_line_costs_itself_only() {
        let directory = tempfile::tempdir().unwrap();
        let records = records(directory.path());
        let token = name("token");
        let call = |n: u32| RecordedCall::of(&InvokeRequest::new(token.clone(), n.to_string()));
        let of = Of::Contract(&token);
        let torn = file(directory.path(), CALLED, of);
        records.write(CALLED, of, 10_000, &call(1));
        let mut text = fs::read(&torn).unwrap();
        // In the middle of a character.
        text.extend_from_slice(b"{\"method\":\"d\xc3");
        fs::write(&torn, text).unwrap();
        records.write(CALLED, of, 10_000, &call(2));
        records.write(CALLED, of, 10_000, &call(3));
        let methods: Vec<_> = records.calls(&token, 9).into_iter().map(|call| call.method).collect();
        assert_eq!(methods, ["1", "2", "3"]);
    }

    #[test]
    fn all_files_together_are_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let files = ["a.jsonl", "a.jsonl.1", "b.jsonl", "b.jsonl.1"].map(|name| directory.path().join(name));
        for file in &files {
            fs::write(file, "{}\n").unwrap();
        }
        make_room(directory.path(), 4 * LEAST).unwrap();
        assert_eq!(files.each_ref().map(|file| file.exists()), [true; 4]);
        make_room(directory.path(), 3 * LEAST).unwrap();
        assert_eq!(files.map(|file| file.exists()), [true, false, true, false], "what was put aside goes first");
    }

    #[test]
    fn what_was_refused_on_names_that_nobody_has_displaces_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let records = records(directory.path());
        let (token, nobody) = (name("token"), name("nosuch"));
        let long = "x".repeat(100_000);
        let told = |contract, exists| AuditEvent {
            contract,
            action: vm_core::Action::Deploy,
            actor: Address::ZERO,
            reason: &long,
            result: AuditResult::Refused(&long),
            tried: true,
            exists,
        };
        records.audit(&told(&token, true));
        for _ in 0..2_000 {
            records.audit(&told(&nobody, false));
        }
        let [refused] = &records.refused(Some(&token), None)[..] else { panic!("one") };
        assert_eq!((refused.reason.len(), &*refused.action), (TEXT + "…".len(), "try to deploy contract"));
        assert!(records.refused(Some(&nobody), None).len() > 300);
        assert_eq!(records.refused(Some(&nobody), Some(3)).len(), 3);
        let sizes =
            fs::read_dir(directory.path().join(REFUSED)).unwrap().map(|file| file.unwrap().metadata().unwrap().len());
        assert!(sizes.sum::<u64>() < 2 * (REFUSALS + 10_000));
    }
}
