//! The Solidity ABI as an interface: text to call data, and results, reverts and logs to text.

mod event;
mod literal;
mod method;
mod revert;
mod shape;
mod value;

use std::collections::BTreeMap;

use alloy_dyn_abi::DynSolValue;
use alloy_json_abi::JsonAbi;
use alloy_primitives::B256;
use bytes::Bytes;
use vm_core::{ArgumentError, Arguments, CodeError, Encoded, Entry, Event, Interface};

/// The interface of an EVM contract: its JSON ABI, or what is possible without one (full signatures, raw call data).
///
/// * A method is a name (`transfer`; overloads are told apart by their arguments), a signature
///   (`transfer(address,uint256)`, also without an ABI), or empty for raw call data and plain transfers.
/// * `init` and `upgrade` take the constructor's arguments.
#[derive(Debug, Clone, Default)]
pub(crate) struct SolidityInterface {
    abi: Option<JsonAbi>,
    /// Selectors by signature, and by name where it is not overloaded; hashing them anew would cost more than the look-up.
    selectors: BTreeMap<String, [u8; 4]>,
}

/// What compilers write: the ABI among other things.
#[derive(serde::Deserialize)]
struct Artefact {
    abi: JsonAbi,
}

impl SolidityInterface {
    /// Reads a JSON ABI: the array itself, or an object that has it under `abi`, as compilers write it.
    pub(crate) fn new(abi: Option<&str>) -> Result<Self, CodeError> {
        let Some(text) = abi.map(str::trim).filter(|text| !text.is_empty()) else {
            return Ok(Self::default());
        };
        let bad = |message: String| CodeError::new("abi-invalid", message);
        let unreadable = |e: serde_json::Error| bad(format!("the JSON ABI cannot be read: {e}"));
        let abi: JsonAbi = if text.starts_with('[') {
            serde_json::from_str(text).map_err(unreadable)?
        } else {
            let artefact: Artefact = serde_json::from_str(text).map_err(unreadable)?;
            artefact.abi
        };
        let mut selectors = BTreeMap::new();
        for function in abi.functions() {
            let signature = method::signature(function);
            let selector = method::selector(&signature);
            if abi.function(&function.name).is_some_and(|overloads| overloads.len() == 1) {
                selectors.insert(function.name.clone(), selector);
            }
            selectors.insert(signature, selector);
        }
        Ok(Self { abi: Some(abi), selectors })
    }

    /// The call data's first four bytes for a method as [`Encoded::method`] or a calling contract names it.
    pub(crate) fn selector(&self, name: &str) -> Option<[u8; 4]> {
        match self.selectors.get(name) {
            Some(selector) => Some(*selector),
            None if name.contains('(') => {
                method::find(None, name, None).ok().map(|f| method::selector(&method::signature(&f)))
            }
            None => None,
        }
    }

    /// The signature of the function with this selector.
    pub(crate) fn signature(&self, selector: [u8; 4]) -> Option<&str> {
        self.selectors.iter().find(|(name, known)| **known == selector && name.contains('(')).map(|(name, _)| &**name)
    }

    /// Roughly what it occupies, in bytes.
    pub(crate) fn weight(&self) -> usize {
        // A function is a dozen small allocations.
        self.abi.as_ref().map_or(0, |abi| abi.len() * 1024)
    }

    fn constructor(&self, arguments: &Arguments) -> Result<Bytes, ArgumentError> {
        let list = match arguments {
            Arguments::Raw(bytes) => return Ok(bytes.clone()),
            Arguments::Text(list) => list,
        };
        let inputs = match &self.abi {
            Some(abi) => abi.constructor().map(|c| c.inputs.as_slice()).unwrap_or_default(),
            None if list.is_empty() => return Ok(Bytes::new()),
            None => return Err(ArgumentError::NoInterface),
        };
        method::encode("constructor", inputs, list).map(Bytes::from)
    }
}

