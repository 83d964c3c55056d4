//! Operations as calls of system contracts, and their events in words.

use vm_core::{
    Amount, Arguments, Capabilities, Change, ChangeRequest, Code, DeployRequest, GovernRequest, Governance,
    GrantRequest, Managed, MigrateRequest, Receipt, Right, RollbackRequest, RuntimeKind, Sender, UpgradeRequest, Vm,
};
use vm_native::SystemCall;

use crate::system::{call, done, hex, machine, name, refused, who};

/// One of each kind, with all that its method can say.
fn operations() -> Vec<Managed> {
    let code = |runtime: RuntimeKind| Code { abi: Some("[]".into()), ..Code::new(runtime, vec![0, 1, 255]) };
    let options = code(RuntimeKind::Evm).with_option("migrate", "constructor").with_option("params", "a=b");
    let version = |text: &str| text.parse().unwrap();
    let input = || Arguments::Raw(vec![7, 0, 9].into());
    let deploy = DeployRequest::new(name("t"), version("1"), options.clone()).arguments(input()).because("new");
    let upgrade = UpgradeRequest::new(name("t"), version("2"), code(RuntimeKind::Wasm)).skip_migration();
    let migrate = MigrateRequest::new(name("t"), version("1")).arguments(input()).because("by itself");
    let back = RollbackRequest::new(name("t"), version("1")).migrate(input()).because("back");
    let rule = |text: &str| text.parse().unwrap();
    let granted = GrantRequest::new(name("t")).set(Right::Freeze, rule("role(auditor of org1, org2)"));
    let method = Right::Method("transfer( address to, uint256 )".into());
    let several = granted.clone().set(method.clone(), rule("owner or callers(alice)")).clear("burn").because("several");
    let change = |change| ChangeRequest::new(name("t"), change).because("step");
    let member = |organisation: &str| (organisation.to_owned(), "admin".to_owned(), who("ann"));
    let (organisation, role, member) = member("org1");
    let governed = [
        Governance::Deploy(rule("nobody")),
        Governance::Administrators(rule("quorum(2 of ann, bob, cat)")),
        Governance::Contracts(Right::Method("mint".into()), rule("owner")),
        Governance::Enrol { organisation: organisation.clone(), role: role.clone(), member },
        Governance::Dismiss { organisation, role, member },
        Governance::Room { contract: name("t"), room: Some(vm_core::Room { keys: 1, bytes: 2 }) },
        Governance::Room { contract: name("t"), room: None },
    ];
    let all = GovernRequest { changes: governed.to_vec(), ..GovernRequest::default() }.because("all");
    [
        Managed::Deploy(deploy.clone().capabilities(Capabilities::NONE)),
        Managed::Deploy(DeployRequest { arguments: Arguments::NONE, reason: String::new(), ..deploy }),
        Managed::Upgrade(upgrade.clone()),
        Managed::Upgrade(upgrade.change_runtime().because("runtime")),
        Managed::Migrate(migrate),
        Managed::Rollback(back.clone()),
        Managed::Rollback(RollbackRequest { migration: None, change_runtime: true, ..back }),
        Managed::Change(change(Change::Freeze)),
        Managed::Change(change(Change::Unfreeze)),
        Managed::Change(change(Change::Revoke)),
        Managed::Grant(granted),
        Managed::Grant(GrantRequest::new(name("t")).set(method, rule("owner"))),
        Managed::Grant(GrantRequest::new(name("t")).clear("burn")),
        Managed::Grant(several),
        Managed::Govern(all),
    ]
    .into_iter()
    .chain(governed.map(|change| Managed::Govern(GovernRequest::new(change).because("one"))))
    .collect()
}

/// The words that approvers read are those of the operation itself, whose code has its hash in them: so what is read back from the
/// call is what was put into it.
#[test]
fn a_proposal_is_the_operation_that_it_was_made_of() {
    let vm = machine();
    for operation in operations() {
        let made = SystemCall::of(&operation).unwrap();
        let arguments = [made.contract, made.method, &hex(&made.input), &u64::MAX.to_string()];
        let proposed = call(&vm, "ann", "multi_sign", "propose", &arguments);
        done(&proposed);
        let id = proposed.text.unwrap();
        let because = match operation.reason() {
            "" => String::new(),
            reason => format!("; because: {reason}"),
        };
        let owned = if matches!(operation, Managed::Deploy(_)) { "; who proposes will own it" } else { "" };
        let told = call(&vm, "zoe", "multi_sign", "proposal", &[&id]).text.unwrap();
        assert_eq!(told, format!("{} proposes to {operation}{owned}; until block 1000000{because}", who("ann")));
    }
}

