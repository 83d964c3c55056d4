//! Policies: every rule permits whom it says and refuses all others by name; they change by authorised requests only.

use std::sync::{Arc, Mutex};

use futures_executor::block_on;
use vm_core::{
    Access, Action, Address, AuditEvent, Authorizer, CallRequest, Capabilities, Change, ChangeRequest, Denied,
    DeployRequest, DryRunRequest, GovernRequest, Governance, GrantRequest, HostPolicy, InvokeRequest, MigrateRequest,
    Observer, Operation, Organisations, Phase, Policy, Right, RollbackRequest, Rule, Status, Trial, UpgradeRequest, Vm,
    VmError, VmProvider,
};

use crate::script::{Scripts, call, name, ok, owner, script};

pub(crate) fn who(name: &str) -> Address {
    Address::from_name(name)
}

pub(crate) fn rule(text: &str) -> Rule {
    text.parse().unwrap()
}

/// Three organisations with an administrator each, the first with two, and an auditor in the last.
pub(crate) fn organisations() -> Organisations {
    let mut organisations = Organisations::default();
    for (organisation, role, member) in [
        ("org1", "admin", "ann"),
        ("org1", "admin", "abe"),
        ("org2", "admin", "bob"),
        ("org3", "admin", "cat"),
        ("org3", "auditor", "eve"),
    ] {
        organisations.enrol(organisation, role, who(member)).unwrap();
    }
    organisations
}

pub(crate) fn scripts() -> Scripts {
    Scripts::default()
        .with("c", |_, _| ok())
        .with("c-v2", |_, _| ok())
        .with("caller", |host, _| Ok(call(host, "c", "read")?.output))
        .with("swallows", |host, _| call(host, "c", "read").map_err(Into::into).and_then(|_| ok()))
}

pub(crate) fn machine() -> Vm {
    let mut policy = HostPolicy::default();
    policy.administrators = rule("callers(root)");
    policy.organisations = organisations();
    scripts().start_with(Vm::builder().policy(policy))
}

pub(crate) fn grant(vm: &Vm, right: &str, to: &str) {
    block_on(vm.grant(GrantRequest::new(name("c")).set(right.parse().unwrap(), rule(to)).from(owner()))).unwrap();
}

fn read(caller: &str, endorsers: &[&str]) -> InvokeRequest {
    let endorsers: Vec<_> = endorsers.iter().copied().map(who).collect();
    InvokeRequest::new(name("c"), "read").from(who(caller)).endorsed_by(endorsers)
}

pub(crate) fn denied(error: &VmError) -> &str {
    assert_eq!(error.phase, Phase::Permission, "{error}");
    match error.refusal() {
        Some(vm_core::Refusal::Denied(denied)) => &denied.rule,
        _ => panic!("not denied: {error}"),
    }
}

