//! How calls become bytes and back. What [`contract`](macro@crate::contract) expands to uses this; authors rarely do.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Address, Call, Error, Result};

/// A type that arguments and return values of methods can have.
///
/// These are all: structures do not travel between contracts, except as bytes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument or a return value of a contract's method",
    note = "use bool, u8 to u128, i8 to i128, String, Vec<u8> or Address, for arguments also &str and &[u8]"
)]
pub trait Type: BorshSerialize + BorshDeserialize {
    /// Its name in the interface.
    const NAME: &'static str;
}

macro_rules! types {
    ($($ty:ty: $name:literal,)*) => {$(
        impl Type for $ty {
            const NAME: &'static str = $name;
        }
    )*};
}

types! {
    bool: "bool",
    u8: "u8",
    u16: "u16",
    u32: "u32",
    u64: "u64",
    u128: "u128",
    i8: "i8",
    i16: "i16",
    i32: "i32",
    i64: "i64",
    i128: "i128",
    String: "string",
    Vec<u8>: "bytes",
    Address: "address",
}

/// What a method can return: nothing, a [`Type`], or a `Result` of either.
pub trait Output {
    /// What callers get.
    type Value: BorshDeserialize;

    /// Its name in the interface; `None` for nothing.
    const TYPE: Option<&'static str>;

    /// The bytes that callers get.
    ///
    /// # Errors
    ///
    /// The method's own error.
    fn encode(self) -> Result<Vec<u8>>;
}

impl Output for () {
    type Value = ();
    const TYPE: Option<&'static str> = None;

    fn encode(self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

impl<T: Type> Output for T {
    type Value = T;
    const TYPE: Option<&'static str> = Some(T::NAME);

    fn encode(self) -> Result<Vec<u8>> {
        encode(&self)
    }
}

impl<T: Output, E: Into<Error>> Output for Result<T, E> {
    type Value = T::Value;
    const TYPE: Option<&'static str> = T::TYPE;

    fn encode(self) -> Result<Vec<u8>> {
        self.map_err(Into::into)?.encode()
    }
}

/// The arguments of a call, taken one after the other.
#[derive(Debug)]
pub struct Arguments<'a> {
    method: &'a str,
    rest: &'a [u8],
}

impl<'a> Arguments<'a> {
    /// All arguments of `call`.
    pub fn new(call: &Call<'a>) -> Self {
        Self { method: call.method, rest: call.input }
    }

    /// The next argument.
    ///
    /// # Errors
    ///
    /// What is left does not start with one.
    #[allow(clippy::should_implement_trait, reason = "each argument has another type")]
    pub fn next<T: Type>(&mut self, name: &str) -> Result<T> {
        T::deserialize(&mut self.rest).map_err(|_| {
            let method = self.method;
            Error::Revert(format!("{method}: argument '{name}' is no valid {}", T::NAME))
        })
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    ///
    /// Something is left.
    pub fn end(self) -> Result<()> {
        match (self.method, self.rest.len()) {
            (_, 0) => Ok(()),
            (method, left) => Err(Error::Revert(format!("{method}: {left} bytes after the last argument"))),
        }
    }
}

/// The arguments of a call that is to be made, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input(Result<Vec<u8>>);

impl Input {
    /// No arguments.
    pub const fn new() -> Self {
        Self(Ok(Vec::new()))
    }

    /// Adds an argument.
    #[must_use]
    pub fn with(self, argument: &(impl BorshSerialize + ?Sized)) -> Self {
        Self(self.0.and_then(|mut bytes| {
            argument.serialize(&mut bytes).map_err(|_| cannot_encode())?;
            Ok(bytes)
        }))
    }

