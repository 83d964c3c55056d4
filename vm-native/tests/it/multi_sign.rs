//! Operations by approval of several: who has a part, what is kept, and that nothing is left of it.

use std::sync::Arc;

use futures_executor::block_on;
use vm_core::{
    Block, GovernRequest, Governance, GrantRequest, InvokeRequest, KeyRange, Lifecycle, Receipt, Right,
    RollbackRequest, Room, Rule, Space, StateKey, Version, Vm, VmProvider,
};

use crate::system::{call, done, hex, life, machine, name, refused, who};

/// The borsh of `freeze_contract(c, together)`'s arguments.
pub(crate) fn freeze() -> String {
    let text = |text: &str| [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    hex(&[text("c"), text("together")].concat())
}

pub(crate) fn guarded() -> Vm {
    let vm = machine();
    let rule = "quorum(2 of ann, bob, cat)".parse().unwrap();
    block_on(vm.grant(GrantRequest::new(name("c")).set(Right::Freeze, rule).from(who("alice")))).unwrap();
    vm
}

/// How many entries the contract has.
pub(crate) fn kept(vm: &Vm) -> usize {
    vm.view().unwrap().scan(&KeyRange::of(Space::Apart, b"multi_sign"), usize::MAX).unwrap().len()
}

fn sorted(names: &[&str]) -> String {
    let mut all: Vec<_> = names.iter().copied().map(who).collect();
    all.sort();
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_quorum_is_collected_and_carried_out() {
    let vm = guarded();
    let sign = |from, method, args: &[&str]| call(&vm, from, "multi_sign", method, args);
    let receipt = sign("ann", "propose", &["contract_manager", "freeze_contract", &freeze(), "9"]);
    assert_eq!(receipt.text.as_deref(), Some("1"));
    refused(&sign("cat", "execute", &["1"]), "must endorse it, and 1 did");
    done(&sign("bob", "approve", &["1"]));
    refused(&sign("bob", "approve", &["1"]), "has approved proposal 1 already");
    done(&sign("bob", "reject", &["1"]));
    refused(&sign("bob", "reject", &["1"]), "has rejected proposal 1 already");
    refused(&sign("bob", "execute", &["1"]), "must endorse it, and 1 did");
    done(&sign("cat", "approve", &["1"]));
    assert_eq!(sign("zoe", "approvals", &["1"]).text.as_deref(), Some("2"));
    let told = format!(
        "{} proposes to freeze contract 'c'; until block 9; because: together; approved by {}; rejected by {}",
        who("ann"),
        sorted(&["ann", "cat"]),
        who("bob")
    );
    assert_eq!(sign("zoe", "proposal", &["1"]).text, Some(told));
    assert_eq!(sign("zoe", "input", &["1"]).text, Some(freeze()));
    let next = |after: &str| sign("zoe", "next", &[after]).text.unwrap();
    assert_eq!((&*next("0"), &*next("1"), &*next(&u64::MAX.to_string())), ("1", "0", "0"));
    assert_eq!(life(&vm, "c"), Lifecycle::Active);
    refused(&sign("zoe", "execute", &["1"]), "does not ask for the endorsement of");
    done(&sign("cat", "execute", &["1"]));
    assert_eq!(life(&vm, "c"), Lifecycle::Frozen);
    let entry = vm.history(&name("c"), 3, 1).unwrap().remove(0);
    assert_eq!((entry.actor, &*entry.reason), (who("ann"), "together"));
    assert_eq!(entry.endorsers, [who("ann"), who("cat")].into(), "those who approved");
    assert_eq!(kept(&vm), 1, "nothing but the next number");
    refused(&sign("zoe", "execute", &["1"]), "there is no proposal 1");
}

#[test]
fn proposals_are_withdrawn_expire_and_have_to_make_sense() {
    let vm = guarded();
    let sign = |from, method, args: &[&str]| call(&vm, from, "multi_sign", method, args);
    done(&sign("ann", "propose", &["contract_manager", "freeze_contract", &freeze(), "9"]));
    done(&sign("ann", "reject", &["1"]));
    refused(&sign("bob", "approve", &["1"]), "there is no proposal 1");
    assert_eq!(kept(&vm), 1);

    let receipt = sign("ann", "propose", &["contract_manager", "freeze_contract", &freeze(), "9"]);
    assert_eq!(receipt.text.as_deref(), Some("2"), "numbers are not used again");
    done(&sign("bob", "approve", &["2"]));
    let late = InvokeRequest::new(name("multi_sign"), "execute").args(["2"]).from(who("bob"));
    let at = |number| Arc::new(Block { number, ..Block::default() });
    refused(
        &block_on(vm.invoke(late.clone().block(at(10)))).unwrap(),
        "proposal 2 expired in block 9; this is block 10",
    );
    done(&block_on(vm.invoke(late.block(at(9)))).unwrap());

    // What has expired is in nobody's way.
    refused(&sign("bob", "expire", &["2"]), "there is no proposal 2");
    assert_eq!(sign("zoe", "next", &["0"]).text.as_deref(), Some("0"));
    done(&sign("ann", "propose", &["contract_manager", "freeze_contract", &freeze(), "9"]));
    refused(&sign("zoe", "expire", &["3"]), "proposal 3 expires after block 9; this is block 0");
    let expire = InvokeRequest::new(name("multi_sign"), "expire").args(["3"]).from(who("zoe"));
    done(&sign("bob", "approve", &["3"]));
    done(&sign("cat", "reject", &["3"]));
    assert_eq!(kept(&vm), 5);
    assert_eq!(sign("zoe", "next", &["0"]).text.as_deref(), Some("3"));
    let shown = InvokeRequest::new(name("multi_sign"), "proposal").args(["3"]).block(at(10));
    assert!(block_on(vm.query(shown)).unwrap().text.unwrap().contains("; expired in block 9; because: together; "));
    done(&block_on(vm.invoke(expire.block(at(10)))).unwrap());
    assert_eq!(kept(&vm), 1);
    refused(&sign("ann", "reject", &["3"]), "there is no proposal 3");

    // The proposer withdraws what has expired, too; others cannot say anything to it any more.
    done(&sign("ann", "propose", &["contract_manager", "freeze_contract", &freeze(), "9"]));
    let late = |from| InvokeRequest::new(name("multi_sign"), "reject").args(["4"]).from(who(from)).block(at(10));
    refused(&block_on(vm.invoke(late("bob"))).unwrap(), "proposal 4 expired in block 9; this is block 10");
    done(&block_on(vm.invoke(late("ann"))).unwrap());
    assert_eq!(kept(&vm), 1);
    refused(&sign("bob", "approve", &["4"]), "there is no proposal 4");

    refused(
        &sign("ann", "propose", &["token", "freeze_contract", &freeze(), "9"]),
        "'token' has no operations that can be proposed",
    );
    refused(&sign("ann", "propose", &["contract_manager", "melt", &freeze(), "9"]), "unknown method 'melt'");
    refused(
        &sign("ann", "propose", &["contract_manager", "freeze_contract", "0x00", "9"]),
        "the arguments are not those of the method",
    );
    let old =
        InvokeRequest::new(name("multi_sign"), "propose").args(["contract_manager", "freeze_contract", &freeze(), "9"]);
    refused(&block_on(vm.invoke(old.from(who("ann")).block(at(10)))).unwrap(), "would have expired in block 9");
}

/// An upgrade that waits for approvals keeps nobody from a rollback, which overtakes it.
#[test]
fn a_contract_is_rolled_back_while_its_upgrade_is_proposed() {
    let vm = machine();
    let sign = |from, method, args: &[&str]| call(&vm, from, "multi_sign", method, args);
    let probe = |version: &str| {
        let empty = 0u32.to_le_bytes().to_vec();
        let arguments = (("c", version, "native", b"probe".to_vec(), ""), ("", empty, "", "together"));
        hex(&borsh::to_vec(&arguments).unwrap())
    };
    let [two, three] = ["2", "3"].map(probe);
    let rollback = |version| {
        let request = RollbackRequest::new(name("c"), version).from(who("alice"));
        block_on(vm.rollback(request)).map(drop).map_err(|error| error.to_string())
    };
    let version = |text: &str| text.parse::<Version>().unwrap();
    block_on(vm.grant(
        GrantRequest::new(name("c")).set(Right::Upgrade, "quorum(2 of ann, bob)".parse().unwrap()).from(who("alice")),
    ))
    .unwrap();
    let propose = |number: &str, input: &str| {
        done(&sign("ann", "propose", &["contract_manager", "upgrade_contract", input, "9"]));
        done(&sign("bob", "approve", &[number]));
    };
    propose("1", &two);
    done(&sign("bob", "execute", &["1"]));
    propose("2", &three);
    rollback(version("1")).unwrap();
    assert_eq!(
        rollback(version("3")).unwrap_err(),
        "load: contract 'c' never had a version '3'; its versions are 1, 2"
    );
    refused(
        &sign("zoe", "execute", &["2"]),
        "proposal 2 is overtaken: the history of contract 'c' had 3 entries then, and has 4 now",
    );
    propose("3", &three);
    done(&sign("ann", "execute", &["3"]));
    let upgraded = vm.view().unwrap().get(&StateKey::contract(&name("c"), b"upgraded")).unwrap().unwrap();
    assert_eq!(&upgraded[..], b"1 -> 3", "from what there is now");
    rollback(version("2")).unwrap();
    let history = vm.history(&name("c"), 3, 9).unwrap();
    let told: Vec<_> = history.iter().map(|entry| format!("{} {}", entry.operation, entry.after.version)).collect();
    assert_eq!(told, ["upgrade 2", "rollback 1", "upgrade 3", "rollback 2"]);
}

/// Whoever the rules do not ask has no part in a proposal, so nobody else can fill it, or hinder those who have.
#[test]
fn only_those_whom_the_rules_ask_approve_and_reject() {
    let vm = guarded();
    let sign = |from, method, args: &[&str]| call(&vm, from, "multi_sign", method, args);
    let text = |text: &str| [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    let propose = |from, contract: &str, method: &str, texts: &[&str]| {
        let input = hex(&texts.iter().flat_map(|part| text(part)).collect::<Vec<_>>());
        let receipt = sign(from, "propose", &[contract, method, &input, "9"]);
        done(&receipt);
        receipt.text.unwrap()
    };
    // Anybody proposes; what that is worth is up to those who approve.
    let by_stranger = propose("zoe", "contract_manager", "freeze_contract", &["c", "together"]);
    assert_eq!(sign("zoe", "approvals", &[&by_stranger]).text.as_deref(), Some("0"));
    let no_part = |name: &str| format!("does not ask for the endorsement of {}", who(name));
    // The rule is told as a whole, though three addresses are more than a line.
    let rule = "quorum(2 of ann, bob, cat)".parse::<Rule>().unwrap();
    let of_quorum = |receipt: &Receipt, name: &str| refused(receipt, &format!("the rule '{rule}' {}", no_part(name)));
    for stranger in ["alice", "root", "yan"] {
        of_quorum(&sign(stranger, "approve", &[&by_stranger]), stranger);
        of_quorum(&sign(stranger, "reject", &[&by_stranger]), stranger);
    }
    let denials = sign("yan", "approve", &[&by_stranger]).denials;
    let told = format!("{} could not freeze contract 'c': the rule '{rule}' {}", who("yan"), no_part("yan"));
    assert_eq!((denials.len(), denials[0].is_by_rule(), denials[0].to_string()), (1, true, told));
    done(&sign("bob", "approve", &[&by_stranger]));
    done(&sign("cat", "approve", &[&by_stranger]));
    of_quorum(&sign("yan", "execute", &[&by_stranger]), "yan");
    done(&sign("bob", "execute", &[&by_stranger]));
    assert_eq!(life(&vm, "c"), Lifecycle::Frozen);

    // What the owner does alone nobody has to endorse.
    let revoke = propose("alice", "contract_manager", "revoke_contract", &["c", ""]);
    refused(&sign("ann", "approve", &[&revoke]), "the rule 'owner' does not ask for the endorsement of");
    // Of a contract that is not there.
    let missing = propose("ann", "contract_manager", "freeze_contract", &["nosuch", ""]);
    refused(&sign("bob", "approve", &[&missing]), "there is no contract 'nosuch'");

    // The host's rules: of administrators by their organisations, and of deployments.
    let govern = |change| block_on(vm.govern(GovernRequest::new(change).from(who("root")))).unwrap();
    for (organisation, member) in [("org1", "ann"), ("org2", "bob")] {
        govern(Governance::Enrol { organisation: organisation.into(), role: "admin".into(), member: who(member) });
    }
    govern(Governance::Administrators("callers(root) or majority(admin)".parse().unwrap()));
    let deploy = propose("ann", "access_control", "deploy", &["quorum(1 of cat)", "by vote"]);
    refused(&sign("cat", "approve", &[&deploy]), "the rule 'administrators' does not ask");
    refused(&sign("root", "approve", &[&deploy]), &no_part("root"));
    done(&sign("bob", "approve", &[&deploy]));
    done(&sign("bob", "execute", &[&deploy]));
    let policy = vm.host_policy().unwrap();
    assert_eq!((policy.author, policy.endorsers), (who("ann"), [who("ann"), who("bob")].into()));

    // Who has lost the role takes back what he said, and says no more.
    let open = propose("ann", "access_control", "deploy", &["anyone", ""]);
    done(&sign("bob", "approve", &[&open]));
    let (organisation, role) = ("org2".to_owned(), "admin".to_owned());
    govern(Governance::Dismiss { organisation, role, member: who("bob") });
    done(&sign("bob", "reject", &[&open]));
    refused(&sign("bob", "approve", &[&open]), &no_part("bob"));
    assert_eq!(sign("zoe", "approvals", &[&open]).text.as_deref(), Some("1"));
}

/// Each approval is an entry of its own: what one costs does not grow with those that were given before, nor with the proposal.
#[test]
fn an_approval_costs_the_same_whoever_came_before() {
    let vm = machine();
    let members: Vec<_> = (0..150).map(|n| format!("m{n}")).collect();
    let rule = format!("quorum(150 of {})", members.join(", ")).parse().unwrap();
    block_on(vm.grant(GrantRequest::new(name("c")).set(Right::Freeze, rule).from(who("alice")))).unwrap();
    let sign = |from: &str, method: &str, args: &[&str]| call(&vm, from, "multi_sign", method, args);
    done(&sign("m0", "propose", &["contract_manager", "freeze_contract", &freeze(), "9"]));
    let approve = |member: &String| {
        let receipt = sign(member, "approve", &["1"]);
        done(&receipt);
        receipt.gas_used
    };
    let gas: Vec<_> = members[1..].iter().map(approve).collect();
    assert!(gas.iter().all(|of_one| of_one == &gas[0]), "{gas:?}");
    // Where the contract's own state is bounded, a proposal's votes count for it and for no other.
    let full = Governance::Room { contract: name("multi_sign"), room: Some(Room { keys: 152, bytes: 1 << 20 }) };
    block_on(vm.govern(GovernRequest::new(full).from(who("root")))).unwrap();
    done(&sign("m1", "reject", &["1"]));
    done(&sign("m1", "approve", &["1"]));
    done(&sign("m7", "execute", &["1"]));
    let entry = vm.history(&name("c"), 3, 1).unwrap().remove(0);
    assert_eq!((life(&vm, "c"), entry.endorsers.len(), kept(&vm)), (Lifecycle::Frozen, 150, 1));
}
