use vm_core::{Call, Entry, Host, Stop};

use super::entry::{Exports, INIT, UPGRADE};
use super::parameters::{self, ValueType};
use super::session::Session;

/// The longest parameters for a contract in TinyGo, in bytes, whose allocator takes ever longer for more.
const TINYGO_BYTES: usize = 64 << 10;

/// The option that names the type of all parameters.
const OPTION: &str = "params";

/// What the host knows of a ChainMaker contract.
#[derive(Debug, Clone)]
pub(crate) struct Adapter {
    /// All methods, constructor and migration included, in the order of their names.
    pub(super) methods: Vec<Box<str>>,
    values: ValueType,
    tinygo: bool,
}

/// How a call begins.
pub(crate) struct Opening {
    /// The number of the method, as the generated entry takes it.
    pub(crate) method: i32,
    /// The length of the parameters.
    pub(crate) length: i32,
    pub(crate) session: Session,
}

impl Adapter {
    /// For a contract with these exports and options.
    ///
    /// # Errors
    /// What is wrong with the options.
    pub(crate) fn new<'o>(
        exports: &Exports<'_>,
        options: impl IntoIterator<Item = (&'o str, &'o str)>,
    ) -> Result<Self, String> {
        let mut values = ValueType::default();
        for (name, value) in options {
            if name != OPTION {
                return Err(format!("ChainMaker's contracts have no option '{name}'; they have '{OPTION}'"));
            }
            values = value.parse().map_err(|()| {
                format!(
                    "the option {OPTION}={value} is unknown; expected {OPTION}=bytes (SDK 2.0 and later, the default) or {OPTION}=string (SDK 1.0 to 1.2)"
                )
            })?;
        }
        let methods = exports.methods.keys().map(|name| (*name).into()).collect();
        Ok(Self { methods, values, tinygo: exports.is_tinygo() })
    }

    /// Begins a call, or says why the contract does not take it.
    pub(crate) fn open(&self, host: &mut dyn Host, call: &Call) -> Result<Result<Opening, String>, Stop> {
        let name = match call.entry {
            Entry::Deploy => INIT,
            Entry::Upgrade { .. } | Entry::Replace { .. } => UPGRADE,
            Entry::Invoke => &call.method,
        };
        let method = self.methods.binary_search_by(|method| (**method).cmp(name));
        let method = method.ok().filter(|_| call.entry != Entry::Invoke || is_callable(name));
        let Some(method) = method.and_then(|method| i32::try_from(method).ok()) else {
            let methods: Vec<_> = self.callable().collect();
            return Ok(Err(format!("unknown method '{name}'; methods: {}", methods.join(", "))));
        };
        let parameters = match parameters::all(host, call, self.values)? {
            Ok(parameters) => parameters,
            Err(unfit) => return Ok(Err(unfit.to_string())),
        };
        if self.tinygo && parameters.len() > TINYGO_BYTES {
            return Ok(Err(format!(
                "the parameters have {} bytes; a contract in TinyGo takes {TINYGO_BYTES}",
                parameters.len()
            )));
        }
        let Ok(length) = i32::try_from(parameters.len()) else {
            return Ok(Err("the parameters are too long".into()));
        };
        Ok(Ok(Opening { method, length, session: Session::new(parameters.into()) }))
    }

    /// The methods that can be called.
    pub(super) fn callable(&self) -> impl Iterator<Item = &str> {
        self.methods.iter().map(|method| &**method).filter(|method| is_callable(method))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.methods.iter().any(|method| **method == *name)
    }
}

/// Constructor and migration run when the contract is deployed and upgraded, never when somebody asks for them.
fn is_callable(method: &str) -> bool {
    method != INIT && method != UPGRADE
}
