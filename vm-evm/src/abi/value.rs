//! Text to Solidity values and back.

use alloy_dyn_abi::{DynSolType, DynSolValue};
use alloy_primitives::{Address, B256, Function, I256, U256};

use super::{
    call,
    literal::{self, Literal},
    shape::Shape,
};

/// Reads the text of one argument. The error goes on after "but '...' ": "is not a number from 0 to 255".
pub(super) fn from_text(shape: &Shape, text: &str) -> Result<DynSolValue, String> {
    match shape {
        // A whole argument of type string needs no quotes: the text is the value.
        Shape::Scalar(DynSolType::String) => Ok(DynSolValue::String(text.to_owned())),
        Shape::Scalar(ty) => scalar(ty, text.trim()),
        _ => literal::parse(text)
            .and_then(|literal| from_literal(shape, &literal))
            .map_err(|e| format!("does not fit: {e}")),
    }
}

/// Reads a value of a text that was taken apart.
pub(super) fn from_literal(shape: &Shape, literal: &Literal) -> Result<DynSolValue, String> {
    match (shape, literal) {
        (Shape::Scalar(DynSolType::String), Literal::Word(text) | Literal::Quoted(text)) => {
            Ok(DynSolValue::String(text.clone()))
        }
        (Shape::Scalar(ty), Literal::Word(text) | Literal::Quoted(text)) => {
            let text = text.trim();
            scalar(ty, text).map_err(|why| format!("'{}' {why}", short(text)))
        }
        (Shape::List(item, len), Literal::List(items)) => {
            if len.is_some_and(|len| len != items.len()) {
                return Err(format!("{} has not {} elements", shape.describe(), items.len()));
            }
            let values = items
                .iter()
                .enumerate()
                .map(|(i, literal)| from_literal(item, literal).map_err(|e| format!("element {i}: {e}")))
                .collect::<Result<_, _>>()?;
            Ok(match len {
                Some(_) => DynSolValue::FixedArray(values),
                None => DynSolValue::Array(values),
            })
        }
        (Shape::Tuple(fields), Literal::List(items)) => {
            if fields.len() != items.len() {
                return Err(format!("{} has not {} fields", shape.describe(), items.len()));
            }
            fields
                .iter()
                .zip(items)
                .enumerate()
                .map(|(i, ((name, field), literal))| {
                    from_literal(field, literal).map_err(|e| match name.as_str() {
                        "" => format!("field {i}: {e}"),
                        name => format!("field '{name}': {e}"),
                    })
                })
                .collect::<Result<_, _>>()
                .map(DynSolValue::Tuple)
        }
        (Shape::Tuple(fields), Literal::Object(given)) => from_object(shape, fields, given),
        _ => Err(format!("expected {} here", shape.describe())),
    }
}

fn from_object(shape: &Shape, fields: &[(String, Shape)], given: &[(String, Literal)]) -> Result<DynSolValue, String> {
    let unknown = given.iter().find(|(name, _)| !fields.iter().any(|(field, _)| field == name));
    if let Some((name, _)) = unknown {
        return Err(format!("{} has no field '{}'", shape.describe(), short(name)));
    }
    fields
        .iter()
        .map(|(name, field)| {
            let mut values = given.iter().filter(|(given, _)| given == name);
            match (values.next(), values.next()) {
                (Some((_, literal)), None) => from_literal(field, literal).map_err(|e| format!("field '{name}': {e}")),
                (None, _) => Err(format!("field '{name}' of {} is missing", shape.describe())),
                (Some(_), Some(_)) => Err(format!("field '{name}' is given twice")),
            }
        })
        .collect::<Result<_, _>>()
        .map(DynSolValue::Tuple)
}

fn scalar(ty: &DynSolType, text: &str) -> Result<DynSolValue, String> {
    let digits = |bytes: usize| format!("is not {} hex digits", 2 * bytes);
    match *ty {
        DynSolType::Bool => match text {
            "true" => Ok(DynSolValue::Bool(true)),
            "false" => Ok(DynSolValue::Bool(false)),
            _ => Err("is neither true nor false".to_owned()),
        },
        DynSolType::Uint(bits) => unsigned(text)
            .filter(|value| value.bit_len() <= bits)
            .map(|value| DynSolValue::Uint(value, bits))
            .ok_or_else(|| format!("is not a number from {}", range(false, bits))),
        DynSolType::Int(bits) => signed(text, bits)
            .map(|value| DynSolValue::Int(value, bits))
            .ok_or_else(|| format!("is not a number from {}", range(true, bits))),
        DynSolType::Address => text
            .parse::<vm_core::Address>()
            .map(|address| DynSolValue::Address(Address::new(*address.as_bytes())))
            .map_err(|error| error.why().to_owned()),
        DynSolType::Bytes if text.contains('(') => call::encode(text).map(DynSolValue::Bytes),
        DynSolType::Bytes => hex_bytes(text).map(DynSolValue::Bytes).ok_or_else(|| {
            "is not hexadecimal; give hex digits, or a call such as initialize(address,uint256)(alice, 5)".to_owned()
        }),
        DynSolType::FixedBytes(len) => fixed(text, len)
            .map(|bytes| {
                let mut word = B256::ZERO;
                word.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
                DynSolValue::FixedBytes(word, len)
            })
            .ok_or_else(|| digits(len)),
        DynSolType::Function => fixed(text, 24)
            .and_then(|bytes| Function::try_from(bytes.as_slice()).ok())
            .map(DynSolValue::Function)
            .ok_or_else(|| format!("{}, an address and a selector", digits(24))),
        _ => Err(format!("cannot be read as {ty}")),
    }
}

