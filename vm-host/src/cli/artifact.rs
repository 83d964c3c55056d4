//! Reads the code that is to be deployed, and tells its runtime if nobody said it.

use std::path::Path;

use vm_core::{Code, RuntimeKind};

use super::arguments::CodeArgs;
use super::failure::{Usage, unusable};

/// The code that the arguments name. `known` is the runtime if they do not say it: that of the contract to upgrade.
pub(super) fn load(args: &CodeArgs, known: Option<RuntimeKind>) -> anyhow::Result<Code> {
    let path = Path::new(&args.file);
    let is_linked = vm_host::SAMPLE_CONTRACTS.contains(&args.file.as_str());
    let runtime = args.runtime.or(known);
    let mut code = match runtime {
        Some(RuntimeKind::Native) => Code::new(RuntimeKind::Native, args.file.as_bytes()),
        None if is_linked && !path.exists() => Code::new(RuntimeKind::Native, args.file.as_bytes()),
        _ => {
            let bytes = std::fs::read(path).map_err(|error| unusable("read", path, &error))?;
            let runtime = runtime.or_else(|| guess(&bytes)).ok_or_else(|| {
                Usage(format!("cannot tell what {} is; name its runtime with --runtime", path.display()))
            })?;
            Code::new(runtime, bytes)
        }
    };
    if let Some(abi) = &args.abi {
        code.abi = Some(std::fs::read_to_string(abi).map_err(|error| unusable("read", abi, &error))?);
    }
    code.options = args.options.iter().cloned().collect();
    Ok(code)
}

/// The runtime that executes files like this one.
fn guess(bytes: &[u8]) -> Option<RuntimeKind> {
    let text = bytes.trim_ascii();
    let digits = text.strip_prefix(b"0x").unwrap_or(text);
    if bytes.starts_with(b"\0asm") {
        Some(RuntimeKind::Wasm)
    } else if bytes.starts_with(b"\x7fELF") || bytes.get(257..262) == Some(b"ustar") {
        Some(RuntimeKind::Docker)
    } else if !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit) {
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
            (b"fn main() {}", None),
            (b"0x", None),
            (b"", None),
        ] {
            assert_eq!(guess(bytes), runtime, "{:?}", bytes.escape_ascii().to_string());
        }
    }
}
