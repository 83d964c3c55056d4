//! What `solc --bin` writes: hex text with the names of unlinked libraries behind it, or the compiler's whole output, with a
//! heading above each contract.

use serde_json::{Map, Value, json};

use super::{Artifact, ArtifactError, Format, bytecode, json};

/// What a contract's heading begins and ends with.
const HEADING: &str = "=======";

/// Reads text that is not JSON.
pub(super) fn read(text: &str, contract: Option<&str>) -> Result<Artifact, ArtifactError> {
    if let Some(output) = output(text) {
        let artifact = json::read(&output, contract)?;
        return Ok(Artifact { format: Format::SolcText, ..artifact });
    }
    let Bin { digits, libraries } = text.lines().fold(Bin::default(), Bin::with);
    let bare = digits.strip_prefix("0x").unwrap_or(&digits);
    let is_code = |b: u8| b.is_ascii_alphanumeric() || b"_$/.:-".contains(&b);
    // Placeholders of libraries hold other characters, but no code begins with one.
    if bare.is_empty() || !bare.bytes().take(8).all(|b| b.is_ascii_hexdigit()) || !bare.bytes().all(is_code) {
        return Err(ArtifactError::Unknown);
    }
    let bytecode = bytecode::decode(bare, &libraries, "the file")?;
    match contract {
        Some(wanted) => Err(ArtifactError::Unnamed { wanted: wanted.to_owned() }),
        None => Ok(Artifact { format: Format::Hex, contract: None, bytecode, abi: None }),
    }
}

/// Hex digits that may be wrapped, and the libraries that lines such as `// $3b94…$ -> Lib.sol:Math` name.
#[derive(Default)]
struct Bin {
    digits: String,
    libraries: Vec<String>,
}

impl Bin {
    fn with(mut self, line: &str) -> Self {
        match line.trim_start().strip_prefix("//") {
            Some(comment) => {
                self.libraries.extend(comment.split_once("->").map(|(_, name)| name.trim().to_owned()));
            }
            None => self.digits.extend(line.split_whitespace()),
        }
        self
    }
}

/// What the compiler prints, as combined JSON has it; nothing for other text.
pub(super) fn output(text: &str) -> Option<Value> {
    text.starts_with(HEADING).then(|| sections(text))
}

fn sections(text: &str) -> Value {
    let mut contracts = Map::new();
    let (mut name, mut part) = ("", Part::Other);
    let (mut bin, mut abi) = (Bin::default(), None);
    for line in text.lines().chain([HEADING]) {
        let heading = line.strip_prefix(HEADING);
        if let Some(next) = heading {
            if !name.is_empty() {
                contracts.insert(name.to_owned(), contract(std::mem::take(&mut bin), abi.take()));
            }
            (name, part) = (next.trim_end_matches('=').trim(), Part::Other);
            continue;
        }
        match (line.trim(), &part) {
            ("Binary:", _) => part = Part::Bin,
            ("Contract JSON ABI", _) => part = Part::Abi,
            (heading, _) if heading.ends_with(':') => part = Part::Other,
            (line, Part::Bin) => bin = bin.with(line),
            (line, Part::Abi) if !line.is_empty() => abi = Some(line.to_owned()),
            _ => {}
        }
    }
    json!({ "contracts": contracts })
}

/// What the lines below a heading are.
enum Part {
    Bin,
    Abi,
    Other,
}

fn contract(bin: Bin, abi: Option<String>) -> Value {
    let mut links = Map::new();
    for library in &bin.libraries {
        let (file, name) = library.rsplit_once(':').unwrap_or(("", library));
        if let Some(names) = links.entry(file).or_insert_with(|| json!({})).as_object_mut() {
            names.insert(name.to_owned(), json!([]));
        }
    }
    let mut contract = json!({ "bin": bin.digits, "evm": { "bytecode": { "linkReferences": links } } });
    // Not every call of the compiler asks for the ABI.
    if let (Some(fields), Some(abi)) = (contract.as_object_mut(), abi) {
        fields.insert("abi".to_owned(), Value::String(abi));
    }
    contract
}
