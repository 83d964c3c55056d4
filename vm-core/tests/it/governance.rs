//! Changes of policies: by whom, endorsed by whom, what is refused, and who is told.

use std::sync::{Arc, Mutex};

use futures_executor::block_on;
use vm_core::{
    Address, AuditEvent, Change, ChangeRequest, DeployRequest, GovernRequest, Governance, GovernanceEvent,
    GrantRequest, HostPolicy, InvokeRequest, Observer, Phase, Policy, Right, Rule, UpgradeRequest, Vm, VmProvider,
};

use crate::access::{denied, grant, machine, organisations, rule, scripts, who};
use crate::script::{name, owner, script};

#[test]
fn the_host_is_governed_by_its_administrators() {
    let vm = machine();
    let deploy =
        |contract: &str, from| DeployRequest::new(name(contract), "1".parse().unwrap(), script("c")).from(from);
    let govern = |change| GovernRequest::new(change).from(who("root")).because("order");
    block_on(vm.deploy(deploy("d1", who("stranger")))).unwrap();

    let error = block_on(vm.govern(govern(Governance::Deploy(Rule::Anyone)).from(owner()))).unwrap_err();
    assert_eq!(error.phase, Phase::Permission);
    assert_eq!(
        error.to_string(),
        format!("permission: {} may not change the host's policy: only {} may", owner(), who("root"))
    );

    let changes = govern(Governance::Deploy(rule("role(operator)")))
        .and(Governance::Enrol { organisation: "org1".into(), role: "operator".into(), member: who("op") })
        .and(Governance::Contracts(Right::Freeze, rule("owner or administrators")))
        .and(Governance::Contracts(Right::Call, Rule::Owner));
    let policy = block_on(vm.govern(changes)).unwrap().now;
    assert_eq!((policy.version, policy.author, &*policy.reason), (2, who("root"), "order"));
    assert_eq!(vm.host_policy().unwrap(), policy);
    let error = block_on(vm.deploy(deploy("d2", who("stranger")))).unwrap_err();
    assert_eq!(denied(&error), "only those with the role 'operator' may");

    // New contracts begin with the host's policy; others keep theirs.
    block_on(vm.deploy(deploy("d2", who("op")))).unwrap();
    assert_eq!(vm.policy(&name("d2")).unwrap().unwrap(), policy.contracts);
    assert_eq!(vm.policy(&name("d1")).unwrap().unwrap(), Policy::default());
    denied(&block_on(vm.invoke(InvokeRequest::new(name("d2"), "read").from(owner()))).unwrap_err());
    block_on(vm.change(ChangeRequest::new(name("d2"), Change::Freeze).from(who("root")))).unwrap();
    denied(&block_on(vm.change(ChangeRequest::new(name("d1"), Change::Freeze).from(who("root")))).unwrap_err());

    let dismiss = Governance::Dismiss { organisation: "org1".into(), role: "operator".into(), member: who("op") };
    block_on(vm.govern(govern(dismiss))).unwrap();
    denied(&block_on(vm.deploy(deploy("d3", who("op")))).unwrap_err());
    let many = |from: u32, to: u32| {
        let right = |n| Governance::Contracts(Right::Method(format!("m{n}")), Rule::Owner);
        (from + 1..to).fold(govern(right(from)), |many, n| many.and(right(n)))
    };
    let error = block_on(vm.govern(many(0, 257))).unwrap_err();
    assert!(error.to_string().contains("more than 256 methods have a rule of their own"), "{error}");
    for (nonsense, told) in [
        (
            Governance::Administrators(rule("callers(root) or administrators")),
            "cannot be defined as the administrators",
        ),
        (Governance::Administrators(Rule::Owner), "the host has no owner"),
        (Governance::Deploy(rule("owner")), "the host has no owner"),
        (Governance::Enrol { organisation: "a b".into(), role: "r".into(), member: owner() }, "'a b' is no name"),
        (Governance::Room { contract: name("nobody"), room: None }, "there is no contract 'nobody'"),
    ] {
        let error = block_on(vm.govern(govern(nonsense))).unwrap_err();
        assert_eq!(error.phase, Phase::Store);
        assert!(error.to_string().contains(told), "{error}");
    }
    let long = govern(Governance::Deploy(Rule::Anyone)).because("x".repeat(1_025));
    assert!(block_on(vm.govern(long)).unwrap_err().to_string().contains("the reason: 1025 bytes"));
    let versions: Vec<_> = (0..5).map(|version| vm.host_policy_version(version).unwrap()).collect();
    assert_eq!(versions[0], Some(HostPolicy::default()));
    assert_eq!((versions[1].as_ref().map(|policy| &policy.deploy), &versions[2]), (Some(&Rule::Anyone), &Some(policy)));
    assert!(versions[3].is_some() && versions[4].is_none());
    // The last who could govern goes by no slip, only by the word.
    let ops = Governance::Administrators(rule("role(operator of org9)"));
    let enrol = Governance::Enrol { organisation: "org9".into(), role: "operator".into(), member: who("root") };
    let told = "nobody could meet the rule of the administrators";
    assert!(block_on(vm.govern(govern(ops.clone()))).unwrap_err().to_string().contains(told));
    block_on(vm.govern(govern(enrol).and(ops))).unwrap();
    let dismiss = Governance::Dismiss { organisation: "org9".into(), role: "operator".into(), member: who("root") };
    assert!(block_on(vm.govern(govern(dismiss))).unwrap_err().to_string().contains(told));
    block_on(vm.govern(govern(Governance::Administrators(Rule::Nobody)))).unwrap();
    assert!(block_on(vm.govern(govern(Governance::Deploy(Rule::Anyone)))).is_err(), "nobody governs any more");
}