#[test]
fn every_rule_permits_whom_it_says_and_tells_all_others_whom_it_would() {
    let vm = machine();
    let (alice, bob) = (who("alice"), who("bob"));
    let mut two = [alice, bob];
    two.sort();
    let [first, second] = two;
    let nobody: &[(&str, &[&str])] = &[];
    // So that each of them is another one.
    grant(&vm, "call", "callers(root)");
    for (text, permitted, refused, told) in [
        ("anyone", &[("stranger", &[][..])][..], nobody, String::new()),
        ("nobody", nobody, &[("owner", &[][..]), ("root", &[])], "nobody may".into()),
        ("owner", &[("owner", &[])], &[("root", &[]), ("stranger", &["owner"])], "only its owner may".into()),
        (
            "administrators",
            &[("root", &[])],
            &[("owner", &[])],
            format!("only the host's administrators may: only {} may", who("root")),
        ),
        (
            "callers(alice, bob)",
            &[("alice", &[]), ("bob", &[])],
            &[("stranger", &["alice"])],
            format!("only {first}, {second} may"),
        ),
        ("role(auditor)", &[("eve", &[])], &[("ann", &[])], "only those with the role 'auditor' may".into()),
        (
            "role(admin of org1, org3)",
            &[("ann", &[]), ("abe", &[]), ("cat", &[])],
            &[("bob", &[]), ("eve", &[])],
            "only those with the role 'admin' in org1 or org3 may".into(),
        ),
        (
            "quorum(2 of alice, bob)",
            &[("alice", &["bob"]), ("stranger", &["alice", "bob"])],
            &[("alice", &[]), ("alice", &["alice"]), ("bob", &["stranger", "eve"])],
            format!("2 of {first}, {second} must endorse it, and 1 did"),
        ),
        (
            "majority(admin)",
            &[("ann", &["bob"]), ("stranger", &["cat", "bob", "eve"])],
            &[("ann", &["abe"]), ("cat", &[]), ("bob", &["eve"])],
            "more than half of 3 organisations must endorse it by their 'admin', and 1 did".into(),
        ),
        (
            "majority(admin of org1, org9)",
            nobody,
            &[("ann", &["abe", "bob", "cat"])],
            "more than half of 2 organisations must endorse it by their 'admin', and 1 did".into(),
        ),
        (
            "owner or role(auditor)",
            &[("owner", &[]), ("eve", &[])],
            &[("bob", &[])],
            "only its owner may; or only those with the role 'auditor' may".into(),
        ),
    ] {
        grant(&vm, "call", text);
        for (caller, endorsers) in permitted {
            let receipt = block_on(vm.invoke(read(caller, endorsers)));
            assert_eq!(receipt.unwrap().status, Status::Success, "{text}: {caller} with {endorsers:?}");
        }
        for (caller, endorsers) in refused {
            let error = block_on(vm.invoke(read(caller, endorsers))).unwrap_err();
            assert_eq!(denied(&error), told, "{text}: {caller} with {endorsers:?}");
            assert!(error.to_string().contains(&format!("{} may not call 'read' of contract 'c'", who(caller))));
            assert!(block_on(vm.query(read(caller, endorsers))).is_err(), "queries are calls");
        }
    }
}

#[test]
fn every_right_has_its_rule() {
    let vm = machine();
    let by = |member: &str| who(member);
    for (right, member) in [
        ("upgrade", "u"),
        ("skip-migration", "s"),
        ("rollback", "b"),
        ("freeze", "f"),
        ("revoke", "v"),
        ("call:read", "m"),
    ] {
        grant(&vm, right, &format!("callers({member})"));
    }
    grant(&vm, "grant", "callers(g)");
    let upgrade = |from| UpgradeRequest::new(name("c"), "2".parse().unwrap(), script("c-v2")).from(from);
    let migrate = |from| MigrateRequest::new(name("c"), "1".parse().unwrap()).from(from);
    let rollback = |from| RollbackRequest::new(name("c"), "1".parse().unwrap()).from(from);
    let change = |change, from| ChangeRequest::new(name("c"), change).from(from);
    let regrant = |from| GrantRequest::new(name("c")).set(Right::Upgrade, Rule::Anyone).from(from);
    let call = |method: &str, from| InvokeRequest::new(name("c"), method).from(from);

    // The owner has lost all of them, and none brings another one.
    for other in ["owner", "m"] {
        for error in [
            block_on(vm.upgrade(upgrade(by(other)))).unwrap_err(),
            block_on(vm.upgrade(upgrade(by(other)).skip_migration())).unwrap_err(),
            block_on(vm.migrate(migrate(by(other)))).unwrap_err(),
            block_on(vm.rollback(rollback(by(other)))).unwrap_err(),
            // Nor is told what there is.
            block_on(vm.rollback(RollbackRequest::new(name("c"), "9".parse().unwrap()).from(by(other)))).unwrap_err(),
            block_on(vm.change(change(Change::Freeze, by(other)))).unwrap_err(),
            block_on(vm.change(change(Change::Unfreeze, by(other)))).unwrap_err(),
            block_on(vm.change(change(Change::Revoke, by(other)))).unwrap_err(),
            block_on(vm.grant(regrant(by(other)))).unwrap_err(),
        ] {
            assert!(denied(&error).starts_with("only 0x"), "{error}");
        }
    }
    denied(&block_on(vm.invoke(call("read", owner()))).unwrap_err());
    // Other methods follow the rule of all calls.
    block_on(vm.invoke(call("write", by("stranger")))).unwrap();

    block_on(vm.invoke(call("read", by("m")))).unwrap();
    denied(&block_on(vm.upgrade(upgrade(by("s")))).unwrap_err());
    denied(&block_on(vm.upgrade(upgrade(by("u")).skip_migration())).unwrap_err());
    block_on(vm.dry_run(DryRunRequest::new(Trial::Upgrade(upgrade(by("s")).skip_migration())))).unwrap();
    block_on(vm.upgrade(upgrade(by("u")))).unwrap();
    block_on(vm.migrate(migrate(by("u")))).unwrap();
    block_on(vm.rollback(rollback(by("b")))).unwrap();
    block_on(vm.change(change(Change::Freeze, by("f")))).unwrap();
    block_on(vm.change(change(Change::Unfreeze, by("f")))).unwrap();
    block_on(vm.grant(regrant(by("g")).clear("read"))).unwrap();
    block_on(vm.invoke(call("read", by("stranger")))).unwrap();
    block_on(vm.change(change(Change::Revoke, by("v")))).unwrap();
}