    /// The bytes.
    ///
    /// # Errors
    ///
    /// An argument could not be encoded.
    pub fn into_bytes(self) -> Result<Vec<u8>> {
        self.0
    }
}

impl Default for Input {
    fn default() -> Self {
        Self::new()
    }
}

pub(crate) fn encode(value: &(impl BorshSerialize + ?Sized)) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    value.serialize(&mut bytes).map_err(|_| cannot_encode())?;
    Ok(bytes)
}

pub(crate) fn decode<T: BorshDeserialize>(bytes: &[u8], what: &str) -> Result<T> {
    borsh::from_slice(bytes).map_err(|_| Error::Revert(format!("{what} cannot be decoded")))
}

fn cannot_encode() -> Error {
    Error::from("a value cannot be encoded")
}

/// How a return type is written in the interface.
#[doc(hidden)]
pub const fn returned(ty: Option<&'static str>) -> (&'static str, &'static str) {
    match ty {
        Some(ty) => (" -> ", ty),
        None => ("", ""),
    }
}

/// The number of bytes of all parts.
#[doc(hidden)]
pub const fn length(parts: &[&str]) -> usize {
    let mut rest = parts;
    let mut length = 0;
    while let [part, others @ ..] = rest {
        length += part.len();
        rest = others;
    }
    length
}

/// All parts in one; `N` is their [`length`].
#[doc(hidden)]
pub const fn joined<const N: usize>(parts: &[&str]) -> [u8; N] {
    let mut bytes = [0; N];
    let mut unfilled: &mut [u8] = &mut bytes;
    let mut rest = parts;
    while let [part, others @ ..] = rest {
        let (filled, after) = unfilled.split_at_mut(part.len());
        filled.copy_from_slice(part.as_bytes());
        unfilled = after;
        rest = others;
    }
    bytes
}

/// The text of [`joined`] parts.
#[doc(hidden)]
pub const fn text(bytes: &[u8]) -> &str {
    match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Entry;
    use proptest::prelude::*;

    fn arguments(input: &[u8]) -> Arguments<'_> {
        Arguments::new(&Call { entry: Entry::Invoke, method: "pay", input })
    }

    #[test]
    fn errors_name_method_argument_and_type() {
        let input = Input::new().with(&1u8).into_bytes().unwrap();
        let mut some = arguments(&input);
        let error = some.next::<Address>("to").unwrap_err();
        assert_eq!(error.to_string(), "pay: argument 'to' is no valid address");
        let error = arguments(&input).end().unwrap_err();
        assert_eq!(error.to_string(), "pay: 1 bytes after the last argument");
    }

    #[test]
    fn a_length_beyond_the_input_is_refused() {
        let input = u32::MAX.to_le_bytes();
        assert!(arguments(&input).next::<Vec<u8>>("data").is_err());
        assert!(arguments(&input).next::<String>("text").is_err());
    }

    #[test]
    fn results_and_plain_values_encode_alike() {
        assert_eq!(7u16.encode(), Ok(vec![7, 0]));
        assert_eq!(Result::<u16>::Ok(7).encode(), Ok(vec![7, 0]));
        assert_eq!(Result::<()>::Ok(()).encode(), Ok(vec![]));
        assert_eq!(Result::<(), &str>::Err("no").encode(), Err(Error::from("no")));
    }

    proptest! {
        #[test]
        fn arguments_come_back(a: u128, b: String, c: Vec<u8>, d: bool, e: i64) {
            let input = Input::new().with(&a).with(b.as_str()).with(&c[..]).with(&d).with(&e);
            let input = input.into_bytes().unwrap();
            let mut read = arguments(&input);
            prop_assert_eq!(read.next::<u128>("a").unwrap(), a);
            prop_assert_eq!(read.next::<String>("b").unwrap(), b);
            prop_assert_eq!(read.next::<Vec<u8>>("c").unwrap(), c);
            prop_assert_eq!(read.next::<bool>("d").unwrap(), d);
            prop_assert_eq!(read.next::<i64>("e").unwrap(), e);
            prop_assert!(read.end().is_ok());
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(input: Vec<u8>) {
            let mut read = arguments(&input);
            while !read.rest.is_empty() && read.next::<String>("s").is_ok() {}
        }
    }
}
