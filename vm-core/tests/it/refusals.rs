//! Refusals that no other topic has: what they say, and that nothing is left.

use std::sync::Arc;

use futures_executor::block_on;
use vm_core::{
    Access, Action, ArgumentError, Arguments, Call, Change, ChangeRequest, Code, CodeError, Contract, DeployRequest,
    Encoded, Entry, GovernRequest, Governance, GrantRequest, Host, HostFault, HostPolicy, Interface, InvokeRequest,
    Lifecycle, Limits, Managed, PrepareError, ProviderStatus, Return, Right, RollbackRequest, Room, Rule, RuntimeKind,
    RuntimeProvider, UpgradeRequest, Vm, VmProvider,
};

use crate::script::{Scripts, name, ok, owner, request, script};

fn scripts() -> Scripts {
    Scripts::default().with("c", |_, _| ok()).with("c-v2", |_, _| ok())
}

fn governed() -> HostPolicy {
    let mut policy = HostPolicy::default();
    policy.administrators = Rule::Callers([owner()].into());
    policy
}

fn bound(keys: u64) -> GovernRequest {
    let room = Some(Room { keys, bytes: 99 });
    GovernRequest::new(Governance::Room { contract: name("c"), room }).from(owner())
}

#[test]
fn a_machine_that_does_not_run_says_what_it_is() {
    let vm = Vm::builder().runtime(scripts()).build().unwrap();
    let error = || block_on(vm.invoke(request("c", "run"))).unwrap_err().to_string();
    assert_eq!(error(), "admit: the vm is created; start it first");
    block_on(vm.init()).unwrap();
    assert_eq!(error(), "admit: the vm is ready; start it first");
    block_on(vm.start()).unwrap();
    assert_eq!(error(), "load: there is no contract 'c'");
    block_on(vm.stop()).unwrap();
    assert_eq!(error(), "admit: the vm is stopped; start it first");
}

#[test]
fn what_is_too_large_is_told_with_its_limit_and_the_setting() {
    let limits = Limits { code_size: 4, input_size: 8, ..Limits::default() };
    let vm = scripts().start_with(Vm::builder().limits(limits));
    let deploy = DeployRequest::new(name("d"), "1".parse().unwrap(), script("large"));
    let error = block_on(vm.deploy(deploy)).unwrap_err().to_string();
    assert_eq!(error, "admit: the code: 5 bytes, above the limit of 4 (vm.limits.code_size)");
    let error = block_on(vm.invoke(request("c", "run").input(vec![0; 6]))).unwrap_err().to_string();
    assert_eq!(error, "validate: the encoded arguments: 9 bytes, above the limit of 8 (vm.limits.input_size)");
    assert!(block_on(vm.invoke(request("c", "run").input(vec![0; 5]))).is_ok());
}

#[test]
fn of_many_versions_some_are_named() {
    let vm = scripts().start();
    for version in 2..=40 {
        let upgrade = UpgradeRequest::new(name("c"), version.to_string().parse().unwrap(), script("c-v2"));
        block_on(vm.upgrade(upgrade.from(owner()))).unwrap();
    }
    let back = RollbackRequest::new(name("c"), "99".parse().unwrap()).from(owner());
    let error = block_on(vm.rollback(back)).unwrap_err().to_string();
    assert!(
        error.contains("never had a version '99'; its versions are ") && error.ends_with(", and others"),
        "{error}"
    );
    assert_eq!(error.matches(", ").count(), 32, "{error}");
}

/// What is revoked is changed no more, but for its policy and its bound.
#[test]
fn the_state_of_a_revoked_contract_is_bounded_and_its_life_stays_over() {
    let vm = scripts().start_with(Vm::builder().policy(governed()));
    block_on(vm.change(ChangeRequest::new(name("c"), Change::Revoke).from(owner()))).unwrap();
    block_on(vm.govern(bound(3))).unwrap();
    let record = vm.record(&name("c")).unwrap().unwrap();
    assert_eq!((record.lifecycle, record.room.map(|room| room.keys)), (Lifecycle::Revoked, Some(3)));
    let error = block_on(vm.govern(bound(4).from(vm_core::Address::from_name("stranger")))).unwrap_err();
    assert!(error.to_string().contains("may not change the host's policy"), "{error}");
}

/// Contracts all of whose methods have two names that policies know.
struct Twofold;

#[async_trait::async_trait]
impl RuntimeProvider for Twofold {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Wasm
    }
    fn verify(&self, _: &Code) -> Result<(), CodeError> {
        Ok(())
    }
    async fn prepare(&self, _: &Code) -> Result<Arc<dyn Contract>, PrepareError> {
        Ok(Arc::new(Self))
    }
    fn status(&self) -> ProviderStatus {
        ProviderStatus::healthy("twofold", "1")
    }
}

impl Contract for Twofold {
    fn call(&self, _: &mut dyn Host, _: &Call) -> Result<Return, HostFault> {
        Ok(Return::success(""))
    }
    fn interface(&self) -> &dyn Interface {
        self
    }
}