#[test]
fn policies_are_versioned_and_part_of_the_history() {
    let vm = machine();
    assert_eq!(vm.policy(&name("c")).unwrap(), Some(Policy::default()));
    grant(&vm, "call", "owner");
    grant(&vm, "call:read", "anyone");
    let record = vm.record(&name("c")).unwrap().unwrap();
    assert_eq!((record.policy, record.guarded), (2, true));
    let policy = vm.policy(&name("c")).unwrap().unwrap();
    assert_eq!(
        policy.iter().map(|(right, rule)| format!("{right}={rule}")).collect::<Vec<_>>().join(" "),
        "upgrade=owner skip-migration=administrators \
        rollback=owner freeze=owner revoke=owner grant=owner call=owner call:read=anyone"
    );
    let last = vm.history(&name("c"), 3, 1).unwrap().remove(0);
    assert_eq!((last.operation, last.before.unwrap().policy, last.after.policy), (Operation::Grant, 1, 2));
    let version = |version| vm.policy_version(&name("c"), version).unwrap();
    assert_eq!((version(0), version(2), version(3)), (Some(Policy::default()), Some(policy), None));
    assert_eq!(version(1).map(|policy| policy.methods.len()), Some(0));
    grant(&vm, "call", "anyone");
    assert!(!vm.record(&name("c")).unwrap().unwrap().guarded, "calls are not asked for any more");
    let nonsense = GrantRequest { rules: vec![(Right::Call, None)], ..GrantRequest::new(name("c")) };
    let error = block_on(vm.grant(nonsense.from(owner()))).unwrap_err();
    assert_eq!(error.to_string(), "store: only the rule of a method can be taken back");
    let many = GrantRequest::new(name("c")).from(owner());
    let many = (0..257).fold(many, |many, n| many.set(Right::Method(format!("m{n}")), Rule::Owner));
    let error = block_on(vm.grant(many)).unwrap_err();
    assert!(error.to_string().contains("more than 256 methods have a rule of their own"), "{error}");
}

#[test]
fn a_policy_is_bounded_and_its_reading_paid_for() {
    let vm = machine();
    let some = |count: u32| {
        let others = (0..count).map(|n| who(&format!("user{n}")));
        Rule::Callers(others.chain([owner(), name("caller").address()]).collect())
    };
    let set = |right, rule| block_on(vm.grant(GrantRequest::new(name("c")).set(right, rule).from(owner())));
    let gas = |contract: &str| {
        let request = InvokeRequest::new(name(contract), "read").from(owner());
        block_on(vm.invoke(request)).unwrap().gas_used.get()
    };
    let (direct, nested, denied) = (gas("c"), gas("caller"), gas("swallows"));
    set(Right::Call, some(300)).unwrap();
    let size = borsh::object_length(&vm.policy(&name("c")).unwrap().unwrap()).unwrap();
    let price = vm_core::GasSchedule::v1().host.put.of(size).get();
    assert!(size > 6_000 && price > 2_000);
    // The refusal is paid for, too, though the contract that was refused goes on.
    assert_eq!((gas("c"), gas("caller"), gas("swallows")), (direct + price, nested + price, denied + price));
    let poor = InvokeRequest::new(name("c"), "read").from(owner()).gas(vm_core::Gas::new(direct + price - 1));
    assert!(block_on(vm.invoke(poor)).unwrap_err().to_string().contains("gas do not cover"));

    let told = "above the limit of 8192 (bytes; a fixed limit: use roles in place of lists)";
    let error = set(Right::Method("write".into()), some(200)).unwrap_err();
    assert!(error.to_string().contains(told), "{error}");
    let mut policy = HostPolicy::default();
    policy.contracts.call = some(500);
    assert!(Vm::builder().policy(policy).build().unwrap_err().to_string().contains(told));
}

