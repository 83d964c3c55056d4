//! A bound on what compiling takes: modules that could take longer than the [budget](super::work) are interpreted.
//!
//! Gas and results are the same on every engine, so a budget decides nothing but speed: nodes whose versions have different
//! budgets agree, and no contract is refused because somebody else's compiler is slow with it. Wasmi takes less than half a second with
//! the worst module that the gate accepts.

use std::sync::atomic::{AtomicUsize, Ordering};

use metrics::counter;

use super::wasmi::Wasmi;
use super::{Engine, Program, work};
use crate::meter::Instrumented;

/// A compiler, with wasmi for what is too expensive to compile.
#[derive(Debug)]
pub(crate) struct Budgeted {
    compiler: Box<dyn Engine>,
    /// Modules that were left to wasmi.
    interpreted: AtomicUsize,
}

impl Budgeted {
    /// The compiler, held to the budget.
    pub(crate) fn engine(compiler: Box<dyn Engine>) -> Box<dyn Engine> {
        Box::new(Self { compiler, interpreted: AtomicUsize::new(0) })
    }
}

impl Engine for Budgeted {
    fn name(&self) -> &'static str {
        self.compiler.name()
    }

    fn version(&self) -> &'static str {
        self.compiler.version()
    }

    fn fingerprint(&self) -> String {
        self.compiler.fingerprint()
    }

    fn compile(&self, module: &Instrumented) -> Result<Box<dyn Program>, String> {
        if work::affordable(module) {
            return self.compiler.compile(module);
        }
        self.interpreted.fetch_add(1, Ordering::Relaxed);
        counter!("vm_wasm_over_budget_total").increment(1);
        tracing::warn!(
            engine = self.name(),
            bytes = module.bytes.len(),
            "a module is too expensive to compile and is interpreted; `vm-host analyze` tells its estimate"
        );
        Wasmi.compile(module)
    }

    fn load(&self, bytes: &[u8]) -> Result<Box<dyn Program>, String> {
        self.compiler.load(bytes)
    }

    fn details(&self) -> Vec<(String, String)> {
        let mut details = self.compiler.details();
        details.push(("over_budget".into(), self.interpreted.load(Ordering::Relaxed).to_string()));
        details
    }
}
