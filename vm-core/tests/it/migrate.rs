//! A migration by itself: what an upgrade skipped, a rollback left out, or takes several transactions.

use std::sync::{Arc, Mutex};

use futures_executor::block_on;
use vm_core::{
    Address, AuditEvent, Change, ChangeRequest, DryRunRequest, Entry, ErrorKind, Gas, HostPolicy, Lifecycle,
    MigrateRequest, Migration, Observer, Phase, Receipt, Refusal, Rule, Trial, UpgradeRequest, Vm, VmError, VmProvider,
};

use crate::script::{Scripts, call, invoke, name, ok, owner, refusal, request, script};

/// `c` keeps what its last migration was, and how many there were.
fn scripts() -> Scripts {
    let body = |host: &mut dyn vm_core::Host, call_: &vm_core::Call| match &call_.entry {
        Entry::Deploy => ok(),
        Entry::Upgrade { from, to } | Entry::Replace { from, to, .. } => {
            host.put(b"last", format!("{from} -> {to} {}", String::from_utf8_lossy(&call_.input)).as_bytes())?;
            match &call_.input[..] {
                b"fail" => Err(crate::script::Failure::Revert("not yet")),
                // Nobody gets in while it goes on.
                b"ask" => Ok(call(host, "asks", "c")?.output),
                _ => ok(),
            }
        }
        Entry::Invoke => Ok(host.get(b"last")?.unwrap_or_default()),
    };
    Scripts::default()
        .with("c", body)
        .with("c-v2", body)
        .with("asks", |host, call_| if call_.entry == Entry::Invoke { Ok(call(host, "c", "")?.output) } else { ok() })
}

/// At version 2, whose migration was skipped.
fn machine(observer: impl Observer + 'static) -> Vm {
    let mut policy = HostPolicy::default();
    policy.administrators = Rule::Callers([owner()].into());
    let vm = scripts().start_with(Vm::builder().policy(policy).observer(observer));
    let upgrade = UpgradeRequest::new(name("c"), "2".parse().unwrap(), script("c-v2")).from(owner());
    block_on(vm.upgrade(upgrade.skip_migration())).unwrap();
    vm
}

fn of(written_by: &str) -> MigrateRequest {
    MigrateRequest::new(name("c"), written_by.parse().unwrap()).from(owner())
}

fn migrate(vm: &Vm, request: MigrateRequest) -> Result<Receipt, VmError> {
    block_on(vm.migrate(request))
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Observer for Lines {
    fn audit(&self, event: &AuditEvent<'_>) {
        self.0.lock().unwrap().push(event.to_string());
    }
}

fn last(vm: &Vm) -> String {
    String::from_utf8(invoke(vm, "c", "read").output.to_vec()).unwrap()
}

#[test]
fn a_migration_runs_the_current_code_and_is_an_entry() {
    let lines = Lines::default();
    let vm = machine(lines.clone());
    let before = vm.record(&name("c")).unwrap().unwrap();
    assert_eq!(last(&vm), "");
    let receipt = migrate(&vm, of("1").input("part one").because("was skipped")).unwrap();
    assert_eq!((&*receipt.method, last(&vm)), ("migrate", "1 -> 2 part one".into()));
    migrate(&vm, of("1").input("part two")).unwrap();
    assert_eq!(last(&vm), "1 -> 2 part two");
    // Of its own state, to mend it.
    migrate(&vm, of("2")).unwrap();
    assert_eq!(last(&vm), "2 -> 2 ");
    let history = vm.history(&name("c"), 3, 9).unwrap();
    let from = |n: usize| history[n].migrated_from.as_ref().map(ToString::to_string);
    assert_eq!((history.len(), from(0), from(1), from(2)), (3, Some("1".into()), Some("1".into()), Some("2".into())));
    let first = &history[0];
    assert_eq!((first.operation.as_str(), first.migration, &*first.reason), ("migrate", Migration::Ran, "was skipped"));
    assert_eq!(first.before.as_ref(), Some(&first.after), "neither code nor state of life nor policy");
    let record = vm.record(&name("c")).unwrap().unwrap();
    assert_eq!(vm_core::ContractRecord { entries: record.entries, ..before }, record);
    let told = lines.0.lock().unwrap();
    assert_eq!(told.iter().filter(|line| line.ends_with("did migrate contract 'c'")).count(), 3, "{told:?}");
}

#[test]
fn a_frozen_contract_is_migrated_and_stays_frozen() {
    let vm = machine(Lines::default());
    let change = |change| block_on(vm.change(ChangeRequest::new(name("c"), change).from(owner()))).unwrap().lifecycle;
    change(Change::Freeze);
    migrate(&vm, of("1")).unwrap();
    assert_eq!(vm.record(&name("c")).unwrap().unwrap().lifecycle, Lifecycle::Frozen);
    change(Change::Unfreeze);
    assert_eq!(last(&vm), "1 -> 2 ");
    change(Change::Revoke);
    assert!(matches!(refusal(&migrate(&vm, of("1")).unwrap_err()), Refusal::Transition { .. }));
}

#[test]
fn nobody_calls_a_contract_while_it_migrates() {
    let vm = machine(Lines::default());
    let receipt = migrate(&vm, of("1").input("ask")).unwrap();
    assert_eq!(&receipt.output[..], b"contract 'c' is upgrading and cannot be called");
}

#[test]
fn a_migration_that_is_refused_or_fails_leaves_everything() {
    let lines = Lines::default();
    let vm = machine(lines.clone());
    let before = (vm.view().unwrap().height(), vm.record(&name("c")).unwrap());
    lines.0.lock().unwrap().clear();
    let stranger = Address::from_name("stranger");
    let missing = MigrateRequest::new(name("nobody"), "1".parse().unwrap());
    for (request, phase, text) in [
        (of("1").from(stranger), Phase::Permission, "may not migrate contract 'c': only its owner may"),
        (of("3"), Phase::Keep, "contract 'c' never had a version '3'; its versions are 1, 2"),
        (missing, Phase::Load, "there is no contract 'nobody'"),
        (
            of("1").because("x".repeat(1_025)),
            Phase::Admit,
            "the reason: 1025 bytes, above the limit of 1024 (a fixed limit)",
        ),
        (of("1").gas(Gas::new(10)), Phase::Admit, "10 gas do not cover"),
        (of("1").args(["text"]), Phase::Validate, "does not describe its methods"),
        (of("1").input("fail"), Phase::Migrate, "the contract failed with revert: not yet"),
    ] {
        let error = migrate(&vm, request.clone()).unwrap_err();
        assert_eq!(error.phase, phase, "{error}");
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(phase == Phase::Migrate, matches!(error.kind, ErrorKind::Failed(_)));
        let tried = block_on(vm.dry_run(DryRunRequest::new(Trial::Migrate(request)))).unwrap_err();
        assert_eq!(tried.phase, phase, "{tried}");
    }
    assert_eq!((vm.view().unwrap().height(), vm.record(&name("c")).unwrap()), before);
    assert_eq!(last(&vm), "");
    assert_eq!(lines.0.lock().unwrap().len(), 8, "each is told once, and of what was only tried the denial");
}

#[test]
fn a_migration_is_tried_with_calls() {
    let vm = machine(Lines::default());
    let run = block_on(vm.dry_run(DryRunRequest::new(Trial::Migrate(of("1"))).replay([request("c", "read")]))).unwrap();
    assert!(run.receipt.status.is_success() && !run.replayed[0].differences.is_empty());
    assert_eq!(last(&vm), "");
}
