//! Operations that contracts ask for inside their own transaction: what is refused, and that nothing is left of it.

use std::any::Any;
use std::sync::{Arc, Mutex};

use futures_executor::block_on;
use vm_core::{
    Address, Amount, AuditEvent, AuditResult, Change, ChangeRequest, Code, DeployRequest, Excess, GovernRequest,
    Governance, GovernanceEvent, GrantRequest, Host, HostFault, HostPolicy, Journal, Lifecycle, Managed,
    MigrateRequest, Observer, Outcome, Overlay, Right, RollbackRequest, Room, Rule, RuntimeKind, Status,
    UpgradeRequest, Vm, VmProvider,
};

use crate::script::{Failure, Scripts, invoke, name, ok, owner, request, script};

/// What an engine with accounts of its own leaves in a transaction.
struct Engine;

impl Overlay for Engine {
    fn checkpoint(&mut self) {}
    fn commit(&mut self) {}
    fn revert(&mut self) {}
    fn transfer(&mut self, _: Address, _: Address, _: Amount) -> Result<bool, HostFault> {
        Ok(true)
    }
    fn excess(&mut self, _: &Journal) -> Result<Option<Excess>, HostFault> {
        Ok(None)
    }
    fn flush(self: Box<Self>, _: &Journal) -> Result<(), HostFault> {
        Ok(())
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

type Does = fn(&str) -> Managed;

fn change(contract: &str) -> Managed {
    Managed::Change(ChangeRequest::new(name(contract), Change::Freeze).from(owner()))
}

fn grant(contract: &str) -> Managed {
    Managed::Grant(GrantRequest::new(name(contract)).set(Right::Call, Rule::Owner).from(owner()))
}

fn bound(contract: &str) -> Managed {
    let room = Some(Room { keys: 9, bytes: 99 });
    Managed::Govern(GovernRequest::new(Governance::Room { contract: name(contract), room }).from(owner()))
}

fn deploy(contract: &str) -> Managed {
    Managed::Deploy(DeployRequest::new(name(contract), "1".parse().unwrap(), script("c")).from(owner()))
}

fn upgrade(contract: &str) -> Managed {
    let kind = if contract == "evm" { RuntimeKind::Evm } else { RuntimeKind::Native };
    let code = Code::new(kind, "c-v2");
    Managed::Upgrade(UpgradeRequest::new(name(contract), "2".parse().unwrap(), code).from(owner()))
}

fn migrate(contract: &str) -> Managed {
    Managed::Migrate(MigrateRequest::new(name(contract), "1".parse().unwrap()).from(owner()))
}

fn rollback(contract: &str) -> Managed {
    Managed::Rollback(RollbackRequest::new(name(contract), "1".parse().unwrap()).from(owner()))
}

const ALL: [(&str, Does); 7] = [
    ("freeze", change),
    ("grant", grant),
    ("bound", bound),
    ("deploy", deploy),
    ("upgrade", upgrade),
    ("migrate", migrate),
    ("rollback", rollback),
];

fn manage(host: &mut dyn Host, operation: &Managed) -> Result<bytes::Bytes, Failure> {
    let Outcome { status, output, .. } = host.transaction().manage(operation)?.outcome;
    Ok(if status == Status::Success { "done".into() } else { output })
}

/// Two changes of the host's policy in one transaction.
#[test]
fn every_change_of_the_hosts_policy_in_a_transaction_is_told() {
    #[derive(Clone, Default)]
    struct Versions(Arc<Mutex<Vec<u32>>>);
    impl Observer for Versions {
        fn audit(&self, _: &AuditEvent<'_>) {}
        fn governed(&self, event: &GovernanceEvent<'_>) {
            self.0.lock().unwrap().extend(event.result.map(|policy| policy.version));
        }
    }
    let versions = Versions::default();
    let mut policy = HostPolicy::default();
    policy.administrators = Rule::Callers([owner()].into());
    let scripts = Scripts::default().with("twice", |host, call| {
        for rule in [Rule::Nobody, Rule::Anyone].into_iter().filter(|_| &*call.method == "run") {
            manage(host, &Managed::Govern(GovernRequest::new(Governance::Deploy(rule)).from(owner())))?;
        }
        ok()
    });
    let vm = scripts.start_with(Vm::builder().policy(policy).observer(versions.clone()));
    assert_eq!(invoke(&vm, "twice", "run").status, Status::Success);
    assert_eq!(*versions.0.lock().unwrap(), [2, 3]);
}

/// A contract that asks without end does not make its host remember without end.
#[test]
fn so_many_refusals_of_one_transaction_are_told() {
    #[derive(Clone, Default)]
    struct Count(Arc<Mutex<usize>>);
    impl Observer for Count {
        fn audit(&self, event: &AuditEvent<'_>) {
            *self.0.lock().unwrap() += usize::from(matches!(event.result, AuditResult::Refused(_)));
        }
    }
    let count = Count::default();
    let scripts = Scripts::default().with("asks", |host, call| {
        for _ in 0..if &*call.method == "run" { 1_000 } else { 0 } {
            manage(host, &Managed::Change(ChangeRequest::new(name("nosuch"), Change::Freeze).from(owner())))?;
        }
        ok()
    });
    let vm = scripts.start_with(Vm::builder().observer(count.clone()));
    assert_eq!(invoke(&vm, "asks", "run").status, Status::Success);
    assert_eq!(*count.0.lock().unwrap(), 256);
}

/// `asks` does what its method says to the contract that its input names; with an `evm ` before it, after an engine has run.
fn scripts() -> Scripts {
    Scripts::default().with("c", |_, _| ok()).with("c-v2", |_, _| ok()).with("asks", |host, call| {
        let (engine, verb) = call.method.split_once(' ').map_or((false, &*call.method), |(_, verb)| (true, verb));
        if engine {
            host.transaction().put_overlay(Box::new(Engine));
        }
        let to = String::from_utf8_lossy(&call.input).into_owned();
        match (ALL.iter().find(|(known, _)| *known == verb), verb) {
            (Some((_, operation)), _) => manage(host, &operation(&to)),
            (None, "pay") => {
                let paid = ChangeRequest::new(name(&to), Change::Freeze).from(owner()).value(Amount::from(1));
                manage(host, &Managed::Change(paid))
            }
            _ => ok(),
        }
    })
}

fn machine() -> Vm {
    let mut policy = HostPolicy::default();
    policy.administrators = Rule::Callers([owner()].into());
    let evm = std::sync::Arc::new(scripts().of_kind(RuntimeKind::Evm));
    let vm = scripts().start_with(Vm::builder().policy(policy).shared_runtime(evm));
    let code = Code::new(RuntimeKind::Evm, "c");
    block_on(vm.deploy(DeployRequest::new(name("evm"), "1".parse().unwrap(), code).from(owner()))).unwrap();
    vm
}

fn asks(vm: &Vm, verb: &str, contract: &str) -> String {
    let receipt = block_on(vm.invoke(request("asks", verb).input(contract.to_owned()))).unwrap();
    assert!(receipt.status.is_success());
    let output = String::from_utf8(receipt.output.to_vec()).unwrap();
    assert!(output == "done" || receipt.writes.is_empty(), "{verb} {contract}: {output}");
    output
}

#[test]
fn no_contract_is_changed_while_it_runs() {
    let vm = machine();
    for (verb, _) in ALL {
        let told = asks(&vm, verb, "asks");
        assert!(told.contains("no contract is changed while it runs; use a transaction of its own"), "{verb}: {told}");
    }
    for verb in ["upgrade", "migrate", "rollback", "grant", "bound", "freeze"] {
        assert_eq!(asks(&vm, verb, "c"), "done", "{verb}");
    }
}

#[test]
fn after_evm_code_has_run_other_contracts_can_be_changed() {
    let vm = machine();
    let refused =
        "admit: in a transaction in which evm code has run, no contract is deployed and no evm contract changed";
    for (verb, _) in ALL {
        let told = asks(&vm, &format!("evm {verb}"), "evm");
        assert!(told.contains(refused), "{verb}: {told}");
    }
    assert!(asks(&vm, "evm deploy", "new").contains(refused));
    assert_eq!(vm.record(&name("new")).unwrap(), None);
    for verb in ["upgrade", "migrate", "rollback", "grant", "bound", "freeze"] {
        assert_eq!(asks(&vm, &format!("evm {verb}"), "c"), "done", "{verb}");
    }
    assert_eq!(vm.record(&name("c")).unwrap().unwrap().lifecycle, Lifecycle::Frozen);
    assert_eq!(vm.history(&name("c"), 1, 99).unwrap().len(), 7);
    // In a transaction of its own.
    assert_eq!(asks(&vm, "freeze", "evm"), "done");
}

#[test]
fn operations_that_contracts_ask_for_move_no_value_and_change_nothing_in_queries() {
    let vm = machine();
    assert_eq!(asks(&vm, "pay", "c"), "admit: an operation that a contract asks for moves no value; leave it out");
    let query = block_on(vm.query(request("asks", "freeze").input("c"))).unwrap();
    assert!(matches!(query.status, Status::Trap(vm_core::Trap::StaticViolation)));
    assert!(invoke(&vm, "c", "run").status.is_success());
}

#[test]
fn operations_count_as_a_frame() {
    let limits = vm_core::Limits { call_depth: 1, ..Default::default() };
    let vm = scripts().start_with(Vm::builder().limits(limits));
    assert_eq!(asks(&vm, "freeze", "c"), "admit: the call depth is exceeded");
}

/// Linked code asks its host for operations without a call that would be refused.
#[test]
fn a_contract_without_the_capability_changes_nobody() {
    let scripts = Scripts::default().with("c", |_, _| ok()).with("asks", |host, call| match &*call.method {
        "run" => manage(host, &Managed::Change(ChangeRequest::new(name("c"), Change::Freeze).from(owner()))),
        _ => ok(),
    });
    let vm = scripts.start();
    let deploy = |some: &str| {
        let contract = name(&format!("asks-{}", some.replace(", ", "-")));
        let request = DeployRequest::new(contract.clone(), "1".parse().unwrap(), script("asks"));
        block_on(vm.deploy(request.capabilities(some.parse().unwrap()))).unwrap();
        contract
    };
    let life = || vm.record(&name("c")).unwrap().unwrap().lifecycle;
    for some in ["none", "state, events, time"] {
        let asks = deploy(some);
        let receipt = invoke(&vm, asks.as_str(), "run");
        let told = format!("contract '{asks}' was deployed without the capability 'calls'");
        assert!(String::from_utf8_lossy(&receipt.output).starts_with(&told), "{:?}", receipt.output);
        assert!(receipt.denials[0].is_by_rule() && receipt.denials[0].why().starts_with(&told));
        assert_eq!(life(), Lifecycle::Active);
    }
    assert_eq!((&invoke(&vm, deploy("calls").as_str(), "run").output[..], life()), (&b"done"[..], Lifecycle::Frozen));
}