impl Interface for Twofold {
    fn encode(&self, _: &Entry, method: &str, _: &Arguments) -> Result<Encoded, ArgumentError> {
        Ok(Encoded { method: method.into(), input: Default::default() })
    }
    fn guards(&self, method: &str) -> Result<Vec<String>, ArgumentError> {
        let both = ["a", "b"].map(|overload| format!("{method}.{overload}"));
        Ok(if method.contains('.') { vec![method.to_owned()] } else { both.into() })
    }
    fn decode_output(&self, _: &str, _: &[u8]) -> Option<String> {
        None
    }
    fn has_entry(&self, entry: &Entry) -> bool {
        *entry == Entry::Invoke
    }
    fn methods(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A contract begins with more than anybody could give it, when names of the host's rules stand for several of its methods. Its policy can be
/// changed and shortened, and not made longer.
#[test]
fn a_policy_that_began_too_long_is_shortened_and_not_made_longer() {
    let mut policy = governed();
    for n in 0..200 {
        policy.contracts.set(Right::Method(format!("m{n}")), Rule::Owner);
    }
    let vm = Vm::builder().runtime(Twofold).policy(policy).build().unwrap();
    block_on(vm.start()).unwrap();
    let code = Code::new(RuntimeKind::Wasm, "");
    block_on(vm.deploy(DeployRequest::new(name("c"), "1".parse().unwrap(), code).from(owner()))).unwrap();
    let methods = || vm.policy(&name("c")).unwrap().unwrap().methods.len();
    let grant = |request: GrantRequest| block_on(vm.grant(request.from(owner()))).map(drop);
    let of = |method: &str| Right::Method(method.into());
    assert_eq!(methods(), 400);
    grant(GrantRequest::new(name("c")).set(Right::Freeze, Rule::Anyone)).unwrap();
    grant(GrantRequest::new(name("c")).set(of("m1"), Rule::Nobody)).unwrap();
    let error = grant(GrantRequest::new(name("c")).set(of("m200.a"), Rule::Nobody)).unwrap_err().to_string();
    assert_eq!(error, "store: more than 256 methods have a rule of their own; use the rule of all calls");
    grant(GrantRequest::new(name("c")).clear("m1")).unwrap();
    assert_eq!(methods(), 398);
    assert!(grant(GrantRequest::new(name("c")).set(of("m1"), Rule::Nobody)).is_err(), "not back to where it was");
    let call = |method: &str| block_on(vm.invoke(InvokeRequest::new(name("c"), method)));
    assert!(call("m2.b").unwrap_err().to_string().contains("only its owner may") && call("m1.b").is_ok());
}

/// A contract that asks for operations is told what the request would have been told.
#[test]
fn a_nested_bound_and_an_endorsement_are_asked_for_as_by_request() {
    let vm = scripts()
        .with("asks", |host, call| {
            if call.entry != Entry::Invoke {
                return ok();
            }
            let operation = Managed::Govern(bound(7));
            let stranger = vm_core::Address::from_name("stranger");
            let endorsable = host.transaction().endorsable(&operation, stranger)?;
            let done = host.transaction().manage(&operation)?;
            let again = host.transaction().manage(&operation)?;
            assert!(done.outcome.status.is_success() && done.changed && done.warnings.is_empty());
            assert!(again.outcome.status.is_success() && !again.changed);
            Ok(format!("{}; {}", endorsable.unwrap_err(), again.warnings.join("; ")).into())
        })
        .start_with(Vm::builder().policy(governed()));
    let output = block_on(vm.invoke(request("asks", "run"))).unwrap().output;
    let stranger = vm_core::Address::from_name("stranger");
    assert_eq!(
        String::from_utf8_lossy(&output),
        format!(
            "the rule 'administrators' does not ask for the endorsement of {stranger}; contract 'c' may have 7 keys and 99 bytes already"
        )
    );
}

/// The EVM enters named contracts by itself. It may ask for calls, and what is read to answer is paid for.
#[test]
fn an_engine_asks_for_calls_and_pays_for_the_answer() {
    let vm = scripts()
        .with("engine", |host, call| {
            let (actor, contract, owner) = (host.env().this, name("c"), Some(owner()));
            let action = if &*call.method == "upgrade" { Action::Upgrade } else { Action::Call { method: "run" } };
            if &*call.method == "poor" {
                host.charge(host.gas_left())?;
            }
            let access = Access { actor, action, contract: &contract, owner, guarded: true };
            let answer = host.transaction().authorize(&access);
            Ok(answer.map_or_else(|denied| denied.rule, |()| "permitted".into()).into())
        })
        .start();
    let only = "callers(contract:engine)".parse().unwrap();
    block_on(vm.grant(GrantRequest::new(name("c")).set(Right::Call, only).from(owner()))).unwrap();
    for (method, told) in [
        ("run", "permitted"),
        ("poor", "the gas does not cover reading its policy"),
        ("upgrade", "only calls are asked for here"),
    ] {
        let receipt = block_on(vm.invoke(request("engine", method))).unwrap();
        assert_eq!((receipt.status.is_success(), &*receipt.output), (true, told.as_bytes()), "{method}");
    }
}
