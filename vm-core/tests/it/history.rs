//! What was done with a contract is kept, can be told, and can be taken back.

use std::sync::{Arc, Condvar, Mutex};

use futures_executor::block_on;
use vm_core::{
    Address, Arguments, AuditEvent, AuditResult, Change, ChangeRequest, DeployRequest, DryRunRequest, Entry,
    GovernRequest, Governance, GrantRequest, HistoryEntry, HostPolicy, InvokeRequest, Lifecycle, MigrateRequest,
    Migration, Observer, Phase, Receipt, Refusal, Right, RollbackRequest, Rule, RuntimeKind, Trial, UpgradeRequest, Vm,
    VmError, VmProvider,
};

use crate::script::{Scripts, invoke, name, ok, owner, refusal, request, script};

/// `c` counts in one form, `c-v2` in another, and knows the way up and down.
fn scripts() -> Scripts {
    Scripts::default()
        .with("c", |host, call| match &call.entry {
            Entry::Deploy => host.put(b"form", b"one").map_err(Into::into).and_then(|()| ok()),
            Entry::Upgrade { .. } | Entry::Replace { .. } => Err(crate::script::Failure::Revert("c migrates nothing")),
            Entry::Invoke => Ok(host.get(b"form")?.unwrap_or_default()),
        })
        .with("c-v2", |host, call| match &call.entry {
            Entry::Upgrade { from, to } => {
                host.put(b"form", if from.as_str() < to.as_str() { b"two" } else { b"one" })?;
                ok()
            }
            _ => Ok(host.get(b"form")?.unwrap_or_default()),
        })
}

fn upgrade(vm: &Vm, version: &str, code: &str) -> Result<Receipt, VmError> {
    let request = UpgradeRequest::new(name("c"), version.parse().unwrap(), script(code));
    block_on(vm.upgrade(request.from(owner()).because("a better form")))
}

fn rollback(vm: &Vm, version: &str) -> Result<Receipt, VmError> {
    block_on(vm.rollback(back_to(version)))
}

fn back_to(version: &str) -> RollbackRequest {
    RollbackRequest::new(name("c"), version.parse().unwrap()).from(owner())
}

fn form(vm: &Vm) -> String {
    String::from_utf8(invoke(vm, "c", "read").output.to_vec()).unwrap()
}

/// Number, operation, migration, and the versions before and after.
fn told(entry: &HistoryEntry) -> String {
    let HistoryEntry { number, operation, migration, before, after, .. } = entry;
    let before = before.as_ref().map_or("-", |before| before.version.as_str());
    format!("{number} {operation} {migration:?} {before}->{} {}", after.version, after.lifecycle)
}

#[test]
fn every_operation_is_an_entry() {
    let vm = scripts().start();
    upgrade(&vm, "2", "c-v2").unwrap();
    rollback(&vm, "1").unwrap();
    for change in [Change::Freeze, Change::Unfreeze, Change::Revoke] {
        block_on(vm.change(ChangeRequest::new(name("c"), change).from(owner()).because("as planned"))).unwrap();
    }
    let history = vm.history(&name("c"), 1, usize::MAX).unwrap();
    assert_eq!(
        history.iter().map(told).collect::<Vec<_>>(),
        [
            "1 deploy None -->1 active",
            "2 upgrade Ran 1->2 active",
            "3 rollback None 2->1 active",
            "4 freeze None 1->1 frozen",
            "5 unfreeze None 1->1 active",
            "6 revoke None 1->1 revoked",
        ]
    );
    assert!(history.iter().all(|entry| entry.actor == owner()));
    assert_eq!((&*history[1].reason, &*history[5].reason), ("a better form", "as planned"));
    assert_eq!(history[1].after.code, script("c-v2").hash());
    // In pages, from a number on.
    assert_eq!(vm.history(&name("c"), 2, 2).unwrap(), &history[1..3]);
    assert_eq!(vm.record(&name("c")).unwrap().unwrap().entries, 6);
}