#[test]
fn calls_between_contracts_are_asked_for_and_their_denials_told() {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);
    impl Observer for Lines {
        fn audit(&self, event: &AuditEvent<'_>) {
            self.0.lock().unwrap().push(event.to_string());
        }
    }
    let lines = Lines::default();
    let vm = scripts().start_with(Vm::builder().observer(lines.clone()));
    grant(&vm, "call", "callers(contract:caller)");
    lines.0.lock().unwrap().clear();
    let run = |contract: &str| block_on(vm.invoke(InvokeRequest::new(name(contract), "run").from(owner()))).unwrap();
    assert_eq!(&run("caller").output[..], b"");
    // The contract goes on, and the denial is told all the same.
    assert_eq!(run("swallows").status, Status::Success);
    let (swallows, caller) = (name("swallows").address(), name("caller").address());
    let told = format!(
        "{swallows} could not call 'read' of contract 'c': {swallows} may not call 'read' of contract 'c': only {caller} may"
    );
    assert_eq!(*lines.0.lock().unwrap(), [told]);

    // Whoever calls by address is told of by name, too.
    lines.0.lock().unwrap().clear();
    block_on(vm.invoke(InvokeRequest::new(name("c").address(), "read").from(who("zoe")))).unwrap_err();
    let zoe = who("zoe");
    let told = format!(
        "{zoe} could not call 'read' of contract 'c': permission: {zoe} may not call 'read' of contract 'c': only {caller} may"
    );
    assert_eq!(*lines.0.lock().unwrap(), [told]);
}

#[test]
fn endorsements_are_for_the_sender_and_not_for_contracts() {
    let vm = scripts().start();
    grant(&vm, "call", "quorum(1 of alice)");
    block_on(vm.invoke(read("stranger", &["alice"]))).unwrap();
    let run = InvokeRequest::new(name("caller"), "run").from(owner()).endorsed_by([who("alice")]);
    let output = block_on(vm.invoke(run)).unwrap().output;
    assert!(String::from_utf8_lossy(&output).contains("must endorse it, and 0 did"));
}

#[test]
fn the_embedder_can_refuse_more_and_permit_nothing() {
    struct NoUpgrades;
    impl Authorizer for NoUpgrades {
        fn authorize(&self, access: &Access<'_>) -> Result<(), Denied> {
            match access.action {
                Action::Upgrade => Err(access.denied("no upgrades on Sundays")),
                _ => Ok(()),
            }
        }
        fn govern(&self, _: Address, changes: &[Governance]) -> Result<(), String> {
            match changes {
                [Governance::Contracts(..)] => Ok(()),
                _ => Err("everybody deploys here".into()),
            }
        }
    }
    let mut policy = HostPolicy::default();
    policy.administrators = Rule::Anyone;
    let vm = scripts().start_with(Vm::builder().authorizer(NoUpgrades).policy(policy));
    let govern = |change| block_on(vm.govern(GovernRequest::new(change).from(owner())));
    let error = govern(Governance::Deploy(Rule::Nobody)).unwrap_err();
    assert_eq!(error.phase, Phase::Permission);
    assert_eq!(
        error.to_string(),
        format!("permission: {} may not change the host's policy: everybody deploys here", owner())
    );
    govern(Governance::Contracts(Right::Call, Rule::Owner)).unwrap();
    let upgrade = |from| UpgradeRequest::new(name("c"), "2".parse().unwrap(), script("c-v2")).from(from);
    assert_eq!(denied(&block_on(vm.upgrade(upgrade(owner()))).unwrap_err()), "no upgrades on Sundays");
    assert_eq!(denied(&block_on(vm.upgrade(upgrade(who("stranger")))).unwrap_err()), "only its owner may");
    // Nor by those who may leave the migration out.
    let skipping = upgrade(who("stranger")).skip_migration();
    assert_eq!(denied(&block_on(vm.upgrade(skipping)).unwrap_err()), "no upgrades on Sundays");
}

