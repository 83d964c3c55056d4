//! What a script needs of an engine.

use std::collections::BTreeMap;
use std::fmt;

use vm_core::Trap;

use super::value::Value;

/// An engine with a store: instances that can see each other.
pub(super) trait Machine {
    /// Instantiates a module. Its imports are exports of the instances with these names, and `host.op`, which traps.
    fn instantiate(&mut self, module: &[u8], names: &BTreeMap<String, usize>) -> Result<usize, Failure>;

    /// Calls an exported function.
    fn invoke(&mut self, instance: usize, function: &str, args: &[Value]) -> Result<Vec<Value>, Failure>;

    /// Reads an exported global.
    fn global(&mut self, instance: usize, name: &str) -> Result<Value, Failure>;

    /// Sets an exported global.
    fn set_global(&mut self, instance: usize, name: &str, value: i64) -> Result<(), Failure>;
}

/// Starts an engine.
type Make = fn() -> Result<Box<dyn Machine>, Failure>;

/// The engines of this build, each with its name.
pub(super) const ENGINES: &[(&str, Make)] = &[
    ("wasmi", super::wasmi::machine),
    #[cfg(feature = "wasmtime")]
    ("wasmtime", super::wasmtime::machine),
    #[cfg(feature = "wasmer")]
    ("wasmer", super::wasmer::machine),
];

/// The names of the engines that scripts run on: wasmi, and one for each feature of this crate.
pub fn engines() -> impl Iterator<Item = &'static str> {
    ENGINES.iter().map(|(name, _)| *name)
}

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Trap(Trap),
    /// The stack is used up, by the engine's reckoning or by the module's own.
    Exhausted,
    /// An import is missing or of another type.
    Unlinkable(String),
    /// The engine does not compile the module.
    Uncompilable(String),
    /// A bound that the engine has, and that contracts cannot reach.
    #[cfg_attr(not(feature = "wasmer"), expect(dead_code, reason = "only wasmer has limits that the suite exceeds"))]
    Limit(String),
    /// Anything else.
    Other(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trap(trap) => write!(f, "the trap '{trap}'"),
            Self::Exhausted => f.write_str("exhaustion of the stack"),
            Self::Unlinkable(why) => write!(f, "a failure to link: {why}"),
            Self::Uncompilable(why) => write!(f, "a failure to compile: {why}"),
            Self::Limit(why) | Self::Other(why) => f.write_str(why),
        }
    }
}

/// The import that instrumented modules have: called when gas or stack is used up.
pub(super) const HOST_OP: (&str, &str) = ("host", "op");

/// What it answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exhausted;

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("gas or stack is used up")
    }
}

impl std::error::Error for Exhausted {}

pub(super) fn missing(what: &str, name: &str) -> Failure {
    Failure::Other(format!("there is no exported {what} `{name}`"))
}
