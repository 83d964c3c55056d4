//! Why a call reverted, in words.

use alloy_dyn_abi::DynSolValue;
use alloy_json_abi::{JsonAbi, Param};

use super::{decode::decode, value};

/// Selector of `Error(string)`.
pub(super) const ERROR_STRING: [u8; 4] = [0x08, 0xc3, 0x79, 0xa0];
const PANIC_UINT256: [u8; 4] = [0x4e, 0x48, 0x7b, 0x71];

/// The reason in revert data: `Error(string)`, `Panic(uint256)` by its meaning, a custom error of the ABI by name, plain
/// UTF-8 text (as contracts of other runtimes revert), else the bytes in hex.
pub(super) fn reason(abi: Option<&JsonAbi>, data: &[u8]) -> String {
    if data.is_empty() {
        return "reverted without a reason".to_owned();
    }
    standard(data)
        .or_else(|| custom(abi?, data))
        .or_else(|| plain(data))
        .unwrap_or_else(|| format!("0x{}", hex::encode(data)))
}

fn standard(data: &[u8]) -> Option<String> {
    let (selector, body) = data.split_first_chunk::<4>()?;
    let decoded = |ty| decode(&[Param::parse(ty).ok()?], body)?.pop();
    match *selector {
        ERROR_STRING => match decoded("string")? {
            DynSolValue::String(text) => Some(text),
            _ => None,
        },
        PANIC_UINT256 => match decoded("uint256")? {
            DynSolValue::Uint(code, _) => Some(match u8::try_from(code) {
                Ok(code) => format!("panic 0x{code:02x}: {}", meaning(code)),
                Err(_) => format!("panic {code:#x}"),
            }),
            _ => None,
        },
        _ => None,
    }
}

/// Panic codes of the Solidity documentation, "Panic via assert and Error via require".
const fn meaning(code: u8) -> &'static str {
    match code {
        0x00 => "generic panic of the compiler",
        0x01 => "assertion failed",
        0x11 => "arithmetic overflow or underflow",
        0x12 => "division or modulo by zero",
        0x21 => "value out of range of the enum",
        0x22 => "storage byte array is encoded incorrectly",
        0x31 => "pop on an empty array",
        0x32 => "index out of bounds",
        0x41 => "too much memory allocated",
        0x51 => "call of an uninitialised internal function",
        _ => "unknown code",
    }
}

fn custom(abi: &JsonAbi, data: &[u8]) -> Option<String> {
    let (selector, body) = data.split_first_chunk::<4>()?;
    let error = abi.errors().find(|error| error.selector() == *selector)?;
    let values = decode(&error.inputs, body)?;
    let fields: Vec<_> = error.inputs.iter().zip(&values).map(|(param, v)| value::named(&param.name, v)).collect();
    Some(format!("{}({})", error.name, fields.join(", ")))
}

fn plain(data: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(data).ok()?;
    text.chars().all(|c| !c.is_control() || c == '\n').then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(selector: [u8; 4], value: DynSolValue) -> Vec<u8> {
        [selector.to_vec(), DynSolValue::Tuple(vec![value]).abi_encode_params()].concat()
    }

    #[test]
    fn every_kind_of_reason() {
        let abi: JsonAbi = serde_json::from_str(
            r#"[{"type":"error","name":"TooPoor","inputs":[{"name":"who","type":"address"},{"name":"","type":"uint256"}]}]"#,
        )
        .unwrap();
        let too_poor = abi.errors().next().unwrap().selector().0;
        let arguments = DynSolValue::Tuple(vec![
            DynSolValue::Address(alloy_primitives::Address::ZERO),
            DynSolValue::Uint(alloy_primitives::U256::from(7), 256),
        ]);
        let custom = [too_poor.to_vec(), arguments.abi_encode_params()].concat();
        let panic = |code: u64| with(PANIC_UINT256, DynSolValue::Uint(alloy_primitives::U256::from(code), 256));
        for (data, want) in [
            (vec![], "reverted without a reason".to_owned()),
            (with(ERROR_STRING, DynSolValue::String("no way".into())), "no way".to_owned()),
            (panic(0x11), "panic 0x11: arithmetic overflow or underflow".to_owned()),
            (panic(0x99), "panic 0x99: unknown code".to_owned()),
            (panic(0x1234), "panic 0x1234".to_owned()),
            (custom.clone(), "TooPoor(who: 0x0000000000000000000000000000000000000000, 7)".to_owned()),
            (b"frozen".to_vec(), "frozen".to_owned()),
            (vec![0xff, 0x00], "0xff00".to_owned()),
            (vec![0x08, 0xc3, 0x79, 0xa0, 0xff], "0x08c379a0ff".to_owned()),
        ] {
            assert_eq!(reason(Some(&abi), &data), want);
        }
        assert_eq!(reason(None, &custom), format!("0x{}", hex::encode(&custom)));
    }
}
