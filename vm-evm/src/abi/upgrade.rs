//! The function by which a contract migrates its state: which one it is, and what it gets.

use alloy_dyn_abi::DynSolValue;
use alloy_json_abi::{Function, JsonAbi, Param};
use bytes::Bytes;
use vm_core::Version;

use super::{SolidityInterface, decode, method};

/// Its two forms; the second one takes arguments behind the versions. Fixed, so that who may enter it needs no ABI to be told.
const SIGNATURES: [&str; 2] = ["upgrade(string,string)", "upgrade(string,string,bytes)"];
const SELECTORS: [[u8; 4]; 2] = [[0x53, 0x10, 0x8b, 0x36], [0x2e, 0x23, 0x96, 0x66]];

/// What an ordinary call of it is told.
pub(crate) const CLOSED: &str =
    "upgrade is no method of a contract with a name: the host enters it, in an upgrade, a migration or a rollback";

/// True for call data that enters it.
pub(crate) fn is_entered_by(data: &[u8]) -> bool {
    SELECTORS.iter().any(|selector| data.starts_with(selector))
}

/// The one of an ABI; of both forms the one that takes arguments.
fn of(abi: &JsonAbi) -> Option<&Function> {
    let forms = abi.function("upgrade")?.iter().filter(|function| is(function));
    forms.max_by_key(|function| function.inputs.len())
}

/// True for the function, in either form.
pub(super) fn is(function: &Function) -> bool {
    SIGNATURES.contains(&method::signature(function).as_str())
}

impl SolidityInterface {
    fn migration(&self) -> Option<&Function> {
        of(self.abi.as_ref()?)
    }

    /// True when it has one.
    pub(crate) fn migrates(&self) -> bool {
        self.migration().is_some()
    }

    /// What a migration takes behind the versions.
    pub(super) fn migration_inputs(&self) -> &[Param] {
        self.migration().and_then(|function| function.inputs.get(2..)).unwrap_or_default()
    }

    /// The constructor's part of an upgrade's arguments, and the migration's. Nothing when they are not such.
    pub(crate) fn parts(&self, arguments: &Bytes) -> Option<(Bytes, Bytes)> {
        let (made, migrated) = (self.constructor_inputs(), self.migration_inputs());
        if migrated.is_empty() {
            return Some((arguments.clone(), Bytes::new()));
        }
        let mut values = decode::decode(&[made, migrated].concat(), arguments)?;
        let rest = values.split_off(made.len());
        let encoded = |values| Bytes::from(DynSolValue::Tuple(values).abi_encode_params());
        Some((encoded(values), encoded(rest)))
    }

    /// Call data of its migration. Nothing when the arguments are not such.
    pub(crate) fn migration_data(&self, from: &Version, to: &Version, arguments: &[u8]) -> Option<Bytes> {
        let function = self.migration()?;
        if self.migration_inputs().is_empty() && !arguments.is_empty() {
            return None;
        }
        let mut values = [from, to].map(|version| DynSolValue::String(version.to_string())).to_vec();
        values.extend(decode::decode(self.migration_inputs(), arguments)?);
        let data = DynSolValue::Tuple(values).abi_encode_params();
        Some([&method::selector(&method::signature(function))[..], &data].concat().into())
    }
}

#[cfg(test)]
mod tests {
    use vm_core::Interface;

    use super::*;

    #[test]
    fn the_selectors_are_those_of_the_signatures() {
        assert_eq!(SELECTORS, SIGNATURES.map(method::selector));
    }

    #[test]
    fn arguments_are_the_constructors_and_then_the_migrations() {
        let read = |abi: &str| SolidityInterface::new(Some(abi)).unwrap();
        let constructor =
            r#"{"type":"constructor","inputs":[{"name":"n","type":"uint256"}],"stateMutability":"payable"}"#;
        let function = |inputs: &str| {
            let inputs: Vec<_> = inputs.split(',').map(|kind| format!(r#"{{"name":"","type":"{kind}"}}"#)).collect();
            let inputs = inputs.join(",");
            format!(
                r#"{{"type":"function","name":"upgrade","inputs":[{inputs}],"outputs":[],"stateMutability":"payable"}}"#
            )
        };
        let number = DynSolValue::Uint(alloy_primitives::U256::from(7), 256);
        let data = DynSolValue::Bytes(vec![1, 2, 3]);
        let encode = |values: &[&DynSolValue]| {
            Bytes::from(DynSolValue::Tuple(values.iter().map(|value| (*value).clone()).collect()).abi_encode_params())
        };
        let both = read(&format!("[{constructor},{},{}]", function("string,string"), function("string,string,bytes")));
        assert!(both.migrates());
        assert_eq!(both.parts(&encode(&[&number, &data])), Some((encode(&[&number]), encode(&[&data]))));
        assert_eq!(both.parts(&encode(&[&number])), None);
        let (from, to) = ("1".parse().unwrap(), "2".parse().unwrap());
        let text = |text: &str| DynSolValue::String(text.to_owned());
        let entered = both.migration_data(&from, &to, &encode(&[&data])).unwrap();
        assert!(is_entered_by(&entered));
        assert_eq!(entered[4..], encode(&[&text("1"), &text("2"), &data]));
        assert_eq!(both.migration_data(&from, &to, &[]), None);

        let plain = read(&format!("[{constructor},{}]", function("string,string")));
        assert_eq!(plain.parts(&encode(&[&number])), Some((encode(&[&number]), Bytes::new())));
        let entered = plain.migration_data(&from, &to, &[]).unwrap();
        assert!(is_entered_by(&entered) && entered[4..] == encode(&[&text("1"), &text("2")]));

        let other = read(&format!("[{constructor},{}]", function("string,string,uint256")));
        assert!(!other.migrates() && other.methods().len() == 1 && plain.methods().is_empty());
        assert_eq!(other.parts(&Bytes::from_static(b"raw")), Some((Bytes::from_static(b"raw"), Bytes::new())));
    }
}
