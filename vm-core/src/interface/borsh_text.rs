//! Text to borsh and back, by type.

use super::Type;
use crate::{Address, InvalidAddress};

macro_rules! by_bits {
    ($bits:expr, $with:ident, $($width:literal => $type:ty),*) => {
        match $bits {
            $($width => $with!($type),)*
            _ => $with!(u128),
        }
    };
}

/// Appends the borsh encoding of `text`, or says why it is not of the type.
pub(super) fn encode(kind: Type, text: &str, out: &mut Vec<u8>) -> Result<(), String> {
    macro_rules! integer {
        ($type:ty) => {{
            let parsed = match text.strip_prefix("0x") {
                Some(digits) => <$type>::from_str_radix(digits, 16),
                None => text.parse::<$type>(),
            };
            let value = parsed.map_err(|_| format!("is not a number from {} to {}", <$type>::MIN, <$type>::MAX))?;
            out.extend_from_slice(&value.to_le_bytes());
        }};
    }
    match kind {
        Type::Bool => out.push(match text {
            "true" => 1,
            "false" => 0,
            _ => return Err("is neither true nor false".into()),
        }),
        Type::Unsigned(bits) => by_bits!(bits, integer, 8 => u8, 16 => u16, 32 => u32, 64 => u64),
        Type::Signed(bits) => {
            by_bits!(bits, integer, 8 => i8, 16 => i16, 32 => i32, 64 => i64, 128 => i128);
        }
        Type::String => append(text.as_bytes(), out)?,
        Type::Bytes => {
            let digits = text.strip_prefix("0x").ok_or("does not start with 0x")?;
            append(&hex::decode(digits).map_err(|e| format!("is not hexadecimal: {e}"))?, out)?;
        }
        Type::Address => {
            let address: Address = text.parse().map_err(|error: InvalidAddress| error.why())?;
            out.extend_from_slice(address.as_bytes());
        }
    }
    Ok(())
}

fn append(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let length = u32::try_from(bytes.len()).map_err(|_| "is longer than 4 GiB")?;
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// The text of exactly one value.
pub(super) fn decode(kind: Type, bytes: &[u8]) -> Option<String> {
    macro_rules! integer {
        ($type:ty) => {
            Some(<$type>::from_le_bytes(bytes.try_into().ok()?).to_string())
        };
    }
    match kind {
        Type::Bool => match bytes {
            [0] => Some("false".into()),
            [1] => Some("true".into()),
            _ => None,
        },
        Type::Unsigned(bits) => by_bits!(bits, integer, 8 => u8, 16 => u16, 32 => u32, 64 => u64),
        Type::Signed(bits) => by_bits!(bits, integer, 8 => i8, 16 => i16, 32 => i32, 64 => i64, 128 => i128),
        Type::String => String::from_utf8(content(bytes)?.to_vec()).ok(),
        Type::Bytes => Some(format!("0x{}", hex::encode(content(bytes)?))),
        Type::Address => Some(Address::new(bytes.try_into().ok()?).to_string()),
    }
}

fn content(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    (rest.len() == u32::from_le_bytes(*length) as usize).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(kind: &str, text: &str) -> Option<String> {
        let kind = kind.parse().unwrap();
        let mut bytes = Vec::new();
        encode(kind, text, &mut bytes).ok()?;
        decode(kind, &bytes)
    }

    #[test]
    fn limits_of_every_type() {
        for (kind, good, bad) in [
            ("u8", vec!["0", "255"], vec!["256", "-1", "", "1.5", "x"]),
            ("u128", vec!["340282366920938463463374607431768211455"], vec!["340282366920938463463374607431768211456"]),
            ("i8", vec!["-128", "127"], vec!["128", "-129"]),
            ("i128", vec!["-170141183460469231731687303715884105728"], vec!["170141183460469231731687303715884105728"]),
            ("bool", vec!["true", "false"], vec!["1", "True"]),
            ("bytes", vec!["0x", "0x00ff"], vec!["00ff", "0x0"]),
            ("string", vec!["", "grüße"], vec![]),
            ("address", vec!["0x00000000000000000000000000000000000000ff"], vec!["", "0xff"]),
        ] {
            good.iter().for_each(|text| assert_eq!(round_trip(kind, text).as_deref(), Some(*text), "{kind}"));
            bad.iter().for_each(|text| assert_eq!(round_trip(kind, text), None, "{kind} {text}"));
        }
        assert_eq!(round_trip("u16", "0x10").as_deref(), Some("16"));
    }

    proptest! {
        #[test]
        fn agrees_with_borsh(a: u64, b: i128, s: String) {
            let mut bytes = Vec::new();
            encode(Type::Unsigned(64), &a.to_string(), &mut bytes).unwrap();
            encode(Type::Signed(128), &b.to_string(), &mut bytes).unwrap();
            encode(Type::String, &s, &mut bytes).unwrap();
            prop_assert_eq!(bytes, borsh::to_vec(&(a, b, s)).unwrap());
        }
    }
}
