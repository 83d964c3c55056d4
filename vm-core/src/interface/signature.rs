use std::fmt;
use std::str::FromStr;

use super::{Argument, ArgumentError, Arguments, Encoded, Interface, borsh_text, closest};
use crate::Entry;

/// The type of a parameter or result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// `bool`
    Bool,
    /// `u8` to `u128`, by bits.
    Unsigned(u8),
    /// `i8` to `i128`, by bits.
    Signed(u8),
    /// UTF-8 text.
    String,
    /// Bytes, as `0x` hexadecimal text.
    Bytes,
    /// An address: a name, or `0x` and 40 hex digits.
    Address,
}

impl FromStr for Type {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let bits = |digits: &str| digits.parse().ok().filter(|bits: &u8| [8, 16, 32, 64, 128].contains(bits)).ok_or(());
        match text {
            "bool" => Ok(Self::Bool),
            "string" => Ok(Self::String),
            "bytes" => Ok(Self::Bytes),
            "address" => Ok(Self::Address),
            _ => match (text.strip_prefix('u'), text.strip_prefix('i')) {
                (Some(digits), _) => bits(digits).map(Self::Unsigned),
                (_, Some(digits)) => bits(digits).map(Self::Signed),
                _ => Err(()),
            },
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Unsigned(bits) => write!(f, "u{bits}"),
            Self::Signed(bits) => write!(f, "i{bits}"),
            Self::String => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Address => f.write_str("address"),
        }
    }
}

/// A parameter of a method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: Type,
}

/// A method: `[view ]name(parameter: type, ...)[ -> type]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// True when it changes nothing.
    pub view: bool,
    /// Its name.
    pub name: String,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// Its result, if it has one.
    pub result: Option<Type>,
}

/// A line that is not a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' does not describe a method; expected [view ]name(parameter: type, ...)[ -> type]")]
pub struct InvalidSignature(String);

impl FromStr for Signature {
    type Err = InvalidSignature;

    fn from_str(line: &str) -> Result<Self, InvalidSignature> {
        parse(line.trim()).ok_or_else(|| InvalidSignature(line.chars().take(120).collect()))
    }
}

fn parse(line: &str) -> Option<Signature> {
    let (view, rest) = match line.strip_prefix("view ") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (name, rest) = rest.split_once('(')?;
    let (list, rest) = rest.split_once(')')?;
    let identifier = |text: &str| {
        let text = text.trim();
        let valid = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        valid.then(|| text.to_owned())
    };
    let parameter = |text: &str| {
        let (name, kind) = text.split_once(':')?;
        Some(Parameter { name: identifier(name)?, kind: kind.trim().parse().ok()? })
    };
    let parameters = match list.trim() {
        "" => Vec::new(),
        list => list.split(',').map(parameter).collect::<Option<_>>()?,
    };
    let result = match rest.trim() {
        "" => None,
        rest => Some(rest.strip_prefix("->")?.trim().parse().ok()?),
    };
    Some(Signature { view, name: identifier(name)?, parameters, result })
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let view = if self.view { "view " } else { "" };
        write!(f, "{view}{}(", self.name)?;
        for (n, Parameter { name, kind }) in self.parameters.iter().enumerate() {
            let comma = if n > 0 { ", " } else { "" };
            write!(f, "{comma}{name}: {kind}")?;
        }
        f.write_str(")")?;
        self.result.iter().try_for_each(|kind| write!(f, " -> {kind}"))
    }
}

/// The interface of native, WASM and container contracts: a signature a line, arguments and results in borsh.
///
/// ```
/// use vm_core::{Arguments, Entry, Interface, TextInterface};
/// let token: TextInterface = "transfer(to: address, amount: u128)\nview total_supply() -> u128".parse()?;
/// let call = token.encode(&Entry::Invoke, "transfer", &Arguments::positional(["bob", "100"]))?;
/// assert_eq!(call.input.len(), 20 + 16);
/// let error = token.encode(&Entry::Invoke, "tranfer", &Arguments::NONE).unwrap_err();
/// assert!(error.to_string().contains("did you mean 'transfer'?"));
/// assert_eq!(token.decode_output("total_supply", &7u128.to_le_bytes()).as_deref(), Some("7"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextInterface(Vec<Signature>);

impl FromStr for TextInterface {
    type Err = InvalidSignature;

    fn from_str(text: &str) -> Result<Self, InvalidSignature> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl TextInterface {
    /// The signatures, in the order of the text.
    pub fn signatures(&self) -> &[Signature] {
        &self.0
    }

    fn find(&self, method: &str) -> Option<&Signature> {
        self.0.iter().find(|signature| signature.name == method)
    }

    fn is_method(signature: &&Signature) -> bool {
        signature.name != "init" && signature.name != "upgrade"
    }

    fn unknown(&self, method: &str) -> ArgumentError {
        let names = self.0.iter().filter(Self::is_method).map(|signature| signature.name.as_str());
        ArgumentError::UnknownMethod {
            method: method.chars().take(80).collect(),
            suggestion: closest(method, names).map(str::to_owned),
            methods: self.methods(),
        }
    }
}

impl Signature {
    /// Brings arguments into the order of the parameters.
    fn arrange<'a>(&self, list: &'a [Argument]) -> Result<Vec<&'a Argument>, ArgumentError> {
        let count =
            || ArgumentError::Count { signature: self.to_string(), expected: self.parameters.len(), found: list.len() };
        let mut slots: Vec<Option<&Argument>> = vec![None; self.parameters.len()];
        for (n, argument) in list.iter().enumerate() {
            let Some(name) = &argument.name else {
                *slots.get_mut(n).ok_or_else(count)? = Some(argument);
                continue;
            };
            let wrong = |why| ArgumentError::Name { signature: self.to_string(), name: name.clone(), why };
            let position = self.parameters.iter().position(|parameter| parameter.name == *name);
            let slot = position.and_then(|n| slots.get_mut(n)).ok_or_else(|| wrong("is not one of its parameters"))?;
            if slot.replace(argument).is_some() {
                return Err(wrong("is given twice"));
            }
        }
        slots.into_iter().collect::<Option<_>>().ok_or_else(count)
    }

    fn encode(&self, list: &[Argument]) -> Result<Vec<u8>, ArgumentError> {
        let mut input = Vec::new();
        for (Parameter { name, kind }, argument) in self.parameters.iter().zip(self.arrange(list)?) {
            let text =
                if *kind == Type::String { argument.text().map_err(str::to_owned) } else { Ok(&*argument.value) };
            let encoded = text.and_then(|text| borsh_text::encode(*kind, text, &mut input));
            encoded.map_err(|why| ArgumentError::Value {
                signature: self.to_string(),
                parameter: name.clone(),
                expected: kind.to_string(),
                found: argument.value.chars().take(40).collect(),
                why,
            })?;
        }
        Ok(input)
    }
}