/// Decimal or `0x` hexadecimal, with `_` between digits.
fn unsigned(text: &str) -> Option<U256> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    // Underscores separate digits; the number parser would take other things for separators too.
    let is_digits = |digits: &str| digits.chars().all(|c| c == '_' || c.is_digit(radix));
    if digits.is_empty() || !is_digits(digits) || digits.starts_with('_') || digits.ends_with('_') {
        return None;
    }
    U256::from_str_radix(&digits.replace('_', ""), u64::from(radix)).ok()
}

fn signed(text: &str, bits: usize) -> Option<I256> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let magnitude = unsigned(digits)?;
    let limit = U256::ONE << (bits - 1);
    if negative {
        (magnitude <= limit).then(|| I256::from_raw(magnitude.wrapping_neg()))
    } else {
        (magnitude < limit).then(|| I256::from_raw(magnitude))
    }
}

fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    hex::decode(text.strip_prefix("0x").unwrap_or(text)).ok()
}

fn fixed(text: &str, len: usize) -> Option<Vec<u8>> {
    hex_bytes(text).filter(|bytes| bytes.len() == len)
}

/// `0 to 255`, `-2^255 to 2^255 - 1`.
fn range(signed: bool, bits: usize) -> String {
    let exponent = if signed { bits - 1 } else { bits };
    let end = u32::try_from(exponent).ok().filter(|e| *e <= 64).map(|e| 1_i128 << e);
    match (signed, end) {
        (false, Some(end)) => format!("0 to {}", end - 1),
        (false, None) => format!("0 to 2^{bits} - 1"),
        (true, Some(end)) => format!("-{end} to {}", end - 1),
        (true, None) => format!("-2^{exponent} to 2^{exponent} - 1"),
    }
}

