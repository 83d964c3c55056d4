//! The codes of the contracts: on each runtime two that behave visibly differently.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use async_trait::async_trait;
use probe::Probe;
use vm_core::{
    Code, CodeError, CodeHash, Contract, GasSchedule, PrepareError, ProviderStatus, RuntimeKind, RuntimeProvider,
};
use vm_native::{NativeConfig, NativeContract, NativeError};
use vm_sdk::{Call, Context, Entry};
use vm_wasm::{WasmConfig, WasmRuntime};

/// Code: for which runtime, and which of its two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) kind: RuntimeKind,
    pub(super) edition: Edition,
}

/// The first is the probe. The second is the probe with other words in two places: in what `env` answers, and in what a migration writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edition {
    First,
    Second,
}

impl Program {
    pub(super) const ALL: [Self; 4] = [
        Self { kind: RuntimeKind::Native, edition: Edition::First },
        Self { kind: RuntimeKind::Native, edition: Edition::Second },
        Self { kind: RuntimeKind::Wasm, edition: Edition::First },
        Self { kind: RuntimeKind::Wasm, edition: Edition::Second },
    ];

    fn find(self) -> &'static (Self, Code, CodeHash) {
        static CODES: LazyLock<[(Program, Code, CodeHash); 4]> = LazyLock::new(|| {
            Program::ALL.map(|program| {
                let code = match (program.kind, program.edition) {
                    (RuntimeKind::Wasm, Edition::First) => Code::new(program.kind, MODULE),
                    (RuntimeKind::Wasm, Edition::Second) => Code::new(program.kind, second(MODULE)),
                    (kind, edition) => Code::new(kind, edition.linked_as()),
                };
                let hash = code.hash();
                (program, code, hash)
            })
        });
        let [first, others @ ..] = &*CODES;
        others.iter().find(|(program, ..)| *program == self).unwrap_or(first)
    }

    pub(super) fn code(self) -> &'static Code {
        &self.find().1
    }

    pub(super) fn hash(self) -> CodeHash {
        self.find().2
    }
}

impl Edition {
    /// How `env` names who called.
    pub(super) const fn caller(self) -> &'static str {
        match self {
            Self::First => " caller=",
            Self::Second => " sender=",
        }
    }

    /// What a migration writes between the two versions.
    pub(super) const fn arrow(self) -> &'static str {
        match self {
            Self::First => " -> ",
            Self::Second => " => ",
        }
    }

    /// The name under which the native one is linked.
    const fn linked_as(self) -> &'static str {
        match self {
            Self::First => "probe",
            Self::Second => "probe-second",
        }
    }
}

/// The native programs.
pub(super) fn linked() -> Result<NativeConfig, NativeError> {
    NativeConfig::new()
        .contract(Edition::First.linked_as(), NativeContract::of::<Probe>())?
        .contract(Edition::Second.linked_as(), NativeContract::of::<Second>())
}

/// The WASM runtime, and what it made of the code of all machines. That is a function of code alone, and takes longer than all that the lives
/// are about.
pub(super) struct Modules {
    runtime: WasmRuntime,
    verified: Mutex<BTreeMap<CodeHash, Result<(), CodeError>>>,
    prepared: Mutex<BTreeMap<CodeHash, Arc<dyn Contract>>>,
}

impl Modules {
    /// The same for all machines.
    pub(super) fn shared() -> io::Result<Arc<Self>> {
        static SHARED: LazyLock<Result<Arc<Modules>, String>> = LazyLock::new(|| {
            let runtime = WasmRuntime::new(WasmConfig::default()).map_err(|error| error.to_string())?;
            Ok(Arc::new(Modules { runtime, verified: Mutex::default(), prepared: Mutex::default() }))
        });
        SHARED.clone().map_err(io::Error::other)
    }
}

#[async_trait]
impl RuntimeProvider for Modules {
    fn kind(&self) -> RuntimeKind {
        self.runtime.kind()
    }

    fn verify(&self, code: &Code) -> Result<(), CodeError> {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.entry(code.hash()).or_insert_with(|| self.runtime.verify(code)).clone()
    }

    async fn prepare(&self, code: &Code) -> Result<Arc<dyn Contract>, PrepareError> {
        let kept = |hash| self.prepared.lock().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned();
        let hash = code.hash();
        if let Some(contract) = kept(hash) {
            return Ok(contract);
        }
        let contract = self.runtime.prepare(code).await?;
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).insert(hash, contract.clone());
        Ok(contract)
    }

    fn schedule(&self) -> Option<&GasSchedule> {
        self.runtime.schedule()
    }

    fn status(&self) -> ProviderStatus {
        self.runtime.status()
    }
}

/// The probe as a module; its native twin is linked.
const MODULE: &[u8] = include_bytes!("../../../contracts/artifacts/probe.wasm");

/// The module with other words in its data, each as long as the one that it replaces. A migration's arrow stands between the two places for the
/// versions in a template; everywhere else it is part of the interface.
fn second(module: &[u8]) -> Vec<u8> {
    let [from, to] =
        [Edition::First, Edition::Second].map(|edition| [b"\xc0\x04", edition.arrow().as_bytes(), b"\xc0"].concat());
    replaced(&replaced(module, &from, &to), Edition::First.caller().as_bytes(), Edition::Second.caller().as_bytes())
}

/// Bytes with others of the same length in the place of some.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(at) = bytes.windows(from.len()).position(|window| window == from)
        && let Some(place) = bytes.get_mut(at..at + from.len())
    {
        place.copy_from_slice(to);
    }
    bytes
}

/// The native one of the second edition.
#[derive(Debug)]
struct Second;

impl vm_sdk::Contract for Second {
    const NAME: &'static str = <Probe as vm_sdk::Contract>::NAME;
    const VERSION: &'static str = "2";
    const INTERFACE: &'static str = <Probe as vm_sdk::Contract>::INTERFACE;

    fn run(cx: &mut Context<'_>, call: &Call<'_>) -> vm_sdk::Result<Vec<u8>> {
        let output = <Probe as vm_sdk::Contract>::run(cx, call)?;
        match (call.entry, call.method) {
            (Entry::Upgrade { from, to }, _) => {
                cx.put_raw(b"upgraded", format!("{from}{}{to}", Edition::Second.arrow()).as_bytes())?;
                Ok(output)
            }
            (Entry::Invoke, "env") => {
                Ok(replaced(&output, Edition::First.caller().as_bytes(), Edition::Second.caller().as_bytes()))
            }
            _ => Ok(output),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_module_differs_in_two_words() {
        let second = second(MODULE);
        assert_eq!(second.len(), MODULE.len());
        assert_eq!(second.iter().zip(MODULE).filter(|(one, other)| one != other).count(), 1 + 4);
    }
}
