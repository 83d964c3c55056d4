use vm_core::{Code, Interface, Opaque, TextInterface};

use crate::WasmError;
use crate::abi::{Abi, chainmaker};
use crate::gate::{Checked, INTERFACE_BYTES};

/// What the host needs to know of a contract to talk to it.
pub(crate) struct Guest {
    pub(crate) interface: Box<dyn Interface>,
    pub(crate) adapter: Option<chainmaker::Adapter>,
    /// Roughly what the interface occupies, in bytes.
    pub(crate) weight: usize,
}

/// What a byte of an interface's text occupies when it is parsed, in bytes: names and types, each with an allocation.
const PARSED: usize = 8;

impl Guest {
    /// By the module's ABI, and by the interface and the options that it is deployed with.
    pub(crate) fn new(code: &Code, checked: &Checked<'_>) -> Result<Self, WasmError> {
        match checked.abi {
            Abi::Vm1 => Self::own(code, checked.interface),
            Abi::ChainMaker => Self::chainmaker(code, checked),
        }
    }

    /// A contract with our own ABI.
    fn own(code: &Code, section: Option<&str>) -> Result<Self, WasmError> {
        if let Some(option) = code.options.keys().next() {
            let why = format!("contracts with the ABI vm1 have no option '{option}'; deploy without options");
            return Err(WasmError::Unsupported(why));
        }
        let text = match (&code.abi, section) {
            (Some(_), Some(_)) => {
                let why = "the module has a section vm.interface, and another interface was given; give one of them";
                return Err(WasmError::Unsupported(why.into()));
            }
            (Some(abi), None) => Some(abi.as_str()),
            (None, text) => text,
        };
        if let Some(bytes) = text.map(str::len).filter(|bytes| *bytes > INTERFACE_BYTES) {
            let why = format!("the interface has {bytes} bytes, {INTERFACE_BYTES} are allowed");
            return Err(WasmError::Unsupported(why));
        }
        let interface: Box<dyn Interface> = match text {
            Some(text) => Box::new(text.parse::<TextInterface>()?),
            None => Box::new(Opaque),
        };
        Ok(Self { interface, adapter: None, weight: text.map_or(0, str::len) * PARSED })
    }

    /// A contract with ChainMaker's ABI.
    fn chainmaker(code: &Code, checked: &Checked<'_>) -> Result<Self, WasmError> {
        if code.abi.is_some() || checked.interface.is_some() {
            let why = "parameters of ChainMaker's contracts have names and no types; deploy without an interface";
            return Err(WasmError::Unsupported(why.into()));
        }
        let options = code.options.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let adapter = chainmaker::Adapter::new(&checked.chainmaker, options).map_err(WasmError::Unsupported)?;
        Ok(Self { interface: Box::new(adapter.clone()), adapter: Some(adapter), weight: 0 })
    }
}