/// Who endorsed what is done is written down: those whom the rule counted, in the order of their addresses.
#[test]
fn endorsers_that_counted_are_written_down_and_told() {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);
    impl Observer for Lines {
        fn audit(&self, event: &AuditEvent<'_>) {
            self.0.lock().unwrap().push(format!("{event} ({})", event.endorsers().count()));
        }
        fn governed(&self, event: &GovernanceEvent<'_>) {
            self.0.lock().unwrap().push(event.to_string());
        }
    }
    let lines = Lines::default();
    let mut policy = HostPolicy::default();
    policy.administrators = rule("callers(root) or majority(admin)");
    policy.organisations = organisations();
    let vm = scripts().start_with(Vm::builder().policy(policy).observer(lines.clone()));
    grant(&vm, "freeze", "owner or quorum(2 of alice, bob, cat) or role(auditor)");
    grant(&vm, "upgrade", "quorum(1 of alice)");
    lines.0.lock().unwrap().clear();
    let all = ["zoe", "cat", "bob", "bob"].map(who);
    let change = |change, from| {
        let request = ChangeRequest::new(name("c"), change).from(who(from)).endorsed_by(all);
        block_on(vm.change(request)).unwrap();
        vm.history(&name("c"), 1, 99).unwrap().pop().unwrap().endorsers
    };
    let of = |members: &[&str]| members.iter().copied().map(who).collect::<std::collections::BTreeSet<_>>();
    // Nobody is asked to endorse what the owner, or the holder of a role, may do alone; who has no part in the rule does not count.
    assert_eq!(change(Change::Freeze, "owner"), of(&[]));
    assert_eq!(change(Change::Unfreeze, "alice"), of(&["alice", "bob", "cat"]));
    assert_eq!(change(Change::Freeze, "stranger"), of(&["bob", "cat"]));
    assert_eq!(change(Change::Unfreeze, "eve"), of(&["bob", "cat"]), "the first rule that lets it");
    // The rule of an upgrade without migration is not that of an upgrade.
    let upgrade = UpgradeRequest::new(name("c"), "2".parse().unwrap(), script("c-v2")).from(who("zoe"));
    let by = [who("alice"), who("ann"), who("abe"), who("bob")];
    block_on(vm.upgrade(upgrade.skip_migration().endorsed_by(by))).unwrap();
    let entry = vm.history(&name("c"), 1, 99).unwrap().pop().unwrap();
    assert_eq!(entry.endorsers, of(&["ann", "abe", "bob"]));
    let govern =
        |change, from| block_on(vm.govern(GovernRequest::new(change).from(who(from)).endorsed_by(all))).unwrap().now;
    assert_eq!(govern(Governance::Deploy(Rule::Nobody), "root").endorsers, of(&[]));
    assert_eq!(govern(Governance::Deploy(rule("quorum(2 of bob, cat)")), "eve").endorsers, of(&["bob", "cat"]));
    let deploy = DeployRequest::new(name("d"), "1".parse().unwrap(), script("c")).from(who("eve")).endorsed_by(all);
    block_on(vm.deploy(deploy)).unwrap();
    assert_eq!(vm.history(&name("d"), 1, 1).unwrap()[0].endorsers, of(&["bob", "cat"]));
    let lines = lines.0.lock().unwrap();
    let [first, second] = <[Address; 2]>::try_from(of(&["bob", "cat"]).into_iter().collect::<Vec<_>>()).unwrap();
    assert_eq!(lines[0], format!("{} did freeze contract 'c' (0)", owner()));
    assert_eq!(lines[2], format!("{} did freeze contract 'c', endorsed by {first}, {second} (2)", who("stranger")));
    assert_eq!(lines[6], format!("{} gave the host policy 3, endorsed by {first}, {second}", who("eve")));
}

