//! The Solidity ABI as an interface: text to call data, and results, reverts and logs to text.

mod call;
mod decode;
mod event;
mod literal;
mod method;
mod revert;
mod shape;
mod upgrade;
mod value;

use std::borrow::Cow;
use std::collections::BTreeMap;

use alloy_dyn_abi::{DynSolValue, Specifier};
use alloy_json_abi::{Function, JsonAbi, Param};
use alloy_primitives::B256;
use bytes::Bytes;
use vm_core::{ArgumentError, Arguments, CodeError, Encoded, Entry, Event, Interface};

pub(crate) use upgrade::{CLOSED, is_entered_by};

/// The interface of an EVM contract: its JSON ABI, or what is possible without one (full signatures, raw call data).
///
/// * A method is a name (`transfer`; overloads are told apart by their arguments), a signature
///   (`transfer(address,uint256)`, also without an ABI), or empty for raw call data and plain transfers.
/// * `init` takes the constructor's arguments, `upgrade` those of the migration behind the versions, and, where it makes the
///   code, the constructor's before them.
#[derive(Debug, Clone, Default)]
pub(crate) struct SolidityInterface {
    abi: Option<JsonAbi>,
    /// The functions by signature, and by name where it is not overloaded: to walk through them, or to hash one anew, would
    /// cost more than many a call.
    functions: BTreeMap<String, Known>,
    weight: usize,
}

/// What a byte of an ABI's JSON occupies when it is read, in bytes: strings and lists, each with an allocation.
const PARSED: usize = 4;

/// A function of the ABI.
#[derive(Debug, Clone, Copy)]
struct Known {
    selector: [u8; 4],
    /// Its place among those of its name.
    overload: usize,
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
        let mut functions = BTreeMap::new();
        for (name, overloads) in &abi.functions {
            for (overload, function) in overloads.iter().enumerate() {
                let signature = method::signature(function);
                let known = Known { selector: method::selector(&signature), overload };
                if overloads.len() == 1 {
                    functions.insert(name.clone(), known);
                }
                functions.insert(signature, known);
            }
        }
        Ok(Self { abi: Some(abi), functions, weight: text.len() * PARSED })
    }

    /// Refuses types that Solidity does not have. For new code: what is deployed stays callable.
    pub(crate) fn check(&self) -> Result<(), CodeError> {
        let Some(abi) = &self.abi else { return Ok(()) };
        let functions = abi.functions().flat_map(|f| f.inputs.iter().chain(&f.outputs).map(|p| (&*f.name, p)));
        let constructor = abi.constructor().into_iter().flat_map(|c| c.inputs.iter().map(|p| ("constructor", p)));
        let errors = abi.errors().flat_map(|e| e.inputs.iter().map(|p| (&*e.name, p)));
        let events =
            abi.events().flat_map(|e| e.inputs.iter().map(|p| (&*e.name, method::longest(&p.ty, &p.components))));
        let others = functions.clone().chain(constructor.clone()).chain(errors.clone());
        let lengths = others.map(|(name, p)| (name, method::longest(&p.ty, &p.components))).chain(events);
        if let Some((name, length)) = lengths.into_iter().find(|(_, length)| *length > method::LONGEST) {
            let why = format!("the JSON ABI's {name} has a type of {length} bytes, {} are allowed", method::LONGEST);
            return Err(CodeError::new("abi-invalid", why));
        }
        match functions.chain(constructor).chain(errors).find_map(|(name, p)| Some((name, p.resolve().err()?))) {
            Some((name, error)) => Err(CodeError::new("abi-invalid", format!("the JSON ABI's {name}: {error}"))),
            None => Ok(()),
        }
    }

    /// The call data's first four bytes for a method as [`Encoded::method`] or a calling contract names it.
    pub(crate) fn selector(&self, name: &str) -> Option<[u8; 4]> {
        match self.functions.get(name) {
            Some(known) => Some(known.selector),
            None if name.contains('(') => {
                method::find(None, name, None).ok().map(|f| method::selector(&method::signature(&f)))
            }
            None => None,
        }
    }

    /// The signature of the function with this selector.
    pub(crate) fn signature(&self, selector: [u8; 4]) -> Option<&str> {
        let mut functions = self.functions.iter();
        functions.find(|(name, known)| known.selector == selector && name.contains('(')).map(|(name, _)| &**name)
    }

    /// The function of the ABI that a name or a signature, as [`method::signature`] writes it, stands for.
    fn known(&self, name: &str) -> Option<&Function> {
        let known = self.functions.get(name)?;
        let bare = name.split('(').next()?;
        self.abi.as_ref()?.function(bare)?.get(known.overload)
    }

    /// As [`known`](Self::known), also by other spellings of the signature, and by one that tells its results where the ABI
    /// does not know it.
    fn described(&self, name: &str) -> Option<Cow<'_, Function>> {
        if let Some(function) = self.known(name) {
            return Some(Cow::Borrowed(function));
        }
        if self.abi.is_none() && name.ends_with(')') && !name.contains(")(") && !name.contains("returns") {
            return None;
        }
        let parsed = method::find(None, name, None).ok()?;
        match self.known(&method::signature(&parsed)) {
            Some(function) => Some(Cow::Borrowed(function)),
            None => (!parsed.outputs.is_empty()).then_some(Cow::Owned(parsed)),
        }
    }

    /// Roughly what it occupies, in bytes.
    pub(crate) const fn weight(&self) -> usize {
        self.weight
    }

    fn constructor_inputs(&self) -> &[Param] {
        self.abi.as_ref().and_then(JsonAbi::constructor).map(|c| c.inputs.as_slice()).unwrap_or_default()
    }

    /// The arguments of another entry than a call.
    fn entering(&self, entry: &Entry, arguments: &Arguments) -> Result<Bytes, ArgumentError> {
        let list = match arguments {
            Arguments::Raw(bytes) => return Ok(bytes.clone()),
            Arguments::Text(list) if list.is_empty() && self.abi.is_none() => return Ok(Bytes::new()),
            Arguments::Text(_) if self.abi.is_none() => return Err(ArgumentError::NoInterface),
            Arguments::Text(list) => list,
        };
        let made = self.constructor_inputs();
        let (name, inputs) = match entry {
            Entry::Upgrade { .. } => ("upgrade", Cow::Borrowed(self.migration_inputs())),
            Entry::Replace { migrates: true, .. } if self.migrates() => {
                ("upgrade", Cow::Owned([made, self.migration_inputs()].concat()))
            }
            _ => ("constructor", Cow::Borrowed(made)),
        };
        method::encode(name, &inputs, list).map(Bytes::from)
    }
}

