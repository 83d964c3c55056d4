//! What a module is and needs, told without compiling it, and everything that the gate has against it.
//!
//! [`analyze`] reads any bytes and tells as much of them as can be read; [`analyze_code`] also looks at what they are deployed
//! with.

mod feature;
mod read;
mod text;

use serde::Serialize;
use vm_core::{Code, Gas, RuntimeKind};

use crate::engine::work;
use crate::gate::{self, GateConfig, Rule};
use crate::guest::Guest;
use crate::meter::{self, Bounds, Prices};
use crate::{Violation, WasmConfig, WasmError};

/// What [`analyze`] found. Its JSON form has the fields as they are named here.
///
/// Names are the module's own, as they can be shown: control characters are escaped, and what is longer than 128 characters ends
/// in `…`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Analysis {
    /// Whether the module can be deployed: there are no violations.
    pub accepted: bool,
    /// The length of the module in bytes.
    pub size: usize,
    /// The ABI that the module is written for, `vm1` or `chainmaker`; `None` when it is for another host, or none at all.
    pub abi: Option<&'static str>,
    /// What the module imports, in its order.
    pub imports: Vec<Item>,
    /// What the module exports, in its order.
    pub exports: Vec<Item>,
    /// The memory that the module declares.
    pub memory: Option<Extent>,
    /// The table that the module declares.
    pub table: Option<Extent>,
    /// The methods: the lines of the section `vm.interface`, or what a contract of ChainMaker exports.
    pub methods: Vec<String>,
    /// What the module uses beyond WebAssembly 1.0 without floats, by the names of compilers' target features, in alphabetical
    /// order.
    pub features: Vec<&'static str>,
    /// How much there is of everything.
    pub counts: Counts,
    /// The longest functions, at most five, the longest first.
    pub largest: Vec<Function>,
    /// What deploying the module costs, without its constructor.
    pub deploy: DeployGas,
    /// What a call costs before the contract does anything, in gas; `None` when the module is refused.
    pub call: Option<Gas>,
    /// What compiling it takes on engines that do; `None` when the module is refused.
    pub compile: Option<Compile>,
    /// What is no violation and costs more than it need.
    pub notes: Vec<String>,
    /// Everything that is wrong with the module, in its order.
    pub violations: Vec<Violation>,
    /// How many further violations were found and are not told.
    pub violations_left_out: usize,
}

/// An import or export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Item {
    /// The module that an import comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// The name.
    pub name: String,
    /// `function`, `memory`, `table`, `global` or `tag`.
    pub kind: &'static str,
    /// A function's type, such as `(i32, i32) -> (i64)`.
    #[serde(rename = "type")]
    pub ty: Option<String>,
}

/// The size of a memory in pages of 64 KiB, or of a table in entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Extent {
    /// What each call begins with.
    pub initial: u64,
    /// What it may grow to, if the module says so.
    pub maximum: Option<u64>,
}

/// How much there is in a module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// Types.
    pub types: usize,
    /// Functions, without imports.
    pub functions: usize,
    /// Globals, without imports.
    pub globals: usize,
    /// Bytes of all functions.
    pub code_bytes: usize,
    /// Bytes of all data segments.
    pub data_bytes: usize,
    /// Bytes of custom sections, which are stored and do nothing: names, debug information, the interface.
    pub custom_bytes: usize,
    /// The most locals that a function has, parameters not included.
    pub locals: u64,
    /// The deepest nesting of blocks.
    pub nesting: usize,
}

/// A function of the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Function {
    /// Its index, imports counted first.
    pub index: u32,
    /// Its name, when the module carries names.
    pub name: Option<String>,
    /// Where its body begins in the module.
    pub offset: usize,
    /// The length of its body.
    pub bytes: usize,
    /// Its locals, parameters not included.
    pub locals: u64,
    /// The deepest nesting of its blocks.
    pub nesting: usize,
}

/// What a deployment costs, by the gas schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DeployGas {
    /// Storing the code.
    pub storing: Gas,
    /// Checking, instrumenting and compiling it.
    pub preparing: Gas,
    /// Both.
    pub total: Gas,
}

