//! Reads the code that is to be deployed, and tells its runtime if nobody said it.

use std::io::{ErrorKind, Write};
use std::path::Path;

use vm_core::{Code, ContractName, RuntimeKind};
use vm_host::Config;
use vm_host::code::{CodeFile, Loaded};

use super::arguments::CodeArgs;
use super::failure::{Usage, unusable};

/// The contract that code is for.
pub(super) struct Upgraded<'n> {
    pub(super) name: &'n ContractName,
    pub(super) runtime: RuntimeKind,
    pub(super) change_runtime: bool,
}

impl Upgraded<'_> {
    /// The runtime of code for it, where the arguments do not say it: its own, or the file's where that may be another one.
    fn runtime(&self, args: &CodeArgs) -> Result<RuntimeKind, Usage> {
        let path = Path::new(&args.file);
        let is_linked = vm_host::SAMPLE_CONTRACTS.contains(&args.file.as_str()) && !path.exists();
        let found = match is_linked {
            true => Some(RuntimeKind::Native),
            // What cannot be read is told later.
            false => std::fs::read(path).ok().and_then(|bytes| guess(path, &bytes)),
        };
        let Self { name, runtime, change_runtime } = self;
        // Text may as well name an image.
        let is_text = *runtime == RuntimeKind::Docker && found == Some(RuntimeKind::Evm);
        match found.filter(|found| found != runtime && !is_text) {
            None => Ok(*runtime),
            Some(found) if *change_runtime => Ok(found),
            Some(found) => {
                let change = match (runtime, found) {
                    (RuntimeKind::Evm, _) | (_, RuntimeKind::Evm) => String::new(),
                    _ => format!(", or change the contract's runtime with --change-runtime --runtime {found}"),
                };
                let file = &args.file;
                Err(Usage(format!(
                    "{file} is code for {found}, and contract {name} runs on {runtime}; give code for {runtime}{change}"
                )))
            }
        }
    }
}

/// The code that the arguments name, for a new contract or for one that there is.
pub(super) fn load(config: &Config, args: &CodeArgs, of: Option<Upgraded<'_>>) -> anyhow::Result<Code> {
    let path = Path::new(&args.file);
    let is_linked = vm_host::SAMPLE_CONTRACTS.contains(&args.file.as_str());
    let runtime = match (args.runtime, of) {
        (None, Some(of)) => Some(of.runtime(args)?),
        (runtime, _) => runtime,
    };
    let mut code = match runtime {
        Some(RuntimeKind::Native) => Code::new(RuntimeKind::Native, args.file.as_bytes()),
        None if is_linked && !path.exists() => Code::new(RuntimeKind::Native, args.file.as_bytes()),
        _ => {
            let bytes = std::fs::read(path).map_err(|error| match error.kind() {
                ErrorKind::NotFound if runtime.is_none() && !args.file.contains(['/', '.']) => {
                    let linked = vm_host::SAMPLE_CONTRACTS.join(", ");
                    let file = path.display();
                    Usage(format!(
                        "there is no file {file}, and no contract of this name is linked; those are: {linked}"
                    ))
                    .into()
                }
                _ => unusable("read", path, &error),
            })?;
            let runtime = runtime.or_else(|| guess(path, &bytes)).ok_or_else(|| {
                Usage(format!("cannot tell what {} is; name its runtime with --runtime", path.display()))
            })?;
            heeded(args, runtime)?;
            let mut file = CodeFile::new(path, bytes);
            file.abi = abi(args)?;
            file.abi_path.clone_from(&args.abi);
            file.abi_contract.clone_from(&args.abi_contract);
            file.contract.clone_from(&args.contract);
            file.remappings.clone_from(&args.remappings);
            file.include_paths.clone_from(&args.include_paths);
            let Loaded { code, notes, .. } = file.load(config, runtime)?;
            for note in notes {
                // A note that nobody can read is no reason to fail.
                let _ = writeln!(anstream::stderr(), "{note}");
            }
            code
        }
    };
    if code.runtime == RuntimeKind::Native {
        code.abi = abi(args)?;
    }
    code.options = args.options.iter().cloned().collect();
    Ok(code)
}

