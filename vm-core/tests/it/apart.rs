//! Code that keeps its state apart: nobody else writes it, whatever code the contract has before or after.

use futures_executor::block_on;
use vm_core::{
    Call, Change, ChangeRequest, DryRunRequest, Entry, GovernRequest, Governance, Host, HostPolicy, InvokeRequest,
    Managed, Receipt, RollbackRequest, Room, Rule, Sender, Status, Trial, UpgradeRequest, Vm, VmProvider,
};

use crate::script::{Failure, Scripts, name, ok, owner, request, script};

/// `put k v`, `delete k`, or what there is: all entries.
fn store(host: &mut dyn Host, call: &Call) -> Result<bytes::Bytes, Failure> {
    if call.entry != Entry::Invoke {
        return ok();
    }
    match *call.method.split(' ').collect::<Vec<_>>() {
        ["put", key, value] => host.put(key.as_bytes(), value.as_bytes())?,
        ["delete", key] => host.delete(key.as_bytes())?,
        _ => {
            let all = host.scan(b"", b"", 9)?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let all: Vec<_> = all.iter().map(|(key, value)| format!("{}={}", text(key), text(value))).collect();
            assert_eq!(host.get(b"k")?.is_some(), all.iter().any(|entry| entry.starts_with("k=")));
            let first = host.scan(b"", b"k", 9)?;
            assert_eq!(first.len(), all.iter().filter(|entry| entry.as_str() < "k").count());
            return Ok(all.join(" ").into());
        }
    }
    ok()
}

fn machine() -> Vm {
    let mut policy = HostPolicy::default();
    policy.administrators = Rule::Callers([owner()].into());
    let scripts = Scripts::default().with("c", store).apart("c-v2", store).apart("other-v2", store);
    scripts.start_with(Vm::builder().policy(policy))
}

fn upgrade(version: &str, code: &str) -> UpgradeRequest {
    UpgradeRequest::new(name("c"), version.parse().unwrap(), script(code)).from(owner())
}

fn run(vm: &Vm, method: &str) -> Receipt {
    block_on(vm.invoke(request("c", method))).unwrap()
}

fn all(vm: &Vm) -> String {
    String::from_utf8(run(vm, "all").output.to_vec()).unwrap()
}

#[test]
fn code_sees_what_it_wrote_itself_and_no_other_code_does() {
    let vm = machine();
    let done = |method: &str| assert_eq!(run(&vm, method).status, Status::Success, "{method}");
    let to = |version: &str, code: &str| block_on(vm.upgrade(upgrade(version, code))).unwrap().warnings;
    let back = |version: &str| {
        let request = RollbackRequest::new(name("c"), version.parse().unwrap()).from(owner());
        block_on(vm.rollback(request)).unwrap().warnings
    };
    let apart = |version: &str| {
        vec![format!(
            "the code of version '{version}' keeps its state apart: it sees nothing of what the contract's other code wrote"
        )]
    };
    done("put k forged");
    done("put l forged");
    assert_eq!(to("2", "c-v2"), apart("2"));
    assert_eq!(all(&vm), "");
    done("put k own");
    done("put a own");
    done("delete l");
    assert_eq!(to("3", "other-v2"), apart("3"), "one of these keeps nothing for another");
    assert_eq!(all(&vm), "");
    done("put k another");
    assert!(back("1").is_empty());
    assert_eq!(all(&vm), "k=forged l=forged");
    done("delete k");
    done("put a forged");
    assert_eq!(back("2"), apart("2"));
    assert_eq!(all(&vm), "a=own k=own", "nothing was added, changed or removed");
    assert!(to("4", "c-v2").is_empty(), "the same code");
    assert_eq!(all(&vm), "a=own k=own");
}

#[test]
fn a_dry_run_shows_that_the_state_stays_behind() {
    let vm = machine();
    assert!(run(&vm, "put k forged").status.is_success());
    let trial = Trial::Upgrade(upgrade("2", "c-v2"));
    let replay: InvokeRequest = request("c", "all");
    let tried = block_on(vm.dry_run(DryRunRequest::new(trial).replay([replay]))).unwrap();
    assert!(tried.receipt.warnings[0].contains("keeps its state apart"), "{:?}", tried.receipt.warnings);
    let [replayed] = &*tried.replayed else { panic!("one call") };
    let output = |receipt: &Result<Receipt, _>| receipt.as_ref().map(|receipt| receipt.output.clone()).unwrap();
    assert_eq!((&*output(&replayed.before), &*output(&replayed.after)), (&b"k=forged"[..], &b""[..]));
    assert_eq!(all(&vm), "k=forged");
}

/// State that is kept apart has no room of its own.
#[test]
fn a_bound_counts_what_all_code_wrote() {
    let vm = machine();
    assert!(run(&vm, "put k 1").status.is_success());
    block_on(vm.upgrade(upgrade("2", "c-v2"))).unwrap();
    assert!(run(&vm, "put k 1").status.is_success());
    let room = Some(Room { keys: 3, bytes: 999 });
    let bound = GovernRequest::new(Governance::Room { contract: name("c"), room }).from(owner());
    block_on(vm.govern(bound)).unwrap();
    assert!(run(&vm, "put l 1").status.is_success());
    assert_eq!(all(&vm), "k=1 l=1");
    assert!(matches!(run(&vm, "put m 1").status, Status::Trap(vm_core::Trap::NoRoom(_))));
}

/// Whoever has its state in common with other code cannot know who somebody was.
#[test]
fn only_code_with_state_of_its_own_speaks_for_others() {
    let asks = |host: &mut dyn Host, call: &Call| {
        let admin = vm_core::Address::from_name("admin");
        let (this, caller) = (host.env().this, host.env().caller);
        let (caller, endorsers) = match &*call.method {
            "caller" => (caller, vec![]),
            "self" => (this, vec![]),
            "other" => (admin, vec![]),
            "endorsed" => (caller, vec![admin]),
            _ => return ok(),
        };
        let freeze = Managed::Change(ChangeRequest::new(name("c"), Change::Freeze));
        let operated = host.transaction().manage(&freeze.by(Sender { caller, endorsers, ..Sender::default() }))?;
        Ok(operated.outcome.output)
    };
    let vm = Scripts::default().with("c", |_, _| ok()).with("asks", asks).apart("apart", asks).start();
    let told = |contract: &str, method: &str| {
        let stranger = request(contract, method).from(vm_core::Address::from_name("stranger"));
        String::from_utf8(block_on(vm.invoke(stranger)).unwrap().output.to_vec()).unwrap()
    };
    for (contract, method, believed) in [
        ("asks", "caller", true),
        ("asks", "self", true),
        ("asks", "other", false),
        ("asks", "endorsed", false),
        ("apart", "other", true),
        ("apart", "endorsed", true),
    ] {
        let told = told(contract, method);
        let why = if believed { "may not freeze contract 'c'" } else { "in its own name or its caller's" };
        assert!(told.contains(why), "{contract} {method}: {told}");
    }
}