/// What is so already is no error and no operation: nothing is written, and no version of a policy says what the one before did.
#[test]
fn what_changes_nothing_is_written_nowhere() {
    let vm = machine();
    let grant = |rules: &[(&str, Option<&str>)]| {
        let rules = rules.iter().map(|(right, to)| (right.parse().unwrap(), to.map(rule))).collect();
        let request = GrantRequest { rules, ..GrantRequest::new(name("c")) };
        block_on(vm.grant(request.from(owner())))
    };
    let govern = |changes: &[Governance]| {
        let request = GovernRequest { changes: changes.to_vec(), ..GovernRequest::default() };
        block_on(vm.govern(request.from(who("root"))))
    };
    // Whether it changed anything, and what it says.
    let granted =
        |rules: &[(&str, Option<&str>)]| grant(rules).map(|all| (all.changed, all.already.join("; "))).unwrap();
    let governed = |changes: &[Governance]| govern(changes).map(|all| (all.changed, all.already.join("; "))).unwrap();
    let room = |room| Governance::Room { contract: name("c"), room };
    let (small, ann, zoe) = (Some(vm_core::Room { keys: 3, bytes: 20 }), who("ann"), who("zoe"));
    let enrol = |member| Governance::Enrol { organisation: "org1".into(), role: "admin".into(), member };
    let dismiss = |organisation: &str, role: &str, member| Governance::Dismiss {
        organisation: organisation.into(),
        role: role.into(),
        member,
    };
    let so = |what: &str| (false, what.to_owned());
    assert_eq!(governed(&[room(None)]), so("the state of contract 'c' is not bounded"));
    assert_eq!(granted(&[("call:read", Some("owner")), ("call", Some("callers(zoe)"))]), (true, String::new()));
    assert_eq!(governed(&[room(small)]), (true, String::new()));
    assert_eq!(governed(&[Governance::Contracts(Right::Call, Rule::Owner)]), (true, String::new()));
    let state = || (vm.view().unwrap().height(), vm.record(&name("c")).unwrap(), vm.host_policy().unwrap());
    let before = state();
    assert_eq!(granted(&[("freeze", Some("owner"))]), so("the rule of freeze is 'owner' already"));
    assert_eq!(granted(&[("call:read", Some("owner"))]), so("the rule of call:read is 'owner' already"));
    assert_eq!(granted(&[("call:write", None)]), so("method 'write' has no rule of its own"));
    assert_eq!(
        granted(&[("freeze", Some("owner")), ("revoke", Some("owner"))]),
        so("the rule of freeze is 'owner' already; the rule of revoke is 'owner' already")
    );
    // What is taken back in the same breath.
    assert_eq!(granted(&[("freeze", Some("anyone")), ("freeze", Some("owner"))]), so(""));
    assert_eq!(governed(&[room(small)]), so("contract 'c' may have 3 keys and 20 bytes already"));
    assert_eq!(governed(&[Governance::Deploy(Rule::Anyone)]), so("the rule of deploy is 'anyone' already"));
    assert_eq!(
        governed(&[Governance::Administrators(rule("callers(root)"))]),
        so(&format!("the rule of administrators is 'callers({})' already", who("root")))
    );
    assert_eq!(
        governed(&[Governance::Contracts(Right::Call, Rule::Owner)]),
        so("the rule of call of new contracts is 'owner' already")
    );
    assert_eq!(governed(&[enrol(ann)]), so(&format!("{ann} has the role 'admin' in 'org1' already")));
    assert_eq!(
        governed(&[dismiss("org1", "admin", zoe)]),
        so(&format!("{zoe} does not have the role 'admin' in 'org1'"))
    );
    assert_eq!(
        governed(&[dismiss("org9", "auditor", ann)]),
        so(&format!("{ann} does not have the role 'auditor' in 'org9'"))
    );
    // Who may not ask is not told so.
    let stranger = GrantRequest::new(name("c")).set(Right::Freeze, Rule::Owner).from(zoe);
    assert!(block_on(vm.grant(stranger)).unwrap_err().to_string().starts_with("permission: "));
    let error = grant(&[]).unwrap_err().to_string();
    assert_eq!(error, "store: no change of the contract's policy is asked for; name a rule");
    assert_eq!(govern(&[]).unwrap_err().to_string(), "store: no change of the host's policy is asked for; name one");
    assert_eq!(state(), before);

    // Of several, those that change something are done, as one version.
    let already = "the rule of freeze is 'owner' already".to_owned();
    assert_eq!(granted(&[("freeze", Some("owner")), ("call", Some("anyone"))]), (true, already));
    let already = format!("{ann} has the role 'admin' in 'org1' already");
    assert!(governed(&[enrol(ann), enrol(zoe), room(small)]).0);
    assert_eq!(governed(&[enrol(ann), room(None)]), (true, already));
    let (_, record, host) = state();
    assert_eq!((record.unwrap().policy, host.version), (2, before.2.version + 1));
}

