//! Every message becomes the frame that carries it.

use crate::{
    Address, AddressOf, Call, CallContract, CallResult, Charge, ContractFrame, Delete, Emit, Entries, Gas, GasLeft,
    Get, GetMany, Hello, HostFrame, Log, PROTOCOL_VERSION, Put, Return, Scan, Stop, Value, Values, contract_frame,
    host_frame,
};

impl Hello {
    /// A greeting in this version of the protocol.
    pub fn new(interface: impl Into<String>, sdk: impl Into<String>) -> Self {
        Self {
            protocol: PROTOCOL_VERSION,
            interface: interface.into(),
            sdk: sdk.into(),
            fresh_calls: false,
            concurrency: 0,
        }
    }
}

impl ContractFrame {
    fn holding(kind: contract_frame::Kind) -> Self {
        Self { call: 0, kind: Some(kind) }
    }

    /// The same frame, as one of the call with this number.
    #[must_use]
    pub fn of_call(mut self, number: u64) -> Self {
        self.call = number;
        self
    }
}

impl HostFrame {
    fn holding(kind: host_frame::Kind) -> Self {
        Self { kind: Some(kind) }
    }
}

impl GetMany {
    /// A request for the values of these keys.
    ///
    /// ```
    /// use vm_container_protocol::GetMany;
    ///
    /// let many = GetMany::of([&b"a"[..], b"bc"]);
    /// assert_eq!(many.keys, b"\x01\0\0\0a\x02\0\0\0bc");
    /// assert_eq!(many.split().collect::<Result<Vec<_>, _>>().unwrap(), [&b"a"[..], b"bc"]);
    /// ```
    pub fn of<'k>(keys: impl IntoIterator<Item = &'k [u8]>) -> Self {
        let mut packed = Vec::new();
        for key in keys {
            // A longer key fits no frame either.
            packed.extend_from_slice(&u32::try_from(key.len()).unwrap_or(u32::MAX).to_le_bytes());
            packed.extend_from_slice(key);
        }
        Self { keys: packed }
    }

    /// The keys. After an error there are no more.
    pub fn split(&self) -> impl Iterator<Item = Result<&[u8], CutKeys>> {
        let mut rest = self.keys.as_slice();
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let key = rest.split_first_chunk::<4>().and_then(|(length, keys)| {
                let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
                keys.split_at_checked(length)
            });
            let Some((key, keys)) = key else {
                let missing = CutKeys { bytes: rest.len() };
                rest = &[];
                return Some(Err(missing));
            };
            rest = keys;
            Some(Ok(key))
        })
    }
}

/// The keys of a [`GetMany`] end inside a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("GetMany whose last {bytes} bytes are no length and key")]
pub struct CutKeys {
    bytes: usize,
}

macro_rules! frames {
    ($frame:ident, $kinds:ident: $($message:ident)*) => {$(
        impl From<$message> for $frame {
            fn from(message: $message) -> Self {
                Self::holding($kinds::Kind::$message(message))
            }
        }
    )*};
}

frames!(ContractFrame, contract_frame:
    Hello Return Get Put Delete Scan Emit CallContract GasLeft Charge Log AddressOf GetMany);
frames!(HostFrame, host_frame: Call Stop Value Entries CallResult Gas Address Values);