#[test]
fn a_contract_has_the_capabilities_that_it_was_deployed_with() {
    let vm = Scripts::default()
        .with("does", |host, call_| match &*call_.method {
            "calls" => Ok(call(host, "reads", "any")?.output),
            "reads" => {
                let request = CallRequest { is_static: true, ..CallRequest::new(name("reads"), "any", "") };
                Ok(host.call(request)?.output)
            }
            "events" => host.emit(vec!["topic".into()], "".into()).map_err(Into::into).and_then(|()| ok()),
            _ => Ok(host.env().block.timestamp.to_string().into()),
        })
        .with("reads", |host, _| Ok(format!("called at {}", host.env().block.timestamp).into()))
        .start_with(Vm::builder().block(vm_core::Block { timestamp: 77, ..Default::default() }));
    let run = |some: &str, method: &str| {
        let contract = name(&format!("does-{}", some.replace(", ", "-")));
        let deploy = DeployRequest::new(contract.clone(), "1".parse().unwrap(), script("does"));
        let _ = block_on(vm.deploy(deploy.capabilities(some.parse().unwrap())));
        let receipt = block_on(vm.invoke(InvokeRequest::new(contract.clone(), method))).unwrap();
        // Each refusal is told, of the contract itself.
        let told: Vec<_> = receipt.denials.iter().map(ToString::to_string).collect();
        let is_refused = receipt.status != Status::Success || receipt.output.ends_with(b"and never later");
        assert_eq!(told.len(), usize::from(is_refused), "{told:?}");
        if is_refused {
            let capability = if method == "reads" { "state" } else { method };
            let begin = format!(
                "{} could not use the capability '{capability}' of contract '{contract}': ",
                contract.address()
            );
            assert!(told[0].starts_with(&begin) && told[0].contains("never later"), "{told:?}");
        }
        format!("{} {}", receipt.status, String::from_utf8_lossy(&receipt.output))
    };
    for (some, method, told) in [
        ("all", "calls", "success called at 77"),
        ("all", "reads", "success called at 77"),
        ("all", "events", "success "),
        ("all", "time", "success 77"),
        ("none", "calls", "success contract 'does-none' was deployed without the capability 'calls'"),
        ("none", "reads", "success contract 'does-none' was deployed without the capability 'state'"),
        ("none", "events", "trap: an event was emitted, and the contract was deployed without the capability 'events'"),
        ("none", "time", "success 0"),
        // What is called sees the time if it may; calls that change nothing need less.
        ("calls", "reads", "success called at 77"),
        ("state", "reads", "success called at 77"),
        ("state", "calls", "success contract 'does-state' was deployed without the capability 'calls'"),
        ("events, time", "events", "success "),
        ("events, time", "time", "success 77"),
    ] {
        let found = run(some, method);
        // And how one is had.
        let (found, how) = found.split_once("; ").map_or((&*found, None), |(found, how)| (found, Some(how)));
        assert_eq!(found, told, "{some}: {method}");
        let is_told = how.is_some_and(|how| how.starts_with("capabilities are granted with the deployment"));
        assert_eq!(is_told, found.contains("without the capability"), "{found}");
    }
    assert_eq!(
        "state, nonsense".parse::<Capabilities>().unwrap_err().to_string(),
        "'nonsense' is no capability; expected \
        all, none, or some of state, calls, events and time"
    );
}