/// Refuses options that would be of no use.
fn heeded(args: &CodeArgs, runtime: RuntimeKind) -> Result<(), Usage> {
    let is_source = args.file.ends_with(".sol");
    let idle = if args.contract.is_some() && runtime != RuntimeKind::Evm {
        "--contract is for artefacts and sources of Solidity"
    } else if args.abi_contract.is_some() && runtime != RuntimeKind::Evm {
        "--abi-contract is for artefacts of Solidity"
    } else if is_source || (args.remappings.is_empty() && args.include_paths.is_empty()) {
        return Ok(());
    } else {
        "--remapping and --include-path are for Solidity sources (.sol)"
    };
    Err(Usage(format!("{idle}; leave out what does nothing for {}", args.file)))
}

fn abi(args: &CodeArgs) -> anyhow::Result<Option<String>> {
    let read = |abi| std::fs::read_to_string(abi).map_err(|error| unusable("read", abi, &error));
    args.abi.as_deref().map(read).transpose()
}

/// The runtime that executes files like this one.
fn guess(path: &Path, bytes: &[u8]) -> Option<RuntimeKind> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii();
    let digits = text.strip_prefix(b"0x").unwrap_or(text);
    // JSON, what solc prints, or hex, where placeholders of libraries may come after the first digits.
    let is_json = text.starts_with(b"{") || text.starts_with(b"[");
    let begins_with_hex = !digits.is_empty() && digits.iter().take(8).all(u8::is_ascii_hexdigit);
    let is_hex = begins_with_hex && digits.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace());
    let named = |extension: &str| path.extension().is_some_and(|found| found == extension);
    let is_source = named("sol");
    if bytes.starts_with(b"\0asm") {
        Some(RuntimeKind::Wasm)
    } else if bytes.starts_with(b"\x7fELF") || bytes.get(257..262) == Some(b"ustar") {
        Some(RuntimeKind::Docker)
    } else if is_source || is_json || is_hex || text.starts_with(b"=======") {
        Some(RuntimeKind::Evm)
    } else if named("wasm") || named("wat") {
        // It is none, and the gate says what it is instead.
        Some(RuntimeKind::Wasm)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_tell_their_runtime() {
        let tar = [vec![b'x'; 257], b"ustar\0".to_vec()].concat();
        for (bytes, runtime) in [
            (&b"\0asm\x01\0\0\0"[..], Some(RuntimeKind::Wasm)),
            (b"\x7fELF\x02\x01", Some(RuntimeKind::Docker)),
            (&tar, Some(RuntimeKind::Docker)),
            (b"0x6080\n", Some(RuntimeKind::Evm)),
            (b"6080", Some(RuntimeKind::Evm)),
            (b" {\"bytecode\": {}}", Some(RuntimeKind::Evm)),
            (b"\xef\xbb\xbf{}", Some(RuntimeKind::Evm)),
            (b"60806040__$aabb$__6080\n\n// $aabb$ -> A.sol:A", Some(RuntimeKind::Evm)),
            (b"\n======= A.sol:A =======\nBinary:\n", Some(RuntimeKind::Evm)),
            (b"60 is a number", None),
            (b"fn main() {}", None),
            (b"0x", None),
            (b"", None),
        ] {
            assert_eq!(guess(Path::new("file"), bytes), runtime, "{:?}", bytes.escape_ascii().to_string());
        }
        // The content decides before the name does.
        for (name, bytes, runtime) in [
            ("a.wasm", &b""[..], Some(RuntimeKind::Wasm)),
            ("a.wasm", b"\0as", Some(RuntimeKind::Wasm)),
            ("a.wasm", b"fn main() {}", Some(RuntimeKind::Wasm)),
            ("a.wat", b";; a contract\n(module)", Some(RuntimeKind::Wasm)),
            ("a.wasm", b"0x6080", Some(RuntimeKind::Evm)),
            ("a.wasm", b"\x7fELF\x02\x01", Some(RuntimeKind::Docker)),
            ("a.sol", b"contract A {}", Some(RuntimeKind::Evm)),
        ] {
            assert_eq!(guess(Path::new(name), bytes), runtime, "{name} {:?}", bytes.escape_ascii().to_string());
        }
    }
}