#[test]
fn every_version_is_kept_with_its_code() {
    let vm = scripts().start();
    let code = script("c-v2");
    upgrade(&vm, "2", "c-v2").unwrap();
    rollback(&vm, "1").unwrap();
    let versions = vm.versions(&name("c")).unwrap();
    assert_eq!(
        versions.iter().map(|v| (v.version.as_str(), &*v.reason)).collect::<Vec<_>>(),
        [("1", ""), ("2", "a better form")]
    );
    assert_eq!(vm.code(&versions[1].code).unwrap(), Some(code.clone()));
    assert_eq!(vm.code(&script("other").hash()).unwrap(), None);
}

#[test]
fn a_rollback_returns_to_any_version_and_its_names_stay_taken() {
    let vm = scripts().start();
    upgrade(&vm, "2", "c-v2").unwrap();
    assert_eq!(form(&vm), "two");
    // Without migration the state stays as it is.
    rollback(&vm, "1").unwrap();
    assert_eq!(form(&vm), "two");
    let record = vm.record(&name("c")).unwrap().unwrap();
    assert_eq!((record.version.as_str(), record.versions, record.code), ("1", 2, script("c").hash()));
    assert!(matches!(refusal(&upgrade(&vm, "2", "c-v2").unwrap_err()), Refusal::VersionTaken { .. }));
    assert!(matches!(refusal(&upgrade(&vm, "1", "c-v2").unwrap_err()), Refusal::VersionTaken { .. }));
    // Forward again, and down by the code that knows the way.
    rollback(&vm, "2").unwrap();
    block_on(vm.rollback(back_to("1").migrate(Arguments::NONE))).unwrap();
    assert_eq!(form(&vm), "one");
}

#[test]
fn a_migration_down_that_fails_leaves_everything() {
    let vm = scripts().start();
    upgrade(&vm, "2", "c-v2").unwrap();
    rollback(&vm, "1").unwrap();
    let before = (vm.view().unwrap().height(), vm.record(&name("c")).unwrap());
    let error = block_on(vm.rollback(back_to("2").migrate(Arguments::NONE))).unwrap_err();
    assert_eq!(error.to_string(), "migrate: the contract failed with revert: c migrates nothing");
    assert_eq!((vm.view().unwrap().height(), vm.record(&name("c")).unwrap()), before);
    rollback(&vm, "2").unwrap();
}