impl Interface for TextInterface {
    fn encode(&self, entry: &Entry, method: &str, arguments: &Arguments) -> Result<Encoded, ArgumentError> {
        let called = *entry == Entry::Invoke;
        let signature = self.find(method).filter(|signature| !called || Self::is_method(signature));
        let input = match (signature, arguments) {
            (Some(_), Arguments::Raw(bytes)) => bytes.clone(),
            (Some(signature), Arguments::Text(list)) => signature.encode(list)?.into(),
            // No constructor or migration: fine as long as there is nothing to give to it.
            (None, arguments) if !called && arguments.is_empty() => Default::default(),
            (None, _) => return Err(self.unknown(method)),
        };
        Ok(Encoded { method: method.into(), input })
    }

    fn decode_output(&self, method: &str, output: &[u8]) -> Option<String> {
        match self.find(method)?.result {
            Some(kind) => borsh_text::decode(kind, output),
            None => output.is_empty().then(String::new),
        }
    }

    fn has_entry(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Deploy => self.find("init").is_some(),
            Entry::Invoke => true,
            Entry::Upgrade { .. } => self.find("upgrade").is_some(),
            Entry::Replace { .. } => false,
        }
    }

    fn methods(&self) -> Vec<String> {
        self.0.iter().filter(Self::is_method).map(Signature::to_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str =
        "init(supply: u128)\ntransfer(to: address, amount: u128)\nview balance_of(account: address) -> u128\nupgrade()";

    #[test]
    fn lines_round_trip() {
        let interface: TextInterface = TOKEN.parse().unwrap();
        let lines: Vec<_> = interface.signatures().iter().map(Signature::to_string).collect();
        assert_eq!(lines.join("\n"), TOKEN);
        for bad in ["f", "f(", "f(a)", "f(a: u7)", "f() u8", "(a: u8)", "f g()", "f(a: u8,)"] {
            assert!(bad.parse::<Signature>().is_err(), "{bad}");
        }
    }

    #[test]
    fn named_and_positional_agree() {
        let interface: TextInterface = TOKEN.parse().unwrap();
        let named = |name: &str, value: &str| Argument::named(name, value);
        let swapped = Arguments::Text(vec![named("amount", "5"), named("to", "bob")]);
        let encoded = interface.encode(&Entry::Invoke, "transfer", &swapped).unwrap();
        assert_eq!(
            encoded,
            interface.encode(&Entry::Invoke, "transfer", &Arguments::positional(["bob", "5"])).unwrap()
        );
    }

    #[test]
    fn mistakes_are_named() {
        let interface: TextInterface = TOKEN.parse().unwrap();
        let error = |method: &str, arguments: &Arguments| {
            interface.encode(&Entry::Invoke, method, arguments).unwrap_err().to_string()
        };
        let named = |name: &str| Arguments::Text(vec![Argument::named(name, "1"); 2]);
        let composite = Argument { is_composite: true, ..Argument::positional("[1]") };
        let noted: TextInterface = "note(text: string)".parse().unwrap();
        let note = |list| noted.encode(&Entry::Invoke, "note", &Arguments::Text(list));
        assert!(note(vec![Argument::positional("[1]")]).is_ok());
        for (found, expected) in [
            (note(vec![composite]).unwrap_err().to_string(), "but '[1]' is a JSON list or object; put it in quotes"),
            (error("burn", &Arguments::NONE), "unknown method 'burn'"),
            (error("transfer", &Arguments::positional(["bob"])), "takes 2 arguments, but 1 was given"),
            (error("transfer", &Arguments::positional(["a", "1", "2"])), "takes 2 arguments, but 3 were given"),
            (
                error("transfer", &Arguments::positional(["bob", "-1"])),
                "parameter 'amount' is of type u128, but '-1' is not",
            ),
            (error("transfer", &Arguments::positional(["0x12", "1"])), "is not an address"),
            (error("transfer", &named("from")), "argument 'from' is not one of its parameters"),
            (error("transfer", &named("to")), "argument 'to' is given twice"),
            (error("init", &Arguments::positional(["5"])), "unknown method 'init'"),
            (error("upgrade", &Arguments::NONE), "unknown method 'upgrade'"),
            (error("burn", &Arguments::Raw(Default::default())), "unknown method"),
        ] {
            assert!(found.contains(expected), "{found}");
        }
    }
}