/// Keeps error messages readable when an argument is a megabyte.
pub(super) fn short(text: &str) -> String {
    const MAX: usize = 80;
    match text.char_indices().nth(MAX) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The text of a value, in the form that [`from_text`] reads.
pub(super) fn to_text(value: &DynSolValue) -> String {
    match value {
        DynSolValue::String(text) => text.clone(),
        _ => inner_text(value),
    }
}

/// The text of a value inside a list or an event: strings are quoted.
fn inner_text(value: &DynSolValue) -> String {
    match value {
        DynSolValue::Bool(value) => value.to_string(),
        DynSolValue::Int(value, _) => value.to_string(),
        DynSolValue::Uint(value, _) => value.to_string(),
        DynSolValue::Address(value) => format!("0x{}", hex::encode(value)),
        DynSolValue::Function(value) => format!("0x{}", hex::encode(value)),
        DynSolValue::FixedBytes(word, len) => format!("0x{}", hex::encode(word.get(..*len).unwrap_or_default())),
        DynSolValue::Bytes(bytes) => format!("0x{}", hex::encode(bytes)),
        DynSolValue::String(text) => serde_json::Value::from(text.as_str()).to_string(),
        DynSolValue::Array(items) | DynSolValue::FixedArray(items) => format!("[{}]", join(items)),
        DynSolValue::Tuple(items) => format!("({})", join(items)),
    }
}

/// `name: value`, or the value alone when it has no name.
pub(super) fn named(name: &str, value: &DynSolValue) -> String {
    match name {
        "" => inner_text(value),
        name => format!("{name}: {}", inner_text(value)),
    }
}

fn join(items: &[DynSolValue]) -> String {
    items.iter().map(inner_text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(ty: &str) -> Shape {
        Shape::new(&alloy_json_abi::Param::parse(ty).unwrap()).unwrap()
    }

    #[test]
    fn texts_round_trip() {
        for (ty, text) in [
            ("bool", "true"),
            ("uint8", "255"),
            ("uint256", "115792089237316195423570985008687907853269984665640564039457584007913129639935"),
            ("int8", "-128"),
            ("int256", "-57896044618658097711785492504343953926634992332820282019728792003956564819968"),
            ("address", "0x00000000000000000000000000000000000000ff"),
            ("bytes", "0x"),
            ("bytes", "0x00ff"),
            ("bytes4", "0xdeadbeef"),
            ("string", ""),
            ("string", "  any \"text\" [stays, as] it is  "),
            ("uint8[]", "[]"),
            ("uint8[3]", "[1, 2, 3]"),
            ("string[]", r#"["a", "b \"c\""]"#),
            ("(uint256,string)[]", r#"[(1, "x"), (2, "y")]"#),
            ("(bool,(int16[2],bytes2))", "(false, ([-1, 1], 0xabcd))"),
        ] {
            let value = from_text(&shape(ty), text).unwrap_or_else(|e| panic!("{ty} {text}: {e}"));
            assert_eq!(to_text(&value), text, "{ty}");
        }
    }

    #[test]
    fn other_texts_of_the_same_value() {
        for (ty, text, same) in [
            ("uint256", "0xff", "255"),
            ("uint256", " 1_000 ", "1000"),
            ("int16", "-0x10", "-16"),
            ("int8", "-0", "0"),
            ("bytes", "00ff", "0x00ff"),
            ("string[]", "[a, b c]", r#"["a", "b c"]"#),
            ("(uint8,bool)", "[1, true]", "(1, true)"),
            ("uint8[2]", r#"["1", "0x2"]"#, "[1, 2]"),
        ] {
            let shape = shape(ty);
            assert_eq!(from_text(&shape, text), from_text(&shape, same), "{ty} {text}");
            assert!(from_text(&shape, text).is_ok(), "{ty} {text}");
        }
    }

    #[test]
    fn names_are_addresses() {
        let want = Address::new(*vm_core::Address::from_name("alice").as_bytes());
        assert_eq!(from_text(&shape("address"), "alice"), Ok(DynSolValue::Address(want)));
        assert_eq!(from_text(&shape("address[]"), "[alice]"), Ok(DynSolValue::Array(vec![DynSolValue::Address(want)])));
    }

    #[test]
    fn wrong_texts_say_what_was_expected() {
        for (ty, text, want) in [
            ("bool", "yes", "is neither true nor false"),
            ("uint8", "256", "is not a number from 0 to 255"),
            ("uint8", "-1", "is not a number from 0 to 255"),
            ("uint64", "1e3", "is not a number from 0 to 18446744073709551615"),
            ("uint256", "", "is not a number from 0 to 2^256 - 1"),
            ("uint256", "0x", "is not a number"),
            ("uint256", "_7", "is not a number"),
            ("uint256", "7_", "is not a number"),
            ("uint256", "+1", "is not a number"),
            ("int8", "128", "is not a number from -128 to 127"),
            ("int8", "-129", "is not a number from -128 to 127"),
            ("int256", "--1", "is not a number from -2^255 to 2^255 - 1"),
            ("address", "0x12", "is not an address"),
            ("bytes", "0xf", "is not hexadecimal"),
            ("bytes4", "0xdeadbe", "is not 8 hex digits"),
            ("uint8[]", "1", "does not fit: expected uint8[] here"),
            ("uint8[]", "[1, 256]", "element 1: '256' is not a number from 0 to 255"),
            ("uint8[2]", "[1]", "uint8[2] has not 1 elements"),
            ("uint8[]", "[1", "expected ',' or ']'"),
            ("(uint8,bool)", "(1)", "(uint8,bool) has not 1 fields"),
            ("(uint8,bool)", "(1, 2)", "field 1: '2' is neither true nor false"),
        ] {
            let error = from_text(&shape(ty), text).unwrap_err();
            assert!(error.contains(want), "{ty} {text}: {error}");
        }
        let long = from_text(&shape("bool[]"), &format!("[{}]", "x".repeat(1 << 20))).unwrap_err();
        assert!(long.len() < 200, "{}", long.len());
    }

    #[test]
    fn structs_by_field_name() {
        let json = r#"{"name":"order","type":"tuple","components":[
            {"name":"to","type":"bool"},{"name":"amount","type":"uint8"}]}"#;
        let order = Shape::new(&serde_json::from_str(json).unwrap()).unwrap();
        let same = from_text(&order, "(true, 7)");
        assert_eq!(from_text(&order, r#"{"amount": 7, "to": true}"#), same);
        assert!(same.is_ok());
        for (text, want) in [
            (r#"{"amount": 7}"#, "field 'to' of (bool to,uint8 amount) is missing"),
            (r#"{"amount": 7, "to": true, "to": true}"#, "field 'to' is given twice"),
            (r#"{"amount": 7, "too": true}"#, "has no field 'too'"),
            (r#"{"amount": 700, "to": true}"#, "field 'amount': '700' is not a number"),
        ] {
            let error = from_text(&order, text).unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
