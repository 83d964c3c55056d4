//! System contracts: the verbs as transactions, for whom the rules permit, and by approval of several.

use std::sync::{Arc, Mutex};

use futures_executor::block_on;
use vm_core::{
    Account, Address, AuditEvent, Code, ContractName, DeployRequest, DryRunRequest, Event, GasSchedule,
    GovernanceEvent, GrantRequest, HostPolicy, InvokeRequest, Lifecycle, Limits, Observer, Receipt, Right,
    RollbackRequest, Room, Rule, RuntimeKind, StateKey, Status, Trial, UpgradeRequest, Vm, VmBuilder, VmProvider,
};
use vm_native::{NativeConfig, NativeContract, NativeRuntime};

pub(crate) fn name(text: &str) -> ContractName {
    ContractName::new(text).unwrap()
}

pub(crate) fn who(name: &str) -> Address {
    Address::from_name(name)
}

/// The system contracts, and a contract `c` of alice.
pub(crate) fn machine() -> Vm {
    observed(Silent)
}

struct Silent;

impl Observer for Silent {
    fn audit(&self, _: &AuditEvent<'_>) {}
}

fn observed(observer: impl Observer + 'static) -> Vm {
    built(|builder| builder.observer(observer))
}

fn built(more: impl FnOnce(VmBuilder) -> VmBuilder) -> Vm {
    let add = |config: NativeConfig, name, contract| config.contract(name, contract).unwrap();
    let config = add(NativeConfig::new().system_contracts().unwrap(), "probe", NativeContract::of::<probe::Probe>());
    let config = add(config, "token", NativeContract::of::<token::Token>());
    let mut policy = HostPolicy::default();
    policy.administrators = Rule::Callers([who("root")].into());
    let vm = more(Vm::builder().runtime(NativeRuntime::new(config)).policy(policy).workers(1)).build().unwrap();
    block_on(vm.start()).unwrap();
    for contract in ["contract_manager", "access_control", "multi_sign"] {
        let code = Code::new(RuntimeKind::Native, contract);
        block_on(vm.deploy(DeployRequest::new(name(contract), "1".parse().unwrap(), code).from(who("root")))).unwrap();
    }
    let probe = Code::new(RuntimeKind::Native, "probe");
    let deploy = DeployRequest::new(name("c"), "1".parse().unwrap(), probe).args([""]).from(who("alice"));
    block_on(vm.deploy(deploy)).unwrap();
    vm
}

pub(crate) fn call(vm: &Vm, from: &str, contract: &str, method: &str, args: &[&str]) -> Receipt {
    let request = InvokeRequest::new(name(contract), method).args(args.iter().copied()).from(who(from));
    block_on(vm.invoke(request)).unwrap()
}

#[track_caller]
pub(crate) fn done(receipt: &Receipt) {
    assert_eq!(receipt.status, Status::Success, "{:?}", receipt.text);
}

#[track_caller]
pub(crate) fn refused(receipt: &Receipt, why: &str) {
    assert_eq!(receipt.status, Status::Revert);
    let text = receipt.text.as_deref().unwrap_or_default();
    assert!(text.contains(why), "{text}");
    assert!(receipt.writes.is_empty());
}

pub(crate) fn life(vm: &Vm, contract: &str) -> Lifecycle {
    vm.record(&name(contract)).unwrap().unwrap().lifecycle
}

/// What the probe `d` wrote when it migrated.
fn migrated(vm: &Vm) -> String {
    let value = vm.view().unwrap().get(&StateKey::contract(&name("d"), b"upgraded")).unwrap().unwrap();
    String::from_utf8(value.to_vec()).unwrap()
}

pub(crate) fn hex(text: &[u8]) -> String {
    text.iter().fold("0x".to_owned(), |hex, byte| format!("{hex}{byte:02x}"))
}

#[test]
fn the_verbs_are_methods() {
    let vm = machine();
    let manager = |from, method, args: &[&str]| call(&vm, from, "contract_manager", method, args);
    let (probe, token) = (hex(b"probe"), hex(b"token"));
    let empty = hex(&0u32.to_le_bytes());
    let receipt = manager("bob", "deploy_contract", &["d", "1", "native", &probe, "", "", &empty, "all", "first"]);
    done(&receipt);
    assert!(receipt.gas_used > vm_core::GasSchedule::v1().transaction.deploy.of(5), "a deployment costs what it costs");
    let record = vm.record(&name("d")).unwrap().unwrap();
    // The code may be larger than an event, which tells what it was by its hash.
    let text = |text: &str| [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    let event = receipt.events.last().unwrap();
    assert_eq!(event.topics[0], "deploy_contract");
    assert_eq!(event.data, [&text("d")[..], &text("1"), &[1], record.code.as_bytes()].concat());
    assert_eq!((record.owner, record.lifecycle), (who("bob"), Lifecycle::Active));
    done(&call(&vm, "bob", "d", "count", &["0x6e"]));

    done(&manager("bob", "freeze_contract", &["d", "suspicion"]));
    assert_eq!(life(&vm, "d"), Lifecycle::Frozen);
    done(&manager("bob", "unfreeze_contract", &["d", ""]));
    // The probe writes what it migrated; arguments are borsh.
    done(&manager("bob", "upgrade_contract", &["d", "2", "native", &probe, "", "", &empty, "", "better"]));
    assert_eq!(call(&vm, "bob", "d", "get", &[&hex(b"upgraded")]).status, Status::Success);
    done(&manager("bob", "rollback_contract", &["d", "1", "0x", "", "regret"]));
    done(&manager("bob", "migrate_contract", &["d", "2", &empty, "down"]));
    assert_eq!(migrated(&vm), "2 -> 1");
    done(&manager("bob", "rollback_contract", &["d", "2", &empty, "migrate", "up"]));
    assert_eq!(migrated(&vm), "1 -> 2");
    done(&manager("bob", "revoke_contract", &["d", "over"]));
    let history = vm.history(&name("d"), 1, 99).unwrap();
    let told: Vec<_> = history.iter().map(|entry| format!("{} {}", entry.operation, entry.reason)).collect();
    let expected = [
        "deploy first",
        "freeze suspicion",
        "unfreeze ",
        "upgrade better",
        "rollback regret",
        "migrate down",
        "rollback up",
        "revoke over",
    ];
    assert_eq!(told, expected);
    assert!(history.iter().all(|entry| entry.actor == who("bob")));

    // Whose versions they are has to be permitted to see them.
    refused(
        &manager("bob", "rollback_contract", &["c", "7", "0x", "", ""]),
        "may not roll back contract 'c': only its owner may",
    );

    // What is refused leaves nothing, not even half a deployment.
    refused(&manager("bob", "freeze_contract", &["c", ""]), "may not freeze contract 'c': only its owner may");
    refused(&manager("bob", "freeze_contract", &["nobody", ""]), "there is no contract 'nobody'");
    refused(&manager("bob", "deploy_contract", &["e", "1", "native", &token, "", "", "0x", "all", ""]), "");
    assert_eq!(vm.record(&name("e")).unwrap(), None);
    refused(
        &manager("bob", "deploy_contract", &["e", "1", "rust", &token, "", "", "0x", "all", ""]),
        "unknown runtime 'rust'",
    );
    refused(
        &manager("bob", "deploy_contract", &["e", "1", "native", &token, "", "x", "0x", "all", ""]),
        "'x' is no option",
    );
    refused(&manager("root", "freeze_contract", &["contract_manager", ""]), "no contract is changed while it runs");
    refused(
        &manager("alice", "migrate_contract", &["c", "7", &empty, ""]),
        "never had a version '7'; its versions are 1",
    );
    refused(&manager("alice", "migrate_contract", &["c", "1", "0x020000006e6f", ""]), "no");
    let skip = ["c", "2", "native", &probe, "", "", "0x", "skip-migration", ""];
    refused(
        &manager("alice", "upgrade_contract", &skip),
        "may not skip the migration of contract 'c': only the host's administrators may",
    );
    let skip = ["c", "skipped", "native", &probe, "", "", "0x", "skip-migration", "it hangs"];
    done(&manager("root", "upgrade_contract", &skip));
    let entry = vm.history(&name("c"), 2, 1).unwrap().remove(0);
    assert_eq!((entry.actor, entry.migration), (who("root"), vm_core::Migration::Skipped));
    done(&manager("alice", "rollback_contract", &["c", "1", "0x", "", ""]));
    refused(
        &manager("alice", "upgrade_contract", &["c", "2", "native", &probe, "", "", "0x", "skip", ""]),
        "'skip' is no way to do it; expected some of skip-migration, change-runtime, or nothing",
    );
    refused(
        &manager("alice", "rollback_contract", &["c", "1", &empty, "change-runtime", ""]),
        "the input is for the migration; ask for migrate",
    );
    // Nor does a query change anything.
    let freeze = InvokeRequest::new(name("contract_manager"), "freeze_contract").args(["c", ""]).from(who("alice"));
    assert!(!block_on(vm.query(freeze)).unwrap().status.is_success());
    assert_eq!(life(&vm, "c"), Lifecycle::Active);
}

#[test]
fn policies_are_methods() {
    let vm = machine();
    let access = |from, method, args: &[&str]| call(&vm, from, "access_control", method, args);
    let small = access("alice", "grant", &["c", "call:count", "callers(alice)", "mine"]);
    done(&small);
    // What is stored is paid for: the larger the policy, the more.
    let many = (0..200).map(|n| format!("user{n}")).collect::<Vec<_>>().join(", ");
    let large = access("alice", "grant", &["c", "call:count", &format!("callers({many})"), "mine"]);
    done(&large);
    let word = vm_core::GasSchedule::v1().host.put.word;
    assert!(large.gas_used.get() > small.gas_used.get() + 4_000 / 32 * word);
    let count = InvokeRequest::new(name("c"), "count").args(["0x6e"]).from(who("bob"));
    assert!(block_on(vm.invoke(count.clone())).is_err());
    refused(
        &access("bob", "clear", &["c", "count", ""]),
        "may not change the policy of contract 'c': only its owner may",
    );
    done(&access("alice", "clear", &["c", "count", ""]));
    done(&block_on(vm.invoke(count)).unwrap());

    refused(&access("alice", "grant", &["c", "call:coun", "nobody", ""]), "did you mean 'count'?");
    refused(
        &access("alice", "clear", &["c", "coun", ""]),
        "did you mean 'count'?; nor has it a rule of its own that could be taken back",
    );

    refused(&access("alice", "deploy", &["nobody", ""]), "may not change the host's policy");
    for rule in ["role(nosuch)", "majority(admin of org1)", "role(a of org1) or nobody"] {
        refused(&access("root", "administrators", &[rule, ""]), "nobody could meet the rule of the administrators");
    }
    done(&access("root", "enrol", &["org1", "operator", "bob", "hired"]));
    done(&access("root", "deploy", &["role(operator)", ""]));
    done(&access("root", "contracts", &["freeze", "owner or administrators", ""]));
    done(&access("root", "dismiss", &["org1", "operator", "bob", ""]));
    done(&access("root", "administrators", &["callers(root, bob)", ""]));
    let policy = vm.host_policy().unwrap();
    assert_eq!((policy.version, policy.author), (6, who("root")));
    assert_eq!((policy.deploy.to_string(), policy.organisations.iter().count()), ("role(operator)".into(), 0));
    refused(&access("root", "grant", &["c", "cal", "anyone", ""]), "'cal' is no right");

    // Several at once, all of them or none.
    done(&access("alice", "grant_all", &["c", "freeze = role(operator); call:count = owner; call:has=anyone", "all"]));
    refused(
        &access("alice", "grant_all", &["c", "call:count; freeze = owner; call:nosuch = owner", ""]),
        "unknown method 'nosuch'",
    );
    refused(&access("alice", "grant_all", &["c", "freeze", ""]), "only the rule of a method can be taken back");
    refused(&access("alice", "grant_all", &["c", " ; ", ""]), "no change of the contract's policy is asked for");
    done(&access("alice", "grant_all", &["c", "call:count; call:has", ""]));
    let policy = vm.policy(&name("c")).unwrap().unwrap();
    assert_eq!((policy.freeze.to_string(), policy.methods.len()), ("role(operator)".into(), 0));
    let all = "enrol org2 admin ann; administrators callers(root) or majority(admin); deploy anyone; contracts revoke nobody; \
               bound c 9 99; dismiss org2 admin ann; unbound c";
    done(&access("root", "govern_all", &[all, "at once"]));
    let policy = vm.host_policy().unwrap();
    assert_eq!((policy.version, &*policy.reason, policy.contracts.revoke), (7, "at once", Rule::Nobody));
    refused(&access("alice", "govern_all", &["deploy nobody", ""]), "may not change the host's policy");
    for (changes, why) in [
        ("deploy nobody; melt", "'melt' is no change of the host; expected deploy RULE"),
        ("deploy nobody; enrol org1 admin", "'enrol org1 admin' is no change of the host"),
        ("bound c 1 many", "'many' is no number of keys or bytes"),
        ("", "no change of the host's policy is asked for"),
    ] {
        refused(&access("root", "govern_all", &[changes, ""]), why);
    }

    let room = || vm.record(&name("c")).unwrap().unwrap().room;
    refused(&access("alice", "bound", &["c", "1", "100", ""]), "may not change the host's policy");
    done(&access("root", "bound", &["c", "1", "100", "small"]));
    assert_eq!(room(), Some(Room { keys: 1, bytes: 100 }));
    done(&access("root", "unbound", &["c", ""]));
    assert_eq!((room(), vm.host_policy().unwrap().version), (None, 7), "that is no part of the host's policy");
    // What is there already is counted key by key, and that is paid for.
    let gas_of_bound = || {
        done(&access("root", "unbound", &["c", ""]));
        let receipt = access("root", "bound", &["c", "900", "90000", ""]);
        done(&receipt);
        receipt.gas_used.get()
    };
    done(&access("root", "bound", &["c", "1", "1", ""]));
    let little = gas_of_bound();
    for key in 0..100 {
        done(&call(&vm, "alice", "c", "put", &[&format!("0x{key:04x}"), "0x00"]));
    }
    let entry = GasSchedule::v1().host.scan_entry.of(0).get();
    assert!(gas_of_bound() >= little + 99 * entry, "of a hundred keys");
    done(&access("root", "unbound", &["c", ""]));
    // The bound of a contract that runs would not be the one that its writes are counted for.
    refused(&access("root", "bound", &["access_control", "1", "1", ""]), "no contract is changed while it runs");
}

/// The events of a receipt: their topics, and for warnings their text.
fn events(receipt: &Receipt) -> Vec<String> {
    let told = |event: &Event| {
        let topics: Vec<_> = event.topics.iter().map(|topic| String::from_utf8_lossy(topic)).collect();
        let text = topics.contains(&"warning".into()).then(|| borsh::from_slice::<String>(&event.data).unwrap());
        topics.join(" ") + &text.map(|text| format!(": {text}")).unwrap_or_default()
    };
    receipt.events.iter().map(told).collect()
}

#[test]
fn what_is_so_already_is_an_event_and_no_version() {
    let vm = machine();
    let access = |from, method, args: &[&str]| call(&vm, from, "access_control", method, args);
    assert_eq!(events(&access("alice", "grant", &["c", "freeze", "nobody", ""])), ["grant"]);
    let state = || (vm.record(&name("c")).unwrap().unwrap(), vm.host_policy().unwrap());
    let before = state();
    let again = access("alice", "grant", &["c", "freeze", "nobody", ""]);
    done(&again);
    assert_eq!(events(&again), ["warning: the rule of freeze is 'nobody' already", "grant unchanged"]);
    let clear = access("alice", "clear", &["c", "count", ""]);
    assert_eq!(events(&clear), ["warning: method 'count' has no rule of its own", "clear unchanged"]);
    let deploy = access("root", "deploy", &["anyone", ""]);
    assert_eq!(events(&deploy), ["warning: the rule of deploy is 'anyone' already", "deploy unchanged"]);
    let unbound = access("root", "unbound", &["c", ""]);
    assert_eq!(events(&unbound), ["warning: the state of contract 'c' is not bounded", "unbound unchanged"]);
    assert_eq!(state(), before);
    refused(&access("bob", "grant", &["c", "freeze", "nobody", ""]), "only its owner may");
    // What is new of several is done.
    let some = access("alice", "grant_all", &["c", "freeze = nobody; revoke = nobody", ""]);
    assert_eq!(events(&some), ["warning: the rule of freeze is 'nobody' already", "grant_all"]);
    let zoe = format!("warning: {} does not have the role 'admin' in 'org1'", who("zoe"));
    let some = access("root", "govern_all", &["deploy nobody; dismiss org1 admin zoe", ""]);
    assert_eq!(events(&some), [&zoe, "govern_all"]);
    assert_eq!((state().0.policy, state().1.version), (before.0.policy + 1, before.1.version + 1));
}

#[test]
fn rules_of_methods_that_the_new_code_does_not_have_are_told() {
    let vm = machine();
    let code = |code: &str| Code::new(RuntimeKind::Native, code);
    let deploy = DeployRequest::new(name("t"), "1".parse().unwrap(), code("token")).args(["100"]).from(who("alice"));
    assert_eq!(block_on(vm.deploy(deploy)).unwrap().warnings, [""; 0]);
    let rules = ["transfer", "approve"].map(|method| (Right::Method(method.into()), Some(Rule::Owner)));
    block_on(vm.grant(GrantRequest { rules: rules.into(), ..GrantRequest::new(name("t")) }.from(who("alice"))))
        .unwrap();
    let upgrade =
        |version: &str, to: &str| UpgradeRequest::new(name("t"), version.parse().unwrap(), code(to)).from(who("alice"));
    let told = "the policy has rules for methods that version '2' does not have: approve, transfer; what they are called now is \
                under the rule of all calls, 'anyone'";
    let to_probe = upgrade("2", "probe").args([""]);
    let tried = block_on(vm.dry_run(DryRunRequest::new(Trial::Upgrade(to_probe.clone())))).unwrap();
    assert_eq!(tried.receipt.warnings, [told]);
    assert_eq!(block_on(vm.upgrade(to_probe)).unwrap().warnings, [told]);
    let back = |version: &str| RollbackRequest::new(name("t"), version.parse().unwrap()).from(who("alice"));
    assert_eq!(block_on(vm.rollback(back("1"))).unwrap().warnings, [""; 0]);
    assert_eq!(block_on(vm.rollback(back("2"))).unwrap().warnings, [told]);
    // Transactions tell it in events.
    let manager = |method, args: &[&str]| call(&vm, "alice", "contract_manager", method, args);
    let warned = |version| format!("warning: {}", told.replace("'2'", &format!("'{version}'")));
    let probe = ["t", "3", "native", "0x70726f6265", "", "", "0x00000000", "", ""];
    assert_eq!(events(&manager("upgrade_contract", &probe)), [warned("3"), "upgrade_contract".into()]);
    let back = |version| manager("rollback_contract", &["t", version, "0x", "", ""]);
    assert_eq!(events(&back("1")), ["rollback_contract"]);
    assert_eq!(events(&back("2")), [warned("2"), "rollback_contract".into()]);
    let clear = GrantRequest::new(name("t")).clear("transfer").clear("approve").from(who("alice"));
    block_on(vm.grant(clear)).unwrap();
    assert_eq!(block_on(vm.upgrade(upgrade("4", "probe").args([""]))).unwrap().warnings, [""; 0]);
}

#[test]
fn system_contracts_keep_no_value() {
    let vm = built(|builder| builder.genesis([(who("alice"), 10.into())].into()));
    for (contract, method, args) in [
        ("contract_manager", "freeze_contract", vec!["c", ""]),
        ("access_control", "grant", vec!["c", "freeze", "anyone", ""]),
        ("multi_sign", "approve", vec!["1"]),
    ] {
        let request = InvokeRequest::new(name(contract), method).args(args).from(who("alice")).value(7.into());
        refused(&block_on(vm.invoke(request)).unwrap(), "system contracts take no value");
    }
    let account = Account::load(&vm_core::Journal::new(vm.view().unwrap()), &who("alice")).unwrap();
    assert_eq!(account.balance, 10.into());
}

/// Code is an argument, so it is bounded as one, and a proposal as a value is.
#[test]
fn what_is_too_large_for_a_transaction_is_refused_with_what_to_raise() {
    let limits = Limits { input_size: 4_000, value_size: 2_000, ..Limits::default() };
    let vm = built(|builder| builder.limits(limits));
    let text = |text: &str| [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    let code = "x".repeat(2_500);
    let input = hex(&["t", "1", "native", &code, "", "", "", "all", ""].map(text).concat());
    refused(
        &call(&vm, "alice", "multi_sign", "propose", &["contract_manager", "deploy_contract", &input, "9"]),
        "above the limit of 2000; raise vm.limits.value_size",
    );
    let code = hex("x".repeat(4_000).as_bytes());
    let request = InvokeRequest::new(name("contract_manager"), "deploy_contract")
        .args(["t", "1", "native", &code, "", "", "0x", "all", ""])
        .from(who("alice"));
    let told = block_on(vm.invoke(request)).unwrap_err().to_string();
    assert!(told.contains("vm.limits.input_size"), "{told}");
}

#[test]
fn what_system_contracts_are_refused_is_told() {
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
    let vm = observed(lines.clone());
    lines.0.lock().unwrap().clear();
    let zoe = who("zoe");
    call(&vm, "zoe", "access_control", "deploy", &["nobody", "mine"]);
    call(&vm, "zoe", "contract_manager", "revoke_contract", &["c", "away"]);
    call(&vm, "alice", "contract_manager", "unfreeze_contract", &["c", "again"]);
    call(&vm, "root", "access_control", "deploy", &["nobody", "closed"]);
    let (root, alice) = (who("root"), who("alice"));
    assert_eq!(
        *lines.0.lock().unwrap(),
        [
            format!(
                "{zoe} could not change the host's policy: permission: {zoe} may not change the host's policy: only {root} may (mine)"
            ),
            format!(
                "{zoe} could not revoke contract 'c': permission: {zoe} may not revoke contract 'c': only its owner may (away)"
            ),
            // Not only what a rule refuses.
            format!("{alice} could not unfreeze contract 'c': store: contract 'c': it is active already (again)"),
            format!("{root} gave the host policy 2 (closed)"),
        ]
    );
}

/// A contract may keep what it is told, so that is the same whatever else is linked into its host.
#[test]
fn a_contract_is_not_told_what_else_its_host_has() {
    let vm = machine();
    let deploy = ["x", "1", "native", &hex(b"tokenn"), "", "", "0x", "all", ""];
    let receipt = call(&vm, "alice", "contract_manager", "deploy_contract", &deploy);
    assert_eq!(
        receipt.text.as_deref(),
        Some(
            "the code is rejected; what is wrong with it is told with the receipt (denials), and in the history of what was refused"
        )
    );
    let told = format!("{:?}", receipt.denials);
    assert!(told.contains("no contract is linked as 'tokenn'; did you mean 'token'?"), "{told}");
}
