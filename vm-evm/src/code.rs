//! Creation code as it is handed in: hex text, as compilers write it, or the bytes themselves.

use vm_core::{Code, CodeError};

use crate::{EvmConfig, Lacking, analysis, analyze};

/// An option of [`Code::options`].
const MIGRATE: &str = "migrate";

/// The creation code's bytes. A function of the code alone, so that what was deployed stays readable.
pub(crate) fn creation_code(code: &Code) -> Result<Vec<u8>, CodeError> {
    for (magic, what) in [(b"\0asm", "a WebAssembly module"), (b"\x7fELF", "an executable")] {
        if code.bytes.starts_with(magic) {
            return Err(CodeError::new(
                "code-other",
                format!("this is {what}, not EVM code: deploy it for its own runtime"),
            ));
        }
    }
    let bytes = match std::str::from_utf8(&code.bytes) {
        Ok(text) => from_text(text.trim(), &code.bytes)?,
        Err(_) => code.bytes.clone(),
    };
    if bytes.is_empty() {
        return Err(CodeError::new("code-empty", "there is no code: expected creation code as hex text or bytes"));
    }
    Ok(bytes)
}

/// Refuses code that is longer than the fork allows, or can reach an opcode which the fork lacks or the configuration does not
/// want. For new code: what is deployed stays callable when the configuration becomes stricter, and stops where it reaches
/// such an opcode.
pub(crate) fn permitted(bytes: &[u8], config: &EvmConfig) -> Result<(), CodeError> {
    if let Some(most) = config.max_creation_code().filter(|most| bytes.len() > *most) {
        let message = format!(
            "the creation code has {} bytes, {} allows {most} (EIP-3860): split the contract or let the compiler optimise for size",
            bytes.len(),
            config.fork()
        );
        return Err(CodeError::new("code-too-long", message));
    }
    let report = analyze(bytes, config.fork());
    if let Some(lacking) = report.parts().find_map(|part| part.lacking.first()) {
        let Lacking { opcode, offset, since } = lacking;
        let message = format!(
            "{opcode} at offset {offset} is not an opcode of {}: it came with {since}; compile for {} (solc --evm-version, evm_version in foundry.toml, evmVersion in Hardhat), or choose a newer fork",
            config.fork(),
            config.fork(),
        );
        return Err(CodeError::new("opcode-missing", message));
    }
    match analysis::refused(&report, bytes, config.refused_opcodes()).first() {
        None => Ok(()),
        Some((offset, opcode)) => Err(CodeError::new(
            "opcode-refused",
            format!("{opcode} at offset {offset} is refused by this machine's configuration (refuse_opcodes)"),
        )),
    }
}

/// Refuses text that is no hex, but would be taken for code, such as all that a compiler printed. For new code, as
/// [`permitted`].
pub(crate) fn not_text(code: &Code) -> Result<(), CodeError> {
    let is_hex = |text: &str| text.strip_prefix("0x").unwrap_or(text).bytes().all(|b| b.is_ascii_hexdigit());
    let prints = |text: &str| text.len() >= 4 && text.chars().all(|c| !c.is_control() || c.is_ascii_whitespace());
    match std::str::from_utf8(&code.bytes).map(str::trim) {
        Ok(text) if prints(text) && !is_hex(text) => Err(CodeError::new(
            "code-text",
            "this is text, not code: give creation code as hex text without anything else, or as bytes",
        )),
        _ => Ok(()),
    }
}

/// True for what a person typed: code has bytes that do not print.
fn is_readable(text: &str) -> bool {
    text.len() >= 4 && !text.chars().any(char::is_control)
}

/// Hex digits are decoded; other text may still be raw code that happens to be UTF-8.
fn from_text(text: &str, raw: &[u8]) -> Result<Vec<u8>, CodeError> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let bad = digits.bytes().position(|b| !b.is_ascii_hexdigit());
    match bad {
        None if digits.len() % 2 == 1 => Err(CodeError::new(
            "hex-odd",
            format!("the hex text has {} digits, an odd number: it is cut off", digits.len()),
        )),
        None => hex::decode(digits).map_err(|e| CodeError::new("hex-invalid", e.to_string())),
        Some(_) if text.starts_with(['{', '[']) => Err(CodeError::new(
            "code-json",
            "this is JSON, not code: read it as an artefact (vm_evm::artifact), or give the content of its 'bytecode' as hex text",
        )),
        Some(at) if digits.get(at..).is_some_and(|rest| rest.starts_with("__")) => Err(CodeError::new(
            "code-unlinked",
            format!(
                "the code refers to a library that is not linked, at digit {at}: link it with the compiler (--libraries)"
            ),
        )),
        Some(at) if text.len() != digits.len() || at >= 8 || is_readable(text) => Err(CodeError::new(
            "hex-invalid",
            format!(
                "'{}' at digit {at} is not a hex digit",
                digits.get(at..).and_then(|r| r.chars().next()).unwrap_or(' ').escape_debug()
            ),
        )),
        Some(_) => Ok(raw.to_vec()),
    }
}

