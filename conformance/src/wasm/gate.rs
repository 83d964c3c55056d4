//! Modules as the gate sees them.

use vm_wasm::{Rule, WasmConfig, WasmError, conformance};

/// A module of a script.
#[derive(Clone, Debug)]
pub(super) struct Module {
    pub(super) plain: Vec<u8>,
    pub(super) metered: Result<Vec<u8>, Refusal>,
}

/// Why there is no instrumented form.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    /// It is no valid module.
    Invalid(String),
    /// It uses what contracts may not use.
    Rule(Rule),
    /// A defect.
    Defect(String),
}

/// The gate, and the instrumentation behind it.
#[derive(Debug)]
pub(super) struct Gate(WasmConfig);

impl Gate {
    /// With limits that the suite's modules stay within.
    pub(super) fn new() -> Self {
        let mut config = WasmConfig::default();
        config.floats = true;
        config.memory_limit = 1 << 32;
        config.shape.table_entries = 10_000_000;
        config.shape.params = 1_000;
        config.shape.exports = 10_000;
        config.shape.segments = 10_000;
        config.shape.imports = 10_000;
        config.shape.br_table_targets = 100_000;
        config.shape.body_bytes = 1 << 20;
        Self(config)
    }

    pub(super) fn module(&self, plain: Vec<u8>) -> Module {
        let metered = conformance::instrument(&plain, &self.0).map_err(|error| match error {
            WasmError::Rejected(rejection) => match rejection.first().rule {
                Rule::NotWasm | Rule::Truncated | Rule::Malformed | Rule::Invalid => {
                    Refusal::Invalid(rejection.to_string())
                }
                rule => Refusal::Rule(rule),
            },
            error => Refusal::Defect(error.to_string()),
        });
        Module { plain, metered }
    }
}
