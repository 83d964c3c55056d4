//! From the encoding to values, in a time and a memory that the data's length bounds.
//!
//! An encoded list has its elements somewhere in the data, and several lists may have theirs at the same place: six levels of
//! sixteen make 16^6 elements out of 3 kB. Nobody encodes like that, so what has more values than its words is refused before
//! anything is decoded; it stays what it is, bytes.

use alloy_dyn_abi::{DynSolType, DynSolValue, Specifier};
use alloy_json_abi::Param;

const WORD: usize = 32;

/// Values for each word of data: a number in a struct in a struct in a struct.
const PER_WORD: usize = 4;

/// Values that no data stands for: of empty tuples and lists.
const FREE: usize = 64;

/// The most values of one type, lists of unknown length not counted.
const LARGEST: usize = 1 << 16;

/// Decodes data by the parameters' types; nothing if it is not of these types, or has more values than words.
pub(super) fn decode(params: &[Param], data: &[u8]) -> Option<Vec<DynSolValue>> {
    let all = DynSolType::Tuple(params.iter().map(Specifier::resolve).collect::<Result<_, _>>().ok()?);
    if !is_plain(&all, data) {
        return None;
    }
    match all.abi_decode_params(data).ok()? {
        DynSolValue::Tuple(values) => Some(values),
        single => Some(vec![single]),
    }
}

/// True when data can be decoded as this tuple by reading about as much as it is long.
pub(super) fn is_plain(tuple: &DynSolType, data: &[u8]) -> bool {
    let left = (data.len() / WORD).saturating_mul(PER_WORD).saturating_add(FREE);
    size(tuple) <= LARGEST && Walk { data, left }.inside(tuple, 0).is_some()
}

/// How many values a value of this type is made of, its lists empty.
fn size(of: &DynSolType) -> usize {
    match of {
        DynSolType::Array(element) => size(element).saturating_add(1),
        DynSolType::FixedArray(element, count) => size(element).saturating_mul(*count).saturating_add(1),
        DynSolType::Tuple(list) => list.iter().map(size).fold(1, usize::saturating_add),
        _ => 1,
    }
}

/// A walk through data as a decoder goes, without keeping anything.
struct Walk<'d> {
    data: &'d [u8],
    /// How many more values it may meet.
    left: usize,
}

impl Walk<'_> {
    /// Goes through a value whose head is `at`, with offsets from `base`; returns where the next head is.
    fn value(&mut self, of: &DynSolType, base: usize, at: usize) -> Option<usize> {
        self.spend(1)?;
        match of {
            DynSolType::Array(element) => {
                let (length, start) = self.list(base, at)?;
                let mut next = start;
                for _ in 0..length {
                    next = self.value(element, start, next)?;
                }
                at.checked_add(WORD)
            }
            DynSolType::Bytes | DynSolType::String => {
                let (length, start) = self.list(base, at)?;
                self.data.get(start..start.checked_add(length)?)?;
                self.spend(length.div_ceil(WORD))?;
                at.checked_add(WORD)
            }
            DynSolType::FixedArray(..) | DynSolType::Tuple(_) if is_dynamic(of) => {
                self.inside(of, base.checked_add(self.number(at)?)?)?;
                at.checked_add(WORD)
            }
            DynSolType::FixedArray(..) | DynSolType::Tuple(_) => self.inside(of, at),
            _ => {
                self.word(at)?;
                at.checked_add(WORD)
            }
        }
    }

    /// Goes through the parts of a tuple or an array, which begin at `start`; returns where they end.
    fn inside(&mut self, of: &DynSolType, start: usize) -> Option<usize> {
        match of {
            DynSolType::FixedArray(element, count) => {
                (0..*count).try_fold(start, |next, _| self.value(element, start, next))
            }
            DynSolType::Tuple(list) => list.iter().try_fold(start, |next, part| self.value(part, start, next)),
            single => self.value(single, start, start),
        }
    }

    /// The length of a list whose offset is `at`, and where its elements begin.
    fn list(&self, base: usize, at: usize) -> Option<(usize, usize)> {
        let start = base.checked_add(self.number(at)?)?;
        Some((self.number(start)?, start.checked_add(WORD)?))
    }

    fn number(&self, at: usize) -> Option<usize> {
        let (high, low) = self.word(at)?.split_last_chunk::<8>()?;
        high.iter().all(|byte| *byte == 0).then(|| usize::try_from(u64::from_be_bytes(*low)).ok())?
    }

    fn word(&self, at: usize) -> Option<&[u8]> {
        self.data.get(at..at.checked_add(WORD)?)
    }

    fn spend(&mut self, values: usize) -> Option<()> {
        self.left = self.left.checked_sub(values)?;
        Some(())
    }
}

