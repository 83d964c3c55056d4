//! A proposal is for what there was when it was made, and those who approved it count if they still may.

use futures_executor::block_on;
use vm_core::{
    Code, GovernRequest, Governance, GrantRequest, Lifecycle, Right, RuntimeKind, UpgradeRequest, Vm, VmProvider,
};

use crate::multi_sign::{freeze, kept};
use crate::system::{call, done, hex, life, machine, name, refused, who};

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

/// Proposes an operation whose arguments are texts.
fn propose(vm: &Vm, from: &str, contract: &str, method: &str, texts: &[&str]) -> String {
    let input = hex(&texts.iter().flat_map(|part| text(part)).collect::<Vec<_>>());
    let receipt = call(vm, from, "multi_sign", "propose", &[contract, method, &input, "9"]);
    done(&receipt);
    receipt.text.unwrap()
}

fn grant(vm: &Vm, right: Right, rule: &str) {
    let request = GrantRequest::new(name("c")).set(right, rule.parse().unwrap()).from(who("alice"));
    block_on(vm.grant(request)).unwrap();
}

fn upgrade(vm: &Vm, version: &str) {
    let code = Code::new(RuntimeKind::Native, "probe");
    let request = UpgradeRequest::new(name("c"), version.parse().unwrap(), code).args([""]).from(who("alice"));
    block_on(vm.upgrade(request)).unwrap();
}

fn govern(vm: &Vm, change: Governance) {
    block_on(vm.govern(GovernRequest::new(change).from(who("root")))).unwrap();
}

fn member(enrols: bool, organisation: &str, member: &str) -> Governance {
    let (organisation, role, member) = (organisation.to_owned(), "admin".to_owned(), who(member));
    match enrols {
        true => Governance::Enrol { organisation, role, member },
        false => Governance::Dismiss { organisation, role, member },
    }
}

/// Two approved a rollback from version 2, and nobody one from version 3, under whichever rule.
#[test]
fn what_was_approved_for_another_version_or_policy_is_not_carried_out() {
    let vm = machine();
    let sign = |from, method, args: &[&str]| call(&vm, from, "multi_sign", method, args);
    upgrade(&vm, "2");
    grant(&vm, Right::Rollback, "quorum(2 of ann, bob)");
    let rollback = ["c", "1", "", "", "version 2 is bad"];
    let first = propose(&vm, "ann", "contract_manager", "rollback_contract", &rollback);
    done(&sign("bob", "approve", &[&first]));
    assert!(!sign("zoe", "proposal", &[&first]).text.unwrap().contains("overtaken"));
    upgrade(&vm, "3");
    let why = "overtaken: the history of contract 'c' had 3 entries then, and has 4 now";
    refused(&sign("zoe", "execute", &[&first]), &format!("proposal 1 is {why}; propose it again"));
    assert!(sign("zoe", "proposal", &[&first]).text.unwrap().contains(&format!("; {why}; because: version 2 is bad")));

    // A policy that asks for less does not make do with what was said under another one.
    let second = propose(&vm, "ann", "contract_manager", "rollback_contract", &rollback);
    grant(&vm, Right::Rollback, "quorum(1 of ann, cat)");
    refused(&sign("zoe", "execute", &[&second]), "had 4 entries then, and has 5 now");
    refused(&sign("cat", "approve", &[&second]), "proposal 2 is overtaken");
    assert_eq!(vm.record(&name("c")).unwrap().unwrap().version.as_str(), "3");

    // It is in nobody's way, and can be taken back or cleared away.
    done(&sign("bob", "reject", &[&first]));
    done(&sign("zoe", "expire", &[&first]));
    done(&sign("ann", "reject", &[&second]));
    assert_eq!(kept(&vm), 1);
    let third = propose(&vm, "ann", "contract_manager", "rollback_contract", &rollback);
    done(&sign("ann", "execute", &[&third]));
    assert_eq!(vm.record(&name("c")).unwrap().unwrap().version.as_str(), "1");
}