#[test]
fn rollbacks_that_make_no_sense_are_refused() {
    let vm = scripts().start();
    upgrade(&vm, "2", "c-v2").unwrap();
    let by_stranger = back_to("1").from(vm_core::Address::from_name("stranger"));
    let with_value = back_to("1").value(vm_core::Amount::from(1));
    for (error, phase, text) in [
        (rollback(&vm, "2").unwrap_err(), Phase::Keep, "contract 'c' is at version '2' already"),
        (rollback(&vm, "3").unwrap_err(), Phase::Load, "never had a version '3'; its versions are 1, 2"),
        (block_on(vm.rollback(by_stranger)).unwrap_err(), Phase::Permission, "may not roll back contract 'c'"),
        (block_on(vm.rollback(with_value)).unwrap_err(), Phase::Keep, "without migration takes no value"),
        (rollback_of(&vm, "nobody").unwrap_err(), Phase::Load, "there is no contract 'nobody'"),
    ] {
        assert_eq!(error.phase, phase, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
}

fn rollback_of(vm: &Vm, contract: &str) -> Result<Receipt, VmError> {
    block_on(vm.rollback(RollbackRequest::new(name(contract), "1".parse().unwrap())))
}

#[test]
fn a_frozen_contract_gets_other_code_and_stays_frozen() {
    let vm = scripts().start();
    let change = |change| block_on(vm.change(ChangeRequest::new(name("c"), change).from(owner()))).unwrap().lifecycle;
    change(Change::Freeze);
    upgrade(&vm, "2", "c-v2").unwrap();
    assert_eq!(vm.record(&name("c")).unwrap().unwrap().lifecycle, Lifecycle::Frozen);
    rollback(&vm, "1").unwrap();
    assert_eq!(vm.record(&name("c")).unwrap().unwrap().lifecycle, Lifecycle::Frozen);
    assert_eq!(change(Change::Unfreeze), Lifecycle::Active);
    assert_eq!(form(&vm), "two");
    change(Change::Revoke);
    assert!(matches!(refusal(&rollback(&vm, "2").unwrap_err()), Refusal::Transition { .. }));
}

/// An upgrade of `c` to version 2 without its migration.
fn skipping(from: Address) -> UpgradeRequest {
    UpgradeRequest::new(name("c"), "2".parse().unwrap(), script("c-v2")).from(from).skip_migration()
}

fn root() -> Address {
    Address::from_name("root")
}

/// `root` administers the host, and owns nothing.
fn administered() -> Vm {
    let mut policy = HostPolicy::default();
    policy.administrators = Rule::Callers([root()].into());
    scripts().start_with(Vm::builder().policy(policy))
}

#[test]
fn a_migration_can_be_skipped_by_administrators() {
    let vm = administered();
    let told = |request| block_on(vm.upgrade(request)).unwrap_err().to_string();
    let (owner, root) = (owner(), root());
    assert_eq!(
        told(skipping(owner)),
        format!(
            "permission: {owner} may not skip the migration of contract 'c': only the host's administrators may: only {root} may"
        )
    );
    // That, and nothing else of an owner's.
    let upgrade = UpgradeRequest { skip_migration: false, ..skipping(root) };
    assert_eq!(told(upgrade), format!("permission: {root} may not upgrade contract 'c': only its owner may"));
    assert!(told(skipping(root).args(["1"])).contains("takes neither arguments nor a value"));
    let tried = block_on(vm.dry_run(DryRunRequest::new(Trial::Upgrade(skipping(root))))).unwrap();
    assert!(tried.receipt.status.is_success());
    block_on(vm.upgrade(skipping(root).because("the migration hangs"))).unwrap();
    assert_eq!(form(&vm), "one");
    let entry = vm.history(&name("c"), 2, 1).unwrap().remove(0);
    assert_eq!((entry.migration, entry.actor, &*entry.reason), (Migration::Skipped, root, "the migration hangs"));
    assert_eq!(vm.record(&name("c")).unwrap().unwrap().owner, owner);
    let error = block_on(scripts().start().upgrade(skipping(owner))).unwrap_err();
    assert!(error.to_string().ends_with("only the host's administrators may: nobody may"), "{error}");
}

#[test]
fn a_contract_can_say_who_skips_its_migrations() {
    let grant = |vm: &Vm, right: &str, rule: &str| {
        let rules = GrantRequest::new(name("c")).set(right.parse().unwrap(), rule.parse().unwrap());
        block_on(vm.grant(rules.from(owner()))).unwrap();
    };
    let skip = |vm: &Vm, from| block_on(vm.upgrade(skipping(from))).map_err(|error| error.to_string());
    let vm = administered();
    grant(&vm, "skip-migration", "owner");
    assert!(skip(&vm, root()).unwrap_err().ends_with("may not skip the migration of contract 'c': only its owner may"));
    skip(&vm, owner()).unwrap();
    // What nobody upgrades, nobody replaces by leaving out the migration.
    let vm = administered();
    for rule in ["administrators", "anyone"] {
        grant(&vm, "upgrade", "nobody");
        assert!(skip(&vm, root()).unwrap_err().ends_with("may not skip the migration of contract 'c': nobody may"));
        grant(&vm, "skip-migration", if rule == "anyone" { "administrators" } else { "anyone" });
    }
    grant(&vm, "upgrade", "owner");
    skip(&vm, root()).unwrap();
    // New contracts begin with what the host says.
    let vm = administered();
    let govern = GovernRequest::new(Governance::Contracts(Right::SkipMigration, Rule::Nobody)).from(root());
    block_on(vm.govern(govern)).unwrap();
    block_on(vm.deploy(DeployRequest::new(name("d"), "1".parse().unwrap(), script("c")).from(owner()))).unwrap();
    let error = block_on(vm.upgrade(UpgradeRequest { name: name("d"), ..skipping(root()) })).unwrap_err();
    assert!(error.to_string().ends_with("may not skip the migration of contract 'd': nobody may"), "{error}");
    assert_eq!(vm.policy(&name("d")).unwrap().unwrap(), vm.host_policy().unwrap().contracts, "as it is stored");
}

#[test]
fn who_may_not_is_told_so_before_what_it_costs() {
    let mut policy = HostPolicy::default();
    policy.deploy = Rule::Callers([owner()].into());
    let vm = scripts().start_with(Vm::builder().policy(policy));
    let little = vm_core::Gas::new(1);
    for (from, phase) in [(root(), Phase::Permission), (owner(), Phase::Admit)] {
        let upgrade = UpgradeRequest { skip_migration: false, ..skipping(from) };
        let deploy = DeployRequest::new(name("d"), "1".parse().unwrap(), script("c")).from(from);
        let migrate = MigrateRequest::new(name("c"), "1".parse().unwrap()).from(from);
        for error in [
            block_on(vm.upgrade(upgrade.gas(little))).unwrap_err(),
            block_on(vm.deploy(deploy.gas(little))).unwrap_err(),
            block_on(vm.migrate(migrate.gas(little))).unwrap_err(),
            block_on(vm.rollback(back_to("1").from(from).gas(little))).unwrap_err(),
        ] {
            assert_eq!(error.phase, phase, "{error}");
        }
    }
}

/// Outside its transaction an upgrade is done or it is not: while it runs, a rollback that comes first counts, and the upgrade begins
/// again on what that left.
#[test]
fn a_rollback_while_an_upgrade_is_under_way_comes_first() {
    let gate = Arc::new((Mutex::new((Vec::new(), false)), Condvar::new()));
    let inside = gate.clone();
    let scripts = scripts().with("c3-v2", move |host, call| {
        let Entry::Upgrade { from, .. } = &call.entry else { return Ok(host.get(b"form")?.unwrap_or_default()) };
        let (state, changed) = &*inside;
        let mut state = state.lock().unwrap();
        state.0.push(from.to_string());
        changed.notify_all();
        while !state.1 {
            state = changed.wait(state).unwrap();
        }
        host.put(b"form", b"three")?;
        ok()
    });
    let vm = scripts.start_with(Vm::builder().workers(2));
    upgrade(&vm, "2", "c-v2").unwrap();
    let upgrading = std::thread::spawn({
        let vm = vm.clone();
        move || upgrade(&vm, "3", "c3-v2")
    });
    let (state, changed) = &*gate;
    let mut entered = state.lock().unwrap();
    while entered.0.is_empty() {
        entered = changed.wait(entered).unwrap();
    }
    drop(entered);
    // Nobody sees anything of the upgrade.
    let record = vm.record(&name("c")).unwrap().unwrap();
    assert_eq!((record.lifecycle, record.version.as_str()), (Lifecycle::Active, "2"));
    rollback(&vm, "1").unwrap();
    assert_eq!(form(&vm), "two");
    state.lock().unwrap().1 = true;
    changed.notify_all();
    upgrading.join().unwrap().unwrap();
    assert_eq!(state.lock().unwrap().0, ["2", "1"], "its migration ran again, from the version that there was then");
    assert_eq!(form(&vm), "three");
    let history = vm.history(&name("c"), 3, 9).unwrap();
    assert_eq!(
        history.iter().map(told).collect::<Vec<_>>(),
        ["3 rollback None 2->1 active", "4 upgrade Ran 1->3 active"]
    );
    rollback(&vm, "2").unwrap();
}

#[test]
fn the_runtime_changes_only_when_that_is_asked_for_and_never_to_or_from_evm() {
    let vm = scripts().start_with(Vm::builder().shared_runtime(Arc::new(scripts().of_kind(RuntimeKind::Wasm))));
    let code = |kind| vm_core::Code::new(kind, "c-v2");
    let to = |kind| UpgradeRequest::new(name("c"), "2".parse().unwrap(), code(kind)).from(owner());
    let refused = |request| refusal(&block_on(vm.upgrade(request)).unwrap_err()).to_string();
    assert!(refused(to(RuntimeKind::Wasm)).contains("ask for the change of runtime (--change-runtime)"));
    assert!(refused(to(RuntimeKind::Evm).change_runtime()).contains("so it cannot change"));
    block_on(vm.upgrade(to(RuntimeKind::Wasm).change_runtime())).unwrap();
    assert_eq!((form(&vm), vm.record(&name("c")).unwrap().unwrap().runtime), ("two".into(), RuntimeKind::Wasm));
    assert!(matches!(refusal(&rollback(&vm, "1").unwrap_err()), Refusal::RuntimeChange { .. }));
    block_on(vm.rollback(back_to("1").change_runtime().migrate(Arguments::NONE))).unwrap();
    assert_eq!((form(&vm), vm.record(&name("c")).unwrap().unwrap().runtime), ("one".into(), RuntimeKind::Native));
}

#[test]
fn reasons_are_bounded() {
    let vm = scripts().start();
    let long = "x".repeat(1_025);
    let change = ChangeRequest::new(name("c"), Change::Freeze).from(owner()).because(long.clone());
    let deploy = DeployRequest::new(name("d"), "1".parse().unwrap(), script("c")).because(long.clone());
    let upgrade =
        UpgradeRequest::new(name("c"), "2".parse().unwrap(), script("c-v2")).from(owner()).because(long.clone());
    for error in [
        block_on(vm.change(change)).unwrap_err(),
        block_on(vm.deploy(deploy)).unwrap_err(),
        block_on(vm.upgrade(upgrade)).unwrap_err(),
        block_on(vm.rollback(back_to("1").because(long))).unwrap_err(),
    ] {
        assert!(
            error.to_string().contains("the reason: 1025 bytes, above the limit of 1024 (a fixed limit)"),
            "{error}"
        );
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Observer for Lines {
    fn audit(&self, event: &AuditEvent<'_>) {
        let AuditEvent { action, contract, reason, result, .. } = event;
        let line = match result {
            AuditResult::Done(entry) => format!("done: {action} '{contract}' ({})", told(entry)),
            AuditResult::Refused(why) => format!("refused: {action} '{contract}': {why}"),
            _ => String::new(),
        };
        self.0.lock().unwrap().push(format!("{line} {reason}").trim_end().to_owned());
    }

    fn called(&self, request: &InvokeRequest, receipt: &Receipt) {
        self.0.lock().unwrap().push(format!("called: {} {}", request.method, receipt.status));
    }
}

#[test]
fn observers_are_told_everything_once() {
    let lines = Lines::default();
    let vm = scripts().start_with(Vm::builder().observer(lines.clone()));
    upgrade(&vm, "1", "c-v2").unwrap_err();
    let stranger = vm_core::Address::from_name("stranger");
    let freeze = ChangeRequest::new(name("c"), Change::Freeze);
    block_on(vm.change(freeze.clone().from(stranger).because("no idea"))).unwrap_err();
    block_on(vm.change(freeze.from(owner()))).unwrap();
    block_on(vm.invoke(request("c", "read"))).unwrap_err();
    block_on(vm.change(ChangeRequest::new(name("c"), Change::Unfreeze).from(owner()))).unwrap();
    invoke(&vm, "c", "read");
    block_on(vm.query(request("c", "read"))).unwrap();
    assert_eq!(*lines.0.lock().unwrap(), [
        "done: deploy contract 'c' (1 deploy None -->1 active)".to_owned(),
        "refused: upgrade contract 'c': keep: contract 'c' had a version '1' before; a version's name is never used twice \
         a better form"
            .to_owned(),
        format!(
            "refused: freeze contract 'c': permission: {stranger} may not freeze contract 'c': only its owner may no idea"
        ),
        "done: freeze contract 'c' (2 freeze None 1->1 frozen)".to_owned(),
        "done: unfreeze contract 'c' (3 unfreeze None 1->1 active)".to_owned(),
        "called: read success".to_owned(),
    ]);
}
