//! A runtime whose contracts are closures, registered by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_executor::block_on;
use vm_core::{
    Address, Block, Call, CallRequest, Code, CodeError, Contract, ContractName, DeployRequest, ErrorKind, Host,
    HostFault, Interface, InvokeRequest, Opaque, Outcome, PrepareError, ProviderStatus, Receipt, Refusal, Return,
    RuntimeKind, RuntimeProvider, Stop, Vm, VmBuilder, VmError, VmProvider,
};

pub(crate) type Body = dyn Fn(&mut dyn Host, &Call) -> Result<Bytes, Failure> + Send + Sync;

/// How a closure fails.
#[derive(Debug)]
pub(crate) enum Failure {
    Revert(&'static str),
    Stop(Stop),
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

pub(crate) const REVERT: Failure = Failure::Revert("no");

#[derive(Clone)]
pub(crate) struct Scripts(BTreeMap<&'static str, Arc<Script>>, RuntimeKind);

impl Default for Scripts {
    fn default() -> Self {
        Self(BTreeMap::new(), RuntimeKind::Native)
    }
}

pub(crate) struct Script {
    body: Box<Body>,
    reentrant: bool,
    apart: bool,
}

impl Scripts {
    pub(crate) fn with(
        self,
        name: &'static str,
        body: impl Fn(&mut dyn Host, &Call) -> Result<Bytes, Failure> + Send + Sync + 'static,
    ) -> Self {
        self.add(name, Script { body: Box::new(body), reentrant: false, apart: false })
    }

    pub(crate) fn reentrant(
        self,
        name: &'static str,
        body: impl Fn(&mut dyn Host, &Call) -> Result<Bytes, Failure> + Send + Sync + 'static,
    ) -> Self {
        self.add(name, Script { body: Box::new(body), reentrant: true, apart: false })
    }

    /// One that keeps its state apart.
    pub(crate) fn apart(
        self,
        name: &'static str,
        body: impl Fn(&mut dyn Host, &Call) -> Result<Bytes, Failure> + Send + Sync + 'static,
    ) -> Self {
        self.add(name, Script { body: Box::new(body), reentrant: false, apart: true })
    }

    fn add(mut self, name: &'static str, script: Script) -> Self {
        self.0.insert(name, Arc::new(script));
        self
    }

    /// The same scripts as a runtime of another kind.
    pub(crate) fn of_kind(self, kind: RuntimeKind) -> Self {
        Self(self.0, kind)
    }

    /// A running machine in which each script is deployed under its own name.
    pub(crate) fn start(self) -> Vm {
        self.start_with(Vm::builder())
    }

    pub(crate) fn start_with(self, builder: VmBuilder) -> Vm {
        let names: Vec<_> = self.0.keys().copied().collect();
        let vm = builder.runtime(self).build().unwrap();
        block_on(vm.start()).unwrap();
        for name in names.iter().filter(|name| !name.contains("v2")) {
            deploy(&vm, name).unwrap();
        }
        vm
    }
}

#[async_trait::async_trait]
impl RuntimeProvider for Scripts {
    fn kind(&self) -> RuntimeKind {
        self.1
    }

    fn verify(&self, code: &Code) -> Result<(), CodeError> {
        let known = self.0.contains_key(String::from_utf8_lossy(&code.bytes).as_ref());
        if known { Ok(()) } else { Err(CodeError::new("script", "no such script")) }
    }

    async fn prepare(&self, code: &Code) -> Result<Arc<dyn Contract>, PrepareError> {
        self.verify(code)?;
        Ok(self.0[String::from_utf8_lossy(&code.bytes).as_ref()].clone())
    }

    fn status(&self) -> ProviderStatus {
        ProviderStatus::healthy("script", "1")
    }
}

impl Contract for Script {
    fn call(&self, host: &mut dyn Host, call: &Call) -> Result<Return, HostFault> {
        match (self.body)(host, call) {
            Ok(output) => Ok(Return::success(output)),
            Err(Failure::Revert(reason)) => Ok(Return::revert(reason)),
            Err(Failure::Stop(stop)) => stop.into_return(),
        }
    }

    fn interface(&self) -> &dyn Interface {
        &Opaque
    }

    fn reentrant(&self) -> bool {
        self.reentrant
    }

    fn keeps_apart(&self) -> bool {
        self.apart
    }
}

pub(crate) fn name(text: &str) -> ContractName {
    ContractName::new(text).unwrap()
}

pub(crate) fn script(text: &str) -> Code {
    Code::new(RuntimeKind::Native, text)
}

pub(crate) fn owner() -> Address {
    Address::from_name("owner")
}

pub(crate) fn deploy(vm: &Vm, text: &str) -> Result<Receipt, VmError> {
    // In a block, so that no quota is asked.
    let request = DeployRequest::new(name(text), "1".parse().unwrap(), script(text)).from(owner());
    block_on(vm.deploy(request.block(Arc::new(Block::default()))))
}

pub(crate) fn request(contract: &str, method: &str) -> InvokeRequest {
    InvokeRequest::new(name(contract), method).from(owner())
}

pub(crate) fn invoke(vm: &Vm, contract: &str, method: &str) -> Receipt {
    block_on(vm.invoke(request(contract, method))).unwrap()
}

/// Calls `to` from inside a script.
pub(crate) fn call(host: &mut dyn Host, to: &str, method: &str) -> Result<Outcome, Stop> {
    host.call(CallRequest::new(name(to), method, Bytes::new()))
}

pub(crate) fn ok() -> Result<Bytes, Failure> {
    Ok(Bytes::new())
}

pub(crate) fn refusal(error: &VmError) -> &Refusal {
    match &error.kind {
        ErrorKind::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}
