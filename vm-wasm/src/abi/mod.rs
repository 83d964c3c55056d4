//! The ABIs between WASM contracts and the host, as documented in `docs/wasm-abi.md`; independent of engines.
//!
//! What a module imports tells which one it speaks. Both end in the same few operations of the [`Frame`], so neither the
//! instrumenter nor an engine needs to know them apart.

pub(crate) mod chainmaker;
mod frame;
pub(crate) mod import;
mod memory;
mod operation;

pub(crate) use self::frame::{AbiPrices, Frame, Stopped};
use self::import::{Import, MODULE};
pub(crate) use self::operation::CallOperands;

/// An ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Abi {
    /// Our own, version 1.
    #[default]
    Vm1,
    /// That of ChainMaker's contracts in Rust and TinyGo.
    ChainMaker,
}

impl Abi {
    /// The name, as in reports.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Vm1 => MODULE,
            Self::ChainMaker => "chainmaker",
        }
    }

    /// The ABI that an import belongs to, if it tells.
    pub(crate) fn of(module: &str, name: &str) -> Option<Self> {
        match module {
            MODULE => Some(Self::Vm1),
            chainmaker::MODULE => chainmaker::is_own(name).then_some(Self::ChainMaker),
            _ => None,
        }
    }

    /// The functions that an import of this name stands for: none, or some that differ in their types.
    pub(crate) fn find(self, module: &str, name: &str) -> impl Iterator<Item = &'static Import> {
        let (own, chainmaker) = match self {
            Self::Vm1 => (Some(name).filter(|_| module == MODULE).and_then(Import::find), None),
            Self::ChainMaker => (None, Some(chainmaker::find(module, name))),
        };
        own.into_iter().chain(chainmaker.into_iter().flatten())
    }

    /// What a module of this ABI can import, for messages about an import of `module` that there is not.
    pub(crate) fn known(self, module: &str) -> String {
        let names = |names: &mut dyn Iterator<Item = &'static str>| {
            let mut names: Vec<_> = names.collect();
            names.dedup();
            names.join(", ")
        };
        match self {
            Self::Vm1 if module == MODULE => format!("known are {}", names(&mut Import::names())),
            Self::Vm1 if module.starts_with("wasi_") => format!(
                "all imports come from the module `{MODULE}`; build for `--target wasm32-unknown-unknown`, not for WASI"
            ),
            Self::Vm1 => format!("all imports come from the module `{MODULE}`"),
            Self::ChainMaker => format!("known to ChainMaker's contracts are {}", names(&mut chainmaker::names())),
        }
    }
}