impl Interface for SolidityInterface {
    fn encode(&self, entry: &Entry, name: &str, arguments: &Arguments) -> Result<Encoded, ArgumentError> {
        let abi = self.abi.as_ref();
        if *entry != Entry::Invoke {
            return Ok(Encoded { method: name.into(), input: self.constructor(arguments)? });
        }
        let (function, input) = match arguments {
            Arguments::Raw(data) if name.is_empty() => {
                return Ok(Encoded { method: name.into(), input: data.clone() });
            }
            // A plain transfer, or the fallback function.
            Arguments::Text(list) if name.is_empty() && list.is_empty() => {
                return Ok(Encoded { method: name.into(), input: Bytes::new() });
            }
            Arguments::Raw(data) => (method::find(abi, name, None)?, data.clone()),
            Arguments::Text(list) => {
                let function = method::find(abi, name, Some(list))?;
                let input = method::encode(&function.name, &function.inputs, list)?.into();
                (function, input)
            }
        };
        Ok(Encoded { method: method::signature(&function).into(), input })
    }

    fn decode_output(&self, name: &str, output: &[u8]) -> Option<String> {
        let overloads = self.abi.as_ref()?.functions();
        let function = overloads
            .into_iter()
            .find(|f| f.name == name || method::signature(f) == name || same_signature(f, name))?;
        let values = method::decode(&function.outputs, output).ok()?;
        Some(match values.as_slice() {
            [] => String::new(),
            [one] => value::to_text(one),
            _ => value::to_text(&DynSolValue::Tuple(values)),
        })
    }

    fn decode_revert(&self, output: &[u8]) -> Option<String> {
        Some(revert::reason(self.abi.as_ref(), output))
    }

    fn decode_event(&self, event: &Event) -> Option<String> {
        let topics = event.topics.iter().map(|t| B256::try_from(t.as_ref()).ok());
        let topics = topics.collect::<Option<Vec<_>>>()?;
        event::decode(self.abi.as_ref()?, &topics, &event.data)
    }

    fn has_entry(&self, _entry: &Entry) -> bool {
        // The constructor always runs: it makes the code.
        true
    }

    fn methods(&self) -> Vec<String> {
        self.abi.as_ref().map(method::describe_all).unwrap_or_default()
    }
}

/// True when `name` is a signature with other spellings of the function's types.
fn same_signature(function: &alloy_json_abi::Function, name: &str) -> bool {
    name.contains('(')
        && method::find(None, name, None).is_ok_and(|f| method::signature(&f) == method::signature(function))
}

/// The first four bytes of the call data of a signature.
#[cfg(test)]
pub(crate) fn selector(signature: &str) -> [u8; 4] {
    method::selector(signature)
}

/// Revert data that Solidity callers show as the reason: `Error(string)`.
pub(crate) fn error_string(reason: &str) -> Vec<u8> {
    let body = DynSolValue::Tuple(vec![DynSolValue::String(reason.to_owned())]).abi_encode_params();
    [revert::ERROR_STRING.as_slice(), &body].concat()
}

/// The two arguments of `call(string,bytes)`.
pub(crate) fn decode_call(data: &[u8]) -> Option<(String, Bytes)> {
    let types =
        alloy_dyn_abi::DynSolType::Tuple(vec![alloy_dyn_abi::DynSolType::String, alloy_dyn_abi::DynSolType::Bytes]);
    match types.abi_decode_params(data).ok()? {
        DynSolValue::Tuple(values) => match <[_; 2]>::try_from(values).ok()? {
            [DynSolValue::String(method), DynSolValue::Bytes(input)] => Some((method, input.into())),
            _ => None,
        },
        _ => None,
    }
}

/// A `bytes` result, as a function that returns one encodes it.
pub(crate) fn encode_bytes(bytes: &[u8]) -> Vec<u8> {
    DynSolValue::Tuple(vec![DynSolValue::Bytes(bytes.to_vec())]).abi_encode_params()
}