#[test]
fn what_the_hosts_policy_decides_is_for_that_policy() {
    let vm = machine();
    let sign = |from, method, args: &[&str]| call(&vm, from, "multi_sign", method, args);
    govern(&vm, Governance::Administrators("callers(root) or quorum(2 of ann, bob)".parse().unwrap()));
    let change = propose(&vm, "ann", "access_control", "deploy", &["nobody", ""]);
    done(&sign("bob", "approve", &[&change]));
    let probe = ["d", "1", "native", "probe", "", "", "", "all", ""];
    let deploy = propose(&vm, "ann", "contract_manager", "deploy_contract", &probe);
    let frozen = propose(&vm, "alice", "contract_manager", "freeze_contract", &["c", ""]);
    let version = vm.host_policy().unwrap().version;
    govern(&vm, member(true, "org1", "cat"));
    let why = format!("the host's policy had version {version} then, and has version {} now", version + 1);
    for proposal in [&change, &deploy] {
        refused(&sign("zoe", "execute", &[proposal]), &why);
        done(&sign("zoe", "expire", &[proposal]));
    }
    // What a contract's own policy decides is not touched by that.
    done(&sign("alice", "execute", &[&frozen]));
    assert_eq!(life(&vm, "c"), Lifecycle::Frozen);
}

#[test]
fn whoever_has_lost_the_role_does_not_count() {
    let vm = machine();
    let sign = |from, method, args: &[&str]| call(&vm, from, "multi_sign", method, args);
    govern(&vm, member(true, "org1", "ann"));
    govern(&vm, member(true, "org2", "bob"));
    grant(&vm, Right::Freeze, "majority(admin of org1, org2)");
    let proposal = propose(&vm, "ann", "contract_manager", "freeze_contract", &["c", ""]);
    done(&sign("bob", "approve", &[&proposal]));
    govern(&vm, member(false, "org2", "bob"));
    refused(&sign("zoe", "execute", &[&proposal]), "proposal 1 is overtaken: the host's policy had version");
    let again = propose(&vm, "ann", "contract_manager", "freeze_contract", &["c", ""]);
    refused(&sign("bob", "approve", &[&again]), "does not ask for the endorsement");
    refused(&sign("ann", "execute", &[&again]), "may not freeze contract 'c'");
    assert_eq!(life(&vm, "c"), Lifecycle::Active);
}

/// Neither the administrators nor the organisations that a contract's rule names may come to be fewer under a proposal.
#[test]
fn a_rule_that_asks_the_host_does_not_come_to_ask_for_less() {
    let vm = machine();
    let sign = |from, method, args: &[&str]| call(&vm, from, "multi_sign", method, args);
    govern(&vm, Governance::Administrators("callers(root) or quorum(2 of ann, bob)".parse().unwrap()));
    for organisation in ["org1", "org2", "org3"] {
        govern(&vm, member(true, organisation, "ann"));
        govern(&vm, member(false, organisation, "ann"));
        govern(&vm, member(true, organisation, organisation));
    }
    for (right, rule) in [(Right::Revoke, "administrators"), (Right::Freeze, "majority(admin)")] {
        grant(&vm, right, rule);
    }
    let revoke = propose(&vm, "ann", "contract_manager", "revoke_contract", &["c", ""]);
    let freeze = propose(&vm, "org1", "contract_manager", "freeze_contract", &["c", ""]);
    for (proposer, proposal, wanted) in [("ann", &revoke, "revoke"), ("org1", &freeze, "freeze")] {
        refused(&sign(proposer, "execute", &[proposal]), &format!("may not {wanted} contract 'c'"));
    }
    govern(&vm, Governance::Administrators("callers(root) or quorum(1 of ann, cat)".parse().unwrap()));
    for organisation in ["org2", "org3"] {
        govern(&vm, member(false, organisation, organisation));
    }
    for proposal in [&revoke, &freeze] {
        refused(&sign("zoe", "execute", &[proposal]), "is overtaken: the host's policy had version");
    }
    assert_eq!(life(&vm, "c"), Lifecycle::Active);
}

/// While it carries something out, it runs itself.
#[test]
fn nothing_is_proposed_to_a_multi_sign_on_itself() {
    let vm = machine();
    let input = hex(&[text("multi_sign"), text("")].concat());
    let receipt = call(&vm, "root", "multi_sign", "propose", &["contract_manager", "freeze_contract", &input, "9"]);
    refused(&receipt, "no contract is changed while it runs");
}

#[test]
fn no_proposal_is_open_for_good() {
    let vm = machine();
    let propose = |expires: u64| {
        let expires = expires.to_string();
        call(&vm, "ann", "multi_sign", "propose", &["contract_manager", "freeze_contract", &freeze(), &expires])
    };
    refused(
        &propose(1_000_001),
        "a proposal is open for 1000000 blocks at most, so until block 1000000 and not 1000001",
    );
    done(&propose(1_000_000));
    done(&propose(u64::MAX));
    let told = call(&vm, "zoe", "multi_sign", "proposal", &["2"]).text.unwrap();
    assert!(told.contains("; until block 1000000; because: together"), "{told}");
}