impl Interface for SolidityInterface {
    fn encode(&self, entry: &Entry, name: &str, arguments: &Arguments) -> Result<Encoded, ArgumentError> {
        let abi = self.abi.as_ref();
        if *entry != Entry::Invoke {
            return Ok(Encoded { method: name.into(), input: self.entering(entry, arguments)? });
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

    /// The selector, which is what both a name with arguments and whole call data enter a function by; nothing without data, as of a
    /// plain transfer.
    fn guarded_as<'m>(&self, method: &'m str, input: &[u8]) -> Cow<'m, str> {
        match method {
            "" => selector_text(input).into(),
            method => self.selector(method).map_or(Cow::Borrowed(method), |selector| selector_text(&selector).into()),
        }
    }

    /// A function is named by its signature in any notation, by its name, which stands for all overloads that the ABI has, or
    /// by its selector, also where the ABI does not know it.
    fn guards(&self, method: &str) -> Result<Vec<String>, ArgumentError> {
        let digits = method.strip_prefix("0x").filter(|digits| digits.len() == 8);
        if let Some(selector) = digits.and_then(|digits| hex::decode(digits).ok()) {
            return Ok(vec![selector_text(&selector)]);
        }
        let of = |function: &Function| selector_text(&method::selector(&method::signature(function)));
        match self.abi.as_ref().and_then(|abi| abi.function(method)) {
            Some(overloads) if !overloads.is_empty() => Ok(overloads.iter().map(of).collect()),
            _ => Ok(vec![of(&method::find(self.abi.as_ref(), method, None)?)]),
        }
    }

    fn decode_output(&self, name: &str, output: &[u8]) -> Option<String> {
        let function = self.described(name)?;
        let values = decode::decode(&function.outputs, output)?;
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
        let topics = event.topics.iter().map(|t| B256::try_from(&t[..]).ok());
        let topics = topics.collect::<Option<Vec<_>>>()?;
        event::decode(self.abi.as_ref()?, &topics, &event.data)
    }

    fn has_entry(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Upgrade { .. } => self.migrates(),
            // The constructor always runs: it makes the code.
            Entry::Deploy | Entry::Invoke | Entry::Replace { .. } => true,
        }
    }

    fn methods(&self) -> Vec<String> {
        self.abi.as_ref().map(method::describe_all).unwrap_or_default()
    }

    /// The signature of a selector.
    fn described(&self, guarded: &str) -> Option<String> {
        let selector = hex::decode(guarded.strip_prefix("0x")?).ok()?;
        self.signature(selector.try_into().ok()?).map(str::to_owned)
    }
}

/// The first four bytes of the call data of a signature.
#[cfg(test)]
pub(crate) fn selector(signature: &str) -> [u8; 4] {
    method::selector(signature)
}

/// `0xa9059cbb` for call data that begins so, or nothing when there is none. Shorter data is what the EVM reads of it: followed by zeros.
pub(crate) fn selector_text(data: &[u8]) -> String {
    if data.is_empty() {
        return String::new();
    }
    let selector: [u8; 4] = std::array::from_fn(|at| data.get(at).copied().unwrap_or_default());
    format!("0x{}", hex::encode(selector))
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
