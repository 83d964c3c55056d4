//! The JSON files of Solidity's tools, told apart by what is in them.

use serde_json::Value;

use super::{Artifact, ArtifactError, Format, bytecode};

/// One contract of a file.
struct Found<'v> {
    file: &'v str,
    name: &'v str,
    value: &'v Value,
}

impl Found<'_> {
    fn full_name(&self) -> String {
        match (self.file, self.name) {
            ("", "") => "the artefact".to_owned(),
            ("", name) => name.to_owned(),
            (file, name) => format!("{file}:{name}"),
        }
    }

    fn is(&self, wanted: &str) -> bool {
        match wanted.rsplit_once(':') {
            Some((file, name)) => {
                let in_folder = self.file.strip_suffix(file).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'));
                self.name == name && in_folder
            }
            None => self.name == wanted,
        }
    }
}

pub(super) fn read(value: &Value, wanted: Option<&str>) -> Result<Artifact, ArtifactError> {
    if let Some(contracts) = value.pointer("/output/contracts").or_else(|| value.get("contracts")) {
        let output = value.get("output").unwrap_or(value);
        return from_output(output, contracts, wanted);
    }
    if value.get("bytecode").is_some() {
        return single(value, wanted);
    }
    // Without a contract, an output may hold just the errors.
    compiler_errors(value)?;
    match value.get("sources") {
        Some(_) if value.get("language").is_none() => Err(ArtifactError::NoContracts),
        _ => Err(ArtifactError::Shape),
    }
}

/// The ABI of an artefact, of a contract in the compiler's output, or alone.
pub(super) fn interface(value: &Value, wanted: Option<&str>) -> Result<String, ArtifactError> {
    if value.is_array() {
        return Ok(value.to_string());
    }
    if let Some(abi) = value.get("abi") {
        let found = named(value);
        if let Some(wanted) = wanted.filter(|wanted| !found.name.is_empty() && !found.is(wanted)) {
            return Err(ArtifactError::NoContract { wanted: wanted.to_owned(), known: vec![found.full_name()] });
        }
        return listed(abi, &found);
    }
    let contracts = value.pointer("/output/contracts").or_else(|| value.get("contracts"));
    let all = contracts.map(all).unwrap_or_default();
    let known = |found: &[&Found<'_>]| found.iter().map(|found| found.full_name()).collect();
    let described: Vec<_> = all.iter().filter(|found| found.value.get("abi").is_some()).collect();
    let fitting: Vec<_> =
        described.iter().copied().filter(|found| wanted.is_none_or(|wanted| found.is(wanted))).collect();
    match (fitting.as_slice(), wanted) {
        ([found], _) => listed(found.value.get("abi").unwrap_or(&Value::Null), found),
        ([], Some(wanted)) if !described.is_empty() => {
            Err(ArtifactError::NoContract { wanted: wanted.to_owned(), known: known(&described) })
        }
        ([], _) => Err(ArtifactError::Json("it holds no ABI: it is no list, and has no 'abi'".to_owned())),
        (several, _) => Err(ArtifactError::Several { known: known(several) }),
    }
}

/// An ABI as text. Old compilers write it as a string.
fn listed(abi: &Value, found: &Found<'_>) -> Result<String, ArtifactError> {
    let text = abi.as_str().map_or_else(|| abi.to_string(), str::to_owned);
    match serde_json::from_str(&text) {
        Ok(Value::Array(_)) => Ok(text),
        _ => {
            let shown: String = text.chars().take(40).collect();
            Err(ArtifactError::Json(format!("the ABI of {} is {shown}, and no list", found.full_name())))
        }
    }
}

/// The contract of an artefact that has one, of Foundry or Hardhat.
fn named(value: &Value) -> Found<'_> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    let target = value.pointer("/metadata/settings/compilationTarget").and_then(Value::as_object);
    let target =
        target.and_then(|target| target.iter().next()).and_then(|(file, name)| Some((&**file, name.as_str()?)));
    let (file, name) = match (text("contractName"), target) {
        ("", Some(target)) => target,
        (name, _) => (text("sourceName"), name),
    };
    Found { file, name, value }
}