/// True for types whose head is an offset.
fn is_dynamic(of: &DynSolType) -> bool {
    match of {
        DynSolType::Array(_) | DynSolType::Bytes | DynSolType::String => true,
        DynSolType::FixedArray(element, _) => is_dynamic(element),
        DynSolType::Tuple(list) => list.iter().any(is_dynamic),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(types: &str) -> DynSolType {
        DynSolType::parse(&format!("({types},)")).or_else(|_| DynSolType::parse(&format!("({types})"))).unwrap()
    }

    fn params(types: &[&str]) -> Vec<Param> {
        types.iter().map(|ty| Param::parse(ty).unwrap()).collect()
    }

    /// `levels` of lists, each with `count` times the same list.
    fn overlapping(levels: usize, count: u8) -> Vec<u8> {
        let word = |number: usize| alloy_primitives::B256::left_padding_from(&number.to_be_bytes()).0;
        let count = usize::from(count);
        let mut words = vec![word(WORD)];
        for _ in 1..levels {
            words.push(word(count));
            words.extend(vec![word(count * WORD); count]);
        }
        words.push(word(count));
        words.extend(vec![word(7); count]);
        words.concat()
    }

    #[test]
    fn lists_at_one_place_are_not_multiplied() {
        let nested = |levels: usize| params(&[&format!("uint256{}", "[]".repeat(levels))]);
        assert_eq!(decode(&nested(1), &overlapping(1, 16)).unwrap().len(), 1);
        assert!(decode(&nested(2), &overlapping(2, 16)).is_none(), "272 values in 35 words");
        assert!(decode(&nested(6), &overlapping(6, 16)).is_none());
        assert!(decode(&nested(30), &overlapping(30, 16)).is_none());
    }

    #[test]
    fn values_without_words_are_not_multiplied_either() {
        let endless = [[0; 31].as_slice(), &[32], &[0xff; 32]].concat();
        for of in
            ["()[]", "uint256[0][]", "uint256[1000000000][]", "uint256[1000000000]", "()[1000000000]", "((),())[]"]
        {
            let Ok(param) = Param::parse(of) else { continue };
            assert!(decode(&[param], &endless).is_none(), "{of}");
            let empty = [[0; 31].as_slice(), &[32], &[0; 32]].concat();
            let Ok(param) = Param::parse(of) else { continue };
            if of.contains("1000000000") {
                assert!(decode(&[param], &empty).is_none(), "{of}: a decoder would make one for a template");
            }
        }
    }

    #[test]
    fn what_encoders_write_is_plain() {
        use proptest::prelude::*;
        let number = || any::<u64>().prop_map(|number| DynSolValue::Uint(alloy_primitives::U256::from(number), 256));
        let leaf = prop_oneof![
            number(),
            any::<bool>().prop_map(DynSolValue::Bool),
            ".{0,70}".prop_map(DynSolValue::String),
            proptest::collection::vec(any::<u8>(), 0..70).prop_map(DynSolValue::Bytes),
        ];
        let value = leaf.prop_recursive(3, 64, 6, |inner| {
            prop_oneof![
                (inner.clone(), 1..6_usize).prop_map(|(value, count)| DynSolValue::Array(vec![value; count])),
                (inner.clone(), 1..6_usize).prop_map(|(value, count)| DynSolValue::FixedArray(vec![value; count])),
                proptest::collection::vec(inner, 1..6).prop_map(DynSolValue::Tuple),
            ]
        });
        proptest!(|(values in proptest::collection::vec(value, 1..5))| {
            let all = DynSolValue::Tuple(values);
            let of = all.as_type().unwrap();
            let data = all.abi_encode_params();
            prop_assert!(is_plain(&of, &data), "{of} {data:?}");
            prop_assert_eq!(of.abi_decode_params(&data).unwrap(), all);
        });
    }

    #[test]
    fn data_that_ends_early_is_none() {
        let of = tuple("uint256,string");
        let data = DynSolValue::Tuple(vec![
            DynSolValue::Uint(alloy_primitives::U256::from(7), 256),
            DynSolValue::String("seven".into()),
        ])
        .abi_encode_params();
        assert!(is_plain(&of, &data));
        for length in 0..data.len() - WORD {
            assert!(!is_plain(&of, &data[..length]), "{length}");
        }
    }
}
