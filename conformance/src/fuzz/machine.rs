//! Machines that have to do the same.

use std::time::Duration;

use vm_core::{
    Code, ContractName, DeployRequest, ErrorKind, Gas, InvokeRequest, Limits, Receipt, Refusal, RuntimeKind, Status,
    Version, Vm, VmError, VmProvider,
};
use vm_wasm::{EngineKind, WasmConfig, WasmRuntime};

/// The gas between two looks at the deadline: the default, the least, and one in between.
const SLICES: [u64; 3] = [1_000_000, 1_000, 7_919];

/// A machine, and what is special about it.
pub(super) struct Machine {
    pub(super) name: String,
    vm: Vm,
}

/// One machine for each engine of the build, and one that differs from the first in nothing but its slices.
pub(super) struct Machines(pub(super) Vec<Machine>);

impl Machines {
    pub(super) fn start() -> Result<Self, String> {
        let mut machines = Vec::new();
        let engines = EngineKind::ALL.iter().copied().chain([EngineKind::default()]);
        for (engine, slice) in engines.zip(SLICES.into_iter().cycle()) {
            machines.push(Machine::start(engine, slice).map_err(|error| format!("{error:#}"))?);
        }
        Ok(Self(machines))
    }
}

impl Machine {
    fn start(engine: EngineKind, slice: u64) -> anyhow::Result<Self> {
        Self::with(engine, slice, WasmConfig::default())
    }

    /// With other settings than the default ones.
    pub(super) fn with(engine: EngineKind, slice: u64, mut config: WasmConfig) -> anyhow::Result<Self> {
        config.engine = engine;
        config.gas_slice = slice;
        config.memory_limit = 1 << 20;
        config.floats = true;
        let runtime = WasmRuntime::new(config)?;
        let limits = Limits { execution_timeout: Duration::from_secs(600), cache_size: 16 << 20, ..Limits::default() };
        let vm = Vm::builder().runtime(runtime).limits(limits).workers(1).build()?;
        futures_executor::block_on(vm.start())?;
        Ok(Self { name: format!("{engine} in slices of {slice}"), vm })
    }

    /// Deploys a contract.
    pub(super) fn deploy(&self, name: &ContractName, code: &[u8], arguments: &Arguments) -> Result<Seen, String> {
        let version = "1".parse::<Version>().map_err(|error| error.to_string())?;
        let code = Code::new(RuntimeKind::Wasm, code.to_vec());
        let request = DeployRequest::new(name.clone(), version, code);
        let request = match arguments {
            Arguments::Input(input) => request.input(input.clone()),
            Arguments::Text(args) => request.args(args.iter().copied()),
        };
        Ok(Seen::new(futures_executor::block_on(self.vm.deploy(request))))
    }

    /// Calls a contract.
    pub(super) fn call(&self, name: &ContractName, call: &Call<'_>) -> Seen {
        let request = InvokeRequest::new(name.clone(), call.method).gas(Gas::new(call.gas));
        let request = match call.arguments {
            Arguments::Input(input) => request.input(input.clone()),
            Arguments::Text(args) => request.args(args.iter().copied()),
        };
        Seen::new(if call.query { self.vm.query_sync(request) } else { self.vm.invoke_sync(request) })
    }
}

/// What goes into a call.
#[derive(Debug, Clone)]
pub(super) enum Arguments {
    Input(Vec<u8>),
    Text(&'static [&'static str]),
}

/// A call of a contract.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) method: &'a str,
    pub(super) arguments: &'a Arguments,
    pub(super) gas: u64,
    /// Whether nothing is kept of it.
    pub(super) query: bool,
}

/// What came out of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// How it ended.
    status: String,
    /// The same without what differs from case to case.
    pub(super) kind: String,
    pub(super) gas: u64,
    /// Of everything that decides a state: output, gas, events, reads, writes.
    digest: [u8; 32],
    output: usize,
    /// Whether it succeeded.
    pub(super) done: bool,
    /// Whether the host failed, which no contract may bring about.
    pub(super) fault: bool,
}

impl Seen {
    fn new(result: Result<Receipt, VmError>) -> Self {
        match result {
            Ok(receipt) => {
                let status = match receipt.status {
                    Status::Success => "success".into(),
                    Status::Revert => "revert".into(),
                    Status::Trap(trap) => format!("trap: {trap}"),
                };
                Self {
                    kind: status.clone(),
                    status,
                    gas: receipt.gas_used.get(),
                    digest: receipt.digest(),
                    output: receipt.output.len(),
                    done: receipt.status == Status::Success,
                    fault: false,
                }
            }
            Err(error) => Self {
                status: format!("refused: {error}"),
                kind: match &error.kind {
                    ErrorKind::Refused(refusal) => match &**refusal {
                        Refusal::Code(code) => format!("refused: {}", code.rule()),
                        _ => format!("refused: {}", error.phase),
                    },
                    ErrorKind::Failed(receipt) => format!("failed: {}", receipt.status),
                    ErrorKind::Fault(_) => "fault".into(),
                },
                gas: 0,
                digest: [0; 32],
                output: 0,
                done: false,
                fault: matches!(error.kind, ErrorKind::Fault(_)),
            },
        }
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { status, gas, digest: [a, b, c, d, ..], output, .. } = self;
        write!(f, "{status}, {gas} gas, {output} bytes, digest {a:02x}{b:02x}{c:02x}{d:02x}")
    }
}