fn single(value: &Value, wanted: Option<&str>) -> Result<Artifact, ArtifactError> {
    let found = named(value);
    if let Some(wanted) = wanted.filter(|wanted| !found.name.is_empty() && !found.is(wanted)) {
        return Err(ArtifactError::NoContract { wanted: wanted.to_owned(), known: vec![found.full_name()] });
    }
    let code = value.get("bytecode").unwrap_or(&Value::Null);
    let (format, digits, links) = match code {
        Value::String(digits) => (Format::Hardhat, digits.as_str(), value.get("linkReferences")),
        code => {
            let digits = code.get("object").and_then(Value::as_str).ok_or(ArtifactError::Shape)?;
            (Format::Foundry, digits, code.get("linkReferences"))
        }
    };
    artifact(format, &found, digits, links, value.get("abi"))
}

fn from_output(output: &Value, contracts: &Value, wanted: Option<&str>) -> Result<Artifact, ArtifactError> {
    compiler_errors(output)?;
    let all = all(contracts);
    if all.is_empty() {
        return Err(ArtifactError::NoContracts);
    }
    let known = |list: &[Found<'_>]| list.iter().map(Found::full_name).collect();
    let (deployable, empty): (Vec<_>, Vec<_>) = all.into_iter().partition(|found| !digits(found.value).is_empty());
    if let Some(wanted) = wanted {
        let mut fitting: Vec<_> = deployable.iter().filter(|found| found.is(wanted)).collect();
        return match (fitting.pop(), fitting.pop()) {
            (Some(found), None) => from_solc(found),
            (Some(one), Some(other)) => {
                let known = fitting.into_iter().chain([one, other]).map(Found::full_name).collect();
                Err(ArtifactError::Several { known })
            }
            (None, _) => match empty.iter().find(|found| found.is(wanted)) {
                Some(found) => Err(ArtifactError::NoCode { contract: found.full_name() }),
                None => Err(ArtifactError::NoContract { wanted: wanted.to_owned(), known: known(&deployable) }),
            },
        };
    }
    match deployable.as_slice() {
        [found] => from_solc(found),
        [] => Err(ArtifactError::NoCode {
            contract: empty.first().map_or_else(|| "the output".to_owned(), Found::full_name),
        }),
        several => Err(ArtifactError::Several { known: known(several) }),
    }
}

/// Contracts by file and name (standard JSON), or by both in one key (combined JSON).
fn all(contracts: &Value) -> Vec<Found<'_>> {
    let mut all = Vec::new();
    for (key, value) in contracts.as_object().into_iter().flatten() {
        if value.get("bin").is_some() || value.get("abi").is_some_and(|abi| !abi.is_object()) {
            let (file, name) = key.rsplit_once(':').unwrap_or(("", key));
            all.push(Found { file, name, value });
            continue;
        }
        for (name, value) in value.as_object().into_iter().flatten() {
            all.push(Found { file: key, name, value });
        }
    }
    all
}

fn digits(contract: &Value) -> &str {
    let code = contract.pointer("/evm/bytecode/object").or_else(|| contract.get("bin"));
    code.and_then(Value::as_str).unwrap_or_default()
}

fn from_solc(found: &Found<'_>) -> Result<Artifact, ArtifactError> {
    let format = if found.value.get("bin").is_some() { Format::CombinedJson } else { Format::StandardJson };
    let links = found.value.pointer("/evm/bytecode/linkReferences");
    artifact(format, found, digits(found.value), links, found.value.get("abi"))
}

fn artifact(
    format: Format,
    found: &Found<'_>,
    digits: &str,
    links: Option<&Value>,
    abi: Option<&Value>,
) -> Result<Artifact, ArtifactError> {
    let mut libraries = Vec::new();
    for (file, names) in links.and_then(Value::as_object).into_iter().flatten() {
        libraries.extend(names.as_object().into_iter().flatten().map(|(name, _)| format!("{file}:{name}")));
    }
    let bytecode = bytecode::decode(digits, &libraries, &found.full_name())?;
    let abi = abi.map(|abi| listed(abi, found)).transpose()?;
    let contract = (!found.name.is_empty()).then(|| found.full_name());
    Ok(Artifact { format, contract, bytecode, abi })
}

/// The compiler's errors, without its warnings.
fn compiler_errors(output: &Value) -> Result<(), ArtifactError> {
    let errors = output.get("errors").and_then(Value::as_array).into_iter().flatten();
    let errors: Vec<_> = errors
        .filter(|error| error.get("severity").and_then(Value::as_str) == Some("error"))
        .map(|error| message(error).trim_end())
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(ArtifactError::Compiler(errors.join("\n"))) }
}

/// What the compiler says, with the place.
pub(super) fn message(error: &Value) -> &str {
    let text = |key| error.get(key).and_then(Value::as_str);
    text("formattedMessage").or_else(|| text("message")).unwrap_or("an error without message")
}