/// Whether an upgrade keeps what the constructor does, by the option `migrate`.
pub(crate) fn migrates(code: &Code) -> Result<bool, CodeError> {
    let bad = |message| Err(CodeError::new("option-unknown", message));
    let mut migrates = false;
    for (key, value) in &code.options {
        match (key.as_str(), value.as_str()) {
            (MIGRATE, "constructor") => migrates = true,
            (MIGRATE, "none") => migrates = false,
            (MIGRATE, other) => {
                return bad(format!("option migrate = \"{other}\" is unknown: expected \"constructor\" or \"none\""));
            }
            (other, _) => return bad(format!("option '{other}' is unknown to the evm: it has only 'migrate'")),
        }
    }
    Ok(migrates)
}

#[cfg(test)]
mod tests {
    use vm_core::RuntimeKind;

    use super::*;
    use crate::Fork;

    fn code(bytes: &[u8]) -> Code {
        Code::new(RuntimeKind::Evm, bytes)
    }

    #[test]
    fn hex_and_raw_are_the_same() {
        for given in [&b"600a"[..], b"0x600A", b" 0x600a\n", &[0x60, 0x0a]] {
            assert_eq!(creation_code(&code(given)), Ok(vec![0x60, 0x0a]), "{given:?}");
        }
    }

    #[test]
    fn rejections_say_what_to_do() {
        for (given, rule, want) in [
            (&b""[..], "code-empty", "hex text or bytes"),
            (b"0x", "code-empty", "hex text or bytes"),
            (b"0x600", "hex-odd", "3 digits"),
            (b"0x60zz", "hex-invalid", "'z' at digit 2"),
            (b"60zz", "hex-invalid", "'z' at digit 2"),
            (b"hello", "hex-invalid", "'h' at digit 0"),
            (b"\0asm\x01\0\0\0", "code-other", "WebAssembly module"),
            (b"\x7fELF\x02\x01", "code-other", "an executable"),
            (b"608060405260zz", "hex-invalid", "at digit 12"),
            (b"{\"bytecode\": \"0x60\"}", "code-json", "bytecode"),
            (b"6080__$aabb$__6080", "code-unlinked", "--libraries"),
        ] {
            let error = creation_code(&code(given)).unwrap_err();
            assert_eq!(error.rule(), rule, "{given:?}");
            assert!(error.to_string().contains(want), "{error}");
        }
        let long = vec![0; 49_153];
        assert_eq!(permitted(&long, &EvmConfig::new(Fork::Osaka)).unwrap_err().rule(), "code-too-long");
        assert_eq!(permitted(&long, &EvmConfig::new(Fork::Paris)), Ok(()));
    }

    #[test]
    fn printed_text_is_no_code() {
        let printed = "\n======= A.sol:A =======\nBinary:\n5f5ff3\n";
        assert_eq!(not_text(&code(printed.as_bytes())).unwrap_err().rule(), "code-text");
        for given in [&b"600a"[..], b" 0x600A\n", &[0x60, 0x0a, b'a', b'b', 0], &[0x60, 0xff]] {
            assert_eq!(not_text(&code(given)), Ok(()), "{given:?}");
        }
    }

    #[test]
    fn options() {
        let with = |key: &str, value: &str| migrates(&code(b"00").with_option(key, value));
        assert_eq!(migrates(&code(b"00")), Ok(false));
        assert_eq!(with("migrate", "constructor"), Ok(true));
        assert_eq!(with("migrate", "none"), Ok(false));
        assert!(with("migrate", "yes").unwrap_err().to_string().contains("expected \"constructor\""));
        assert!(with("optimise", "1").unwrap_err().to_string().contains("only 'migrate'"));
    }
}
