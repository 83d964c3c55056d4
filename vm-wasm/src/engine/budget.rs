//! A bound on what compiling takes: modules that could take longer than the [budget](super::work) are interpreted.
//!
//! Gas and results are the same on every engine, so a budget decides nothing but speed: nodes whose versions have different
//! budgets agree, and no contract is refused because somebody else's compiler is slow with it. Wasmi takes about 1 s with the worst
//! modules that the gate accepts (bench `compile`).

use metrics::counter;

use super::wasmi::Wasmi;
use super::{Engine, Program, work};
use crate::count::Count;
use crate::meter::Instrumented;

/// How often a module was too expensive to compile: once for each time that it is prepared.
#[derive(Debug)]
pub(super) struct OverBudget(Count);

impl OverBudget {
    pub(super) fn new() -> Self {
        Self(Count::new(counter!("vm_wasm_over_budget_total")))
    }

    /// What compiling the module takes at most, in nanoseconds, if it may be compiled. One that may not is counted, and the log tells
    /// of it.
    pub(super) fn admits(&self, engine: &'static str, module: &Instrumented) -> Option<u64> {
        let affordable = work::affordable(module);
        if affordable.is_none() {
            self.0.add();
            tracing::warn!(
                target: "vm",
                engine,
                bytes = module.bytes.len(),
                "a module is too expensive to compile and is interpreted; `vm-host analyze` tells its estimate"
            );
        }
        affordable
    }

    /// For the runtime's status.
    pub(super) fn detail(&self) -> (String, String) {
        ("over_budget".into(), self.0.get().to_string())
    }
}

/// A compiler, with wasmi for what is too expensive to compile.
#[derive(Debug)]
pub(crate) struct Budgeted {
    compiler: Box<dyn Engine>,
    over_budget: OverBudget,
}

impl Budgeted {
    /// The compiler, held to the budget.
    pub(crate) fn engine(compiler: Box<dyn Engine>) -> Box<dyn Engine> {
        Box::new(Self { compiler, over_budget: OverBudget::new() })
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
        let engine: &dyn Engine = match self.over_budget.admits(self.name(), module) {
            Some(_) => &*self.compiler,
            None => &Wasmi,
        };
        engine.compile(module)
    }

    fn details(&self) -> Vec<(String, String)> {
        let mut details = self.compiler.details();
        details.push(self.over_budget.detail());
        details
    }
}
