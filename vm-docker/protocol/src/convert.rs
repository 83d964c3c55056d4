//! Every message becomes the frame that carries it.

use crate::{
    Address, AddressOf, Call, CallContract, CallResult, Charge, ContractFrame, Delete, Emit, Entries, Gas, GasLeft,
    Get, Hello, HostFrame, Log, PROTOCOL_VERSION, Put, Return, Scan, Stop, Value, contract_frame, host_frame,
};

impl Hello {
    /// A greeting in this version of the protocol.
    pub fn new(interface: impl Into<String>, sdk: impl Into<String>) -> Self {
        Self { protocol: PROTOCOL_VERSION, interface: interface.into(), sdk: sdk.into() }
    }
}

macro_rules! frames {
    ($frame:ident, $kinds:ident: $($message:ident)*) => {$(
        impl From<$message> for $frame {
            fn from(message: $message) -> Self {
                Self { kind: Some($kinds::Kind::$message(message)) }
            }
        }
    )*};
}

frames!(ContractFrame, contract_frame:
    Hello Return Get Put Delete Scan Emit CallContract GasLeft Charge Log AddressOf);
frames!(HostFrame, host_frame: Call Stop Value Entries CallResult Gas Address);