#[test]
fn a_contract_gives_no_capabilities_that_it_has_not() {
    let vm = Scripts::default()
        .with("deploys", |host, call| {
            if call.entry != vm_core::Entry::Invoke {
                return ok();
            }
            let asked = String::from_utf8_lossy(&call.input).parse().unwrap();
            let request = DeployRequest::new(name("given"), "1".parse().unwrap(), script("made")).capabilities(asked);
            let operation = vm_core::Managed::Deploy(request.from(host.env().this));
            Ok(host.transaction().manage(&operation)?.outcome.output)
        })
        .with("made", |_, _| ok())
        .start();
    let some = "state, calls".parse().unwrap();
    let deploy = DeployRequest::new(name("some"), "1".parse().unwrap(), script("deploys")).capabilities(some);
    block_on(vm.deploy(deploy)).unwrap();
    for (asked, told) in [
        (
            "all",
            "permission: contract 'some' has the capabilities 'state, calls', so it cannot deploy a contract with 'all'; ask for no others",
        ),
        (
            "calls, events",
            "permission: contract 'some' has the capabilities 'state, calls', so it cannot deploy a contract with 'calls, events'; ask for no others",
        ),
        ("calls", ""),
    ] {
        let asking = InvokeRequest::new(name("some"), "any").input(asked.to_owned());
        let receipt = block_on(vm.invoke(asking)).unwrap();
        assert_eq!(String::from_utf8_lossy(&receipt.output), told);
        assert_eq!(receipt.denials.len(), usize::from(!told.is_empty()), "{:?}", receipt.denials);
    }
    let given = vm.record(&name("given")).unwrap().unwrap();
    assert_eq!(given.capabilities, Capabilities::CALLS);
}

#[test]
fn a_host_that_nobody_could_govern_is_not_begun() {
    let backend = Arc::new(vm_core::MemoryBackend::new());
    let start = |rule: &str| {
        let mut policy = HostPolicy::default();
        policy.administrators = rule.parse().unwrap();
        let vm = Vm::builder().policy(policy).backend(backend.clone()).build().unwrap();
        block_on(vm.start()).map_err(|error| error.to_string())
    };
    for rule in ["majority(admin)", "role(admin)", "role(admin of org1)"] {
        let error = start(rule).unwrap_err();
        assert!(error.contains("nobody could meet the rule of the administrators"), "{error}");
    }
    start("callers(ann)").unwrap();
    // The state has its own from now on.
    start("role(admin)").unwrap();
}

#[test]
fn rules_that_make_no_sense_are_refused_with_what_was_expected() {
    for (text, told) in [
        ("", "expected anyone, nobody, owner"),
        ("everyone", "expected anyone, nobody, owner"),
        ("quorum(3 of alice, bob)", "the quorum has to be 1 to 2"),
        ("quorum(0 of alice)", "the quorum has to be 1 to 1"),
        ("quorum(alice)", "expected quorum(NUMBER of ADDRESS, ...)"),
        ("callers(0x12)", "'0x12' is not an address"),
        ("role(a b)", "'a b' is no name of an organisation or role"),
        ("role(admin of )", "'' is no name of an organisation or role"),
        ("owner or nothing", "expected anyone, nobody, owner"),
        (&"x".repeat(9_000), "it has 9000 bytes, above the limit of 8192"),
    ] {
        let error = text.parse::<Rule>().unwrap_err().to_string();
        assert!(error.contains(told) && error.len() < 400, "{error}");
    }
    assert_eq!(
        "calls".parse::<Right>().unwrap_err().to_string(),
        "'calls' is no right; expected upgrade, skip-migration, \
        rollback, freeze, revoke, grant, call, or call: and a method's name"
    );
}

proptest::proptest! {
    #[test]
    fn rules_are_what_their_text_says(rule in rules()) {
        proptest::prop_assert_eq!(rule.to_string().parse::<Rule>(), Ok(rule));
    }
}

fn rules() -> impl proptest::strategy::Strategy<Value = Rule> {
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;
    let address = || any::<[u8; 20]>().prop_map(Address::new);
    let word = || "[a-zA-Z0-9._-]{1,9}";
    let one = prop_oneof![
        Just(Rule::Anyone),
        Just(Rule::Nobody),
        Just(Rule::Owner),
        Just(Rule::Administrators),
        btree_set(address(), 1..4).prop_map(Rule::Callers),
        (word(), btree_set(word(), 0..3)).prop_map(|(role, organisations)| Rule::Role { role, organisations }),
        (word(), btree_set(word(), 0..3)).prop_map(|(role, organisations)| Rule::Majority { role, organisations }),
        btree_set(address(), 1..4).prop_map(|of| Rule::Quorum { threshold: of.len() as u32, of }),
    ];
    prop_oneof![one.clone(), vec(one, 2..4).prop_map(Rule::Either)]
}