#[test]
fn what_no_method_can_say_is_refused() {
    let code = || Code::new(RuntimeKind::Native, "token");
    let deploy = DeployRequest::new(name("t"), "1".parse().unwrap(), code());
    let options = Code { options: [("params".into(), "a, b".into())].into(), ..code() };
    let odd = |method: &str| GrantRequest::new(name("t")).clear(method).clear("burn");
    let paid = Sender { value: Amount::from(1), ..Sender::default() };
    let contracts = Governance::Contracts(Right::Method("f( uint )".into()), "owner".parse().unwrap());
    for (operation, why) in [
        (Managed::Deploy(DeployRequest { sender: paid, ..deploy.clone() }), "it moves a value"),
        (Managed::Deploy(deploy.clone().args(["1"])), "have to be in the contract's encoding"),
        (Managed::Deploy(DeployRequest { code: options, ..deploy }), "the option 'params' has a comma"),
        (Managed::Grant(odd("a;b")), "'call:a;b' has characters that divide the list"),
        (Managed::Grant(odd("a=owner")), "'call:a=owner' has characters that divide the list"),
        (Managed::Govern(GovernRequest::new(contracts.clone()).and(contracts)), "divide the list of changes"),
    ] {
        let error = SystemCall::of(&operation).unwrap_err().to_string();
        assert!(error.starts_with("this cannot be asked for by a transaction: ") && error.contains(why), "{error}");
    }
}

/// Nobody is asked to approve what could not be carried out.
#[test]
fn what_could_never_be_done_is_not_proposed() {
    let vm = machine();
    let long = ChangeRequest::new(name("c"), Change::Freeze).because("x".repeat(1_025));
    let SystemCall { contract, method, input, .. } = SystemCall::of(&Managed::Change(long)).unwrap();
    let receipt = call(&vm, "alice", "multi_sign", "propose", &[contract, method, &hex(&input), "9"]);
    refused(&receipt, "the reason: 1025 bytes, above the limit of 1024");
}

/// The events that a contract emitted, as it tells them.
fn told(vm: &Vm, contract: &str, receipt: &Receipt) -> Vec<String> {
    done(receipt);
    let told_by = vm.contract(&name(contract)).unwrap();
    let events = receipt.events.iter().filter(|event| event.contract == Some(name(contract)));
    events.map(|event| told_by.interface().decode_event(event).unwrap()).collect()
}

#[test]
fn events_of_system_contracts_are_told_in_words() {
    let vm = machine();
    let access =
        |method, args: &[&str]| told(&vm, "access_control", &call(&vm, "alice", "access_control", method, args));
    let policy = "change the policy of contract 'c': ";
    assert_eq!(
        access("grant", &["c", "freeze", "nobody", "safe\nly"]),
        [format!("{policy}freeze = nobody: safe\\nly")]
    );
    assert_eq!(
        access("grant", &["c", "freeze", "nobody", ""]),
        ["warning: the rule of freeze is 'nobody' already".to_owned(), format!("{policy}freeze = nobody, unchanged")]
    );
    let manager =
        |method, args: &[&str]| told(&vm, "contract_manager", &call(&vm, "alice", "contract_manager", method, args));
    let code = Code::new(RuntimeKind::Native, "token");
    let deploy = ["t", "1", "native", "0x746f6b656e", "", "", &hex(&100u128.to_le_bytes()), "all", ""];
    let [deployed] = &manager("deploy_contract", &deploy)[..] else { panic!("one event") };
    assert_eq!(*deployed, format!("deploy_contract 't', version '1', code {}", code.hash()));
    assert_eq!(manager("revoke_contract", &["t", "over"]), ["revoke contract 't': over"]);

    let sign = |from, method, args: &[&str]| told(&vm, "multi_sign", &call(&vm, from, "multi_sign", method, args));
    let grant = GrantRequest::new(name("c")).set(Right::Revoke, "owner".parse().unwrap());
    let SystemCall { contract, method, input, .. } = SystemCall::of(&Managed::Grant(grant)).unwrap();
    let by = |what: &str| format!("proposal 1 {what} by {}", who("alice"));
    assert_eq!(sign("alice", "propose", &[contract, method, &hex(&input), "9"]), [by("proposed")]);
    assert_eq!(
        sign("alice", "execute", &["1"]),
        ["warning: the rule of revoke is 'owner' already".to_owned(), by("executed") + ", unchanged"]
    );
}