/// What compiling takes, as estimated from the module's shape: at most 1.25 times as long, as the bench `compile` checks for modules that are made to
/// be expensive. Decides nothing but speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Compile {
    /// The estimate, in microseconds on the machine that it was measured on. What compilers write takes about half of it.
    pub microseconds: u64,
    /// More than this is not compiled but interpreted, on every engine.
    pub budget: u64,
    /// Whether it is within the budget.
    pub compiled: bool,
}

impl Analysis {
    /// The analysis as a JSON object.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Nothing in it can fail to be written: there are no keys but field names.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Analyses a module by the limits and prices of `config`, as it is deployed without an interface or options beside it. Never
/// fails: what cannot be read is a violation.
///
/// ```
/// use vm_wasm::{WasmConfig, analyze};
///
/// let module = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts/artifacts/token-v1.wasm"))?;
/// let analysis = analyze(&module, &WasmConfig::default());
/// assert!(analysis.accepted);
/// assert_eq!(analysis.abi, Some("vm1"));
/// assert!(analysis.methods.iter().any(|method| method.starts_with("transfer(")));
///
/// let refused = analyze(b"0x6080604052", &WasmConfig::default());
/// assert_eq!(refused.violations[0].rule.id(), "not-wasm");
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn analyze(module: &[u8], config: &WasmConfig) -> Analysis {
    analyze_code(&Code::new(RuntimeKind::Wasm, module.to_vec()), config)
}

/// Analyses a module together with the interface and the options that it is to be deployed with: what is accepted here is
/// accepted by a deployment under the same settings.
#[must_use]
pub fn analyze_code(code: &Code, config: &WasmConfig) -> Analysis {
    let module = &*code.bytes;
    let schedule = &config.schedule;
    let storing = schedule.transaction.deploy.of(code.size());
    let preparing = schedule.prepare.wasm.of(code.size());
    let deploy = DeployGas { storing, preparing, total: storing.saturating_add(preparing) };
    let mut analysis = Analysis {
        accepted: false,
        size: module.len(),
        abi: None,
        imports: Vec::new(),
        exports: Vec::new(),
        memory: None,
        table: None,
        methods: Vec::new(),
        features: Vec::new(),
        counts: Counts::default(),
        largest: Vec::new(),
        deploy,
        call: None,
        compile: None,
        notes: Vec::new(),
        violations: Vec::new(),
        violations_left_out: 0,
    };
    read::read(module, &mut analysis);
    analysis.notes.extend(analysis.memory.map(|memory| memory.initial).filter(|pages| *pages > PAGES).map(roomy));
    let gate = GateConfig::new(config);
    match gate::check(module, &gate) {
        Ok(checked) => {
            let prices = Prices::new(&schedule.wasm);
            analysis.call = Some(Gas::new(prices.instance(&checked.initial)));
            let instrumented = meter::instrument(&checked, &prices, &Bounds::new(&gate)).ok();
            analysis.compile = instrumented.map(|module| {
                let nanoseconds = work::nanoseconds(&module);
                let (microseconds, budget) = (nanoseconds.div_ceil(1_000), work::BUDGET / 1_000);
                Compile { microseconds, budget, compiled: nanoseconds <= work::BUDGET }
            });
            if analysis.methods.is_empty() {
                analysis.methods.extend(code.abi.iter().flat_map(|text| text.lines()).map(read::method));
            }
            analysis.violations.extend(Guest::new(code, &checked).err().map(unfit));
        }
        Err(rejection) => {
            analysis.violations.extend(rejection.violations().cloned());
            analysis.violations_left_out = rejection.left_out();
        }
    }
    analysis.accepted = analysis.violations.is_empty();
    analysis
}

/// The pages of memory that contracts with a small stack begin with at most, unless they have much static data.
const PAGES: u64 = 3;

/// What is said of a module that begins with so many pages.
fn roomy(pages: u64) -> String {
    format!(
        "every call begins with {pages} pages of memory and pays for each; rustc makes {PAGES} or fewer with -Clink-arg=-zstack-size=32768"
    )
}

/// What an interface or options that do not fit a module are as a violation.
fn unfit(error: WasmError) -> Violation {
    match error {
        WasmError::Interface(error) => {
            Violation::new(Rule::Interface, format!("the interface cannot be read: {error}"))
        }
        other => Violation::new(Rule::Unsupported, other.to_string()),
    }
}