/// Whoever asks for roles in each call can decode them in each call.
#[test]
fn the_hosts_policy_is_bounded_and_paid_for_by_calls_that_ask_it() {
    let vm = machine();
    let enrol = |members: std::ops::Range<usize>| {
        let member = |n: usize| Governance::Enrol {
            organisation: "org1".into(),
            role: "member".into(),
            member: who(&n.to_string()),
        };
        let request = GovernRequest { changes: members.map(member).collect(), ..GovernRequest::default() };
        block_on(vm.govern(request.from(who("root"))))
    };
    let guard = |text: &str| {
        let request = GrantRequest::new(name("c")).set(Right::Call, rule(text));
        block_on(vm.grant(request.from(owner()))).unwrap();
    };
    let gas = |caller: &str| {
        let request = InvokeRequest::new(name("c"), "read").from(who(caller));
        block_on(vm.invoke(request)).unwrap().gas_used
    };
    enrol(0..1).unwrap();
    guard("role(member)");
    let few = gas("0");
    enrol(1..3_000).unwrap();
    assert!(gas("0") > few && gas("2999") == gas("0"), "more is decoded");
    guard("callers(zoe)");
    let own = gas("zoe");
    let error = enrol(3_000..4_000).unwrap_err().to_string();
    assert!(error.contains("the host's policy") && error.contains("65536"), "{error}");
    assert_eq!(gas("zoe"), own);
    assert!(own.get() < 2 * few.get(), "the host is not asked");
}

#[test]
fn changes_of_the_hosts_policy_are_told() {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);
    impl Observer for Lines {
        fn audit(&self, event: &AuditEvent<'_>) {
            self.0.lock().unwrap().push(format!("{event} ({})", event.reason));
        }
        fn governed(&self, event: &GovernanceEvent<'_>) {
            self.0.lock().unwrap().push(format!("{event} ({})", event.reason));
        }
    }
    let lines = Lines::default();
    let mut policy = HostPolicy::default();
    policy.administrators = rule("callers(root)");
    let vm = scripts().start_with(Vm::builder().policy(policy).observer(lines.clone()));
    let govern = |from| GovernRequest::new(Governance::Deploy(Rule::Nobody)).from(who(from)).because("order");
    block_on(vm.govern(govern("zoe"))).unwrap_err();
    block_on(vm.govern(govern("root"))).unwrap();
    let room = Some(vm_core::Room { keys: 1, bytes: 1 });
    let bound = GovernRequest::new(Governance::Room { contract: name("c"), room }).because("small");
    block_on(vm.govern(bound.clone().from(who("zoe")))).unwrap_err();
    // That is of the contract, and no version of the host's policy.
    assert_eq!(block_on(vm.govern(bound.from(who("root")))).unwrap().now, vm.host_policy().unwrap());
    let (zoe, root) = (who("zoe"), who("root"));
    let lines: Vec<_> = lines.0.lock().unwrap().drain(..).filter(|line| !line.contains("did deploy")).collect();
    let denied = format!(
        "{zoe} could not change the host's policy: permission: {zoe} may not change the host's policy: only {root} may (order)"
    );
    assert_eq!(
        lines,
        [
            denied,
            format!("{root} gave the host policy 2 (order)"),
            format!(
                "{zoe} could not bound the state of contract 'c': permission: {zoe} may not change the host's policy: only \
                 {root} may (small)"
            ),
            format!("{root} did bound the state of contract 'c' (small)"),
        ]
    );
}
