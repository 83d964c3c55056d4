//! Reads the code that is to be deployed, and tells its runtime if nobody said it.

use std::io::Write;
use std::path::Path;

use vm_core::{Code, RuntimeKind};
use vm_host::Config;
use vm_host::code::{CodeFile, Loaded};

use super::arguments::CodeArgs;
use super::failure::{Usage, unusable};

/// The code that the arguments name. `known` is the runtime if they do not say it: that of the contract to upgrade.
pub(super) fn load(config: &Config, args: &CodeArgs, known: Option<RuntimeKind>) -> anyhow::Result<Code> {
    let path = Path::new(&args.file);
    let is_linked = vm_host::SAMPLE_CONTRACTS.contains(&args.file.as_str());
    let runtime = args.runtime.or(known);
    let mut code = match runtime {
        Some(RuntimeKind::Native) => Code::new(RuntimeKind::Native, args.file.as_bytes()),
        None if is_linked && !path.exists() => Code::new(RuntimeKind::Native, args.file.as_bytes()),
        _ => {
            let bytes = std::fs::read(path).map_err(|error| unusable("read", path, &error))?;
            let runtime = runtime.or_else(|| guess(path, &bytes)).ok_or_else(|| {
                Usage(format!("cannot tell what {} is; name its runtime with --runtime", path.display()))
            })?;
            let mut file = CodeFile::new(path, bytes);
            file.abi = abi(args)?;
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

fn abi(args: &CodeArgs) -> anyhow::Result<Option<String>> {
    let read = |abi| std::fs::read_to_string(abi).map_err(|error| unusable("read", abi, &error));
    args.abi.as_deref().map(read).transpose()
}

/// The runtime that executes files like this one.
fn guess(path: &Path, bytes: &[u8]) -> Option<RuntimeKind> {
    let text = bytes.trim_ascii();
    let digits = text.strip_prefix(b"0x").unwrap_or(text);
    let is_solidity = text.starts_with(b"{") || path.extension().is_some_and(|extension| extension == "sol");
    if bytes.starts_with(b"\0asm") {
        Some(RuntimeKind::Wasm)
    } else if bytes.starts_with(b"\x7fELF") || bytes.get(257..262) == Some(b"ustar") {
        Some(RuntimeKind::Docker)
    } else if is_solidity || (!digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit)) {
        Some(RuntimeKind::Evm)
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
            (b"fn main() {}", None),
            (b"0x", None),
            (b"", None),
        ] {
            assert_eq!(guess(Path::new("file"), bytes), runtime, "{:?}", bytes.escape_ascii().to_string());
        }
    }
}
