//! Rules of methods: they hold in every notation of a call, for every caller, and from the first call on.

use futures_executor::block_on;
use vm_core::{
    Code, DeployRequest, GovernRequest, Governance, GrantRequest, HostPolicy, InvokeRequest, Limits, Policy, Right,
    Rule, RuntimeKind, UpgradeRequest, VmProvider,
};
use vm_evm::EvmConfig;

use crate::{
    machine::{Machine, address, alice, compiled, failed, name},
    script::{Evm, Kind, Output, native_method},
};

const STORE: &str = "0x6057361d";

/// All of them name the one method that stores.
const NOTATIONS: [&str; 6] = [
    "store",
    "store(uint256)",
    "store(uint)",
    "store(uint256 n)",
    "store( uint256 amount )",
    "function store(uint256) external",
];

fn grant(machine: &Machine, contract: &str, method: &str, rule: Option<&str>) -> Result<(), String> {
    let right = Right::Method(method.into());
    let rules = vec![(right, rule.map(|rule| rule.parse().unwrap()))];
    let request = GrantRequest { rules, ..GrantRequest::new(name(contract)).from(alice()) };
    block_on(machine.vm.grant(request)).map(drop).map_err(|error| error.to_string())
}

fn policy(machine: &Machine, contract: &str) -> Policy {
    machine.vm.policy(&name(contract)).unwrap().unwrap()
}

/// The methods that have a rule, and which.
fn methods(machine: &Machine, contract: &str) -> String {
    let methods = policy(machine, contract).methods;
    methods.iter().map(|(method, rule)| format!("{method}={rule}")).collect::<Vec<_>>().join(" ")
}

/// The native contract `f` calls a method of a contract that stores 7.
fn store(machine: &Machine, to: &str, method: &str, named: bool) -> (bool, String) {
    let word: Vec<u8> = (0..32).map(|n| if n == 31 { 7 } else { 0 }).collect();
    let script = native_method(name(to).address(), method, &word, named.then_some(("n", "7")));
    let receipt = machine.send(InvokeRequest::new(name("f"), "run").input(script)).unwrap();
    let (ok, output) = receipt.output.split_first().unwrap();
    (*ok == 1, String::from_utf8_lossy(output).into_owned())
}

#[test]
fn no_notation_of_a_call_from_another_runtime_passes_a_rule_by() {
    let machine = Machine::holding(&[("native", "f"), ("Bridge", "bridge"), ("Bridge", "picky")]);
    for method in NOTATIONS {
        for named in [false, true] {
            // Nobody's rule is asked yet: this is how the method is entered.
            let (ok, output) = store(&machine, "bridge", method, named);
            // By name, the ABI has to know the parameter's name.
            assert!(ok || named && output.contains("'n' is not one of its parameters"), "{method} {named}: {output}");
            let (ok, output) = store(&machine, "picky", method, named);
            assert!(!ok, "{method} {named}");
            let told = format!("may not call '{STORE}' of contract 'picky': nothing is stored here");
            assert!(output.contains(&told) || named && output.contains("is not one of"), "{method} {named}: {output}");
        }
    }
    assert_eq!(machine.slot(name("bridge").address(), 0), Some(7));
    assert_eq!(machine.slot(name("picky").address(), 0), None);

    grant(&machine, "bridge", "store(uint256)", Some("callers(bob)")).unwrap();
    for method in NOTATIONS {
        for named in [false, true] {
            let (ok, output) = store(&machine, "bridge", method, named);
            let told = format!("may not call '{STORE}' of contract 'bridge': only");
            assert!(!ok && (output.contains(&told) || named && output.contains("is not one of")), "{method}: {output}");
        }
        let request = InvokeRequest::new(name("bridge"), method).args(["7"]).from(alice());
        let error = block_on(machine.vm.invoke(request)).unwrap_err().to_string();
        let told = format!("may not call 'store(uint256)' ({STORE}) of contract 'bridge': only");
        assert!(error.contains(&told), "{method}: {error}");
    }
    // What nobody guards goes through, and so does whom the rule permits.
    assert!(store(&machine, "bridge", "stored", false).0);
    grant(&machine, "bridge", "store(uint256)", Some("callers(contract:f)")).unwrap();
    assert!(store(&machine, "bridge", "store", false).0 && store(&machine, "bridge", "store", true).0);
}

#[test]
fn a_rule_is_given_to_a_method_in_any_notation() {
    let machine = Machine::holding(&[("Bridge", "bridge"), ("Ledger", "ledger")]);
    for (n, method) in NOTATIONS.into_iter().chain([STORE, "0x6057361D"]).enumerate() {
        grant(&machine, "bridge", method, Some(&format!("callers(user{n})"))).unwrap();
        let who = vm_core::Address::from_name(&format!("user{n}"));
        assert_eq!(methods(&machine, "bridge"), format!("{STORE}=callers({who})"), "{method}");
    }
    grant(&machine, "bridge", "store(uint)", None).unwrap();
    assert_eq!(methods(&machine, "bridge"), "");
    // A name is all of its overloads.
    grant(&machine, "ledger", "move", Some("nobody")).unwrap();
    assert_eq!(policy(&machine, "ledger").methods.len(), 2);
    // One that the ABI does not have, by its selector.
    grant(&machine, "bridge", "0x00000001", Some("nobody")).unwrap();

    for (method, told) in [
        ("stroe(uint256)", "no rule can be given for method 'stroe(uint256)': unknown method"),
        ("stroe", "unknown method 'stroe'"),
        (")", "unknown method ')'"),
        ("store(unit)", "has an unknown type"),
        ("store(uint257)", "unknown type"),
        ("0xzzzzzzzz", "unknown method '0xzzzzzzzz'"),
        ("0x60", "unknown method '0x60'"),
    ] {
        let before = methods(&machine, "bridge");
        let error = grant(&machine, "bridge", method, Some("nobody")).unwrap_err();
        assert!(error.contains("no rule can be given for method") && error.contains(told), "{method}: {error}");
        assert_eq!(methods(&machine, "bridge"), before);
    }
    // One without a rule stays so; one that is none may have been misspelt.
    let before = methods(&machine, "bridge");
    grant(&machine, "bridge", "stored()", None).unwrap();
    let error = grant(&machine, "bridge", "stroed()", None).unwrap_err();
    assert!(
        error.contains("unknown method 'stroed()'")
            && error.ends_with("; nor has it a rule of its own that could be taken back"),
        "{error}"
    );
    assert_eq!(methods(&machine, "bridge"), before);
}

/// A machine with these rules for the methods of new contracts.
fn governed(rules: &[(&str, &str)]) -> Result<Machine, String> {
    let mut policy = HostPolicy::default();
    policy.administrators = Rule::Callers([alice()].into());
    for (method, rule) in rules {
        policy.contracts.set(Right::Method((*method).into()), rule.parse().unwrap());
    }
    Machine::governed(EvmConfig::default(), Limits::default(), policy)
}

#[test]
fn the_hosts_rules_of_methods_hold_for_new_contracts_of_every_runtime() {
    for method in ["store", "store(uint256)", "store(uint)", "0x6057361D"] {
        let machine = governed(&[(method, "nobody")]).unwrap();
        machine.deploy("bridge", compiled("Bridge"), &[]).unwrap();
        assert_eq!(methods(&machine, "bridge"), format!("{STORE}=nobody"), "{method}");
        let request = InvokeRequest::new(name("bridge"), "store").args(["7"]).from(alice());
        let error = block_on(machine.vm.invoke(request)).unwrap_err().to_string();
        let told = format!("may not call 'store(uint256)' ({STORE}) of contract 'bridge': nobody may");
        assert!(error.contains(&told), "{error}");
    }
    // A native contract's methods are their names; what cannot be one is left out.
    let machine = governed(&[("store", "owner"), ("store(uint256)", "nobody"), ("0x00000001", "nobody")]).unwrap();
    let native = Code::new(RuntimeKind::Native, "script");
    let deploy = DeployRequest::new(name("f"), "1".parse().unwrap(), native).from(alice());
    block_on(machine.vm.deploy(deploy)).unwrap();
    machine.deploy("bridge", compiled("Bridge"), &[]).unwrap();
    // The signature says more than the name; without ABI, a later version may have what the first one does not know.
    assert_eq!(methods(&machine, "bridge"), format!("0x00000001=nobody {STORE}=nobody"));
    let machine = governed(&[("store(uint256)", "nobody"), ("0x00000001", "nobody")]).unwrap();
    let bare = Code { abi: None, ..compiled("Bridge") };
    machine.deploy("bare", bare, &[]).unwrap();
    assert_eq!(methods(&machine, "bare"), format!("0x00000001=nobody {STORE}=nobody"));
    machine.deploy("bridge", compiled("Bridge"), &[]).unwrap();

    let govern = |method: &str| {
        let change = Governance::Contracts(Right::Method(method.into()), Rule::Anyone);
        block_on(machine.vm.govern(GovernRequest::new(change).from(alice()))).map(drop).map_err(|e| e.to_string())
    };
    for method in [")", "foo(bar)", "0xzzzzzzzz"] {
        let error = govern(method).unwrap_err();
        assert!(error.contains("no contract of this host's runtimes can have it"), "{method}: {error}");
        assert!(governed(&[(method, "nobody")]).is_err_and(|told| told.contains("no rule can be given")), "{method}");
    }
    let error = govern("store(uint n)").unwrap_err();
    assert!(error.contains("is another name of it, with another rule"), "{error}");
    govern("transfer(address,uint)").unwrap();
}

/// Without an ABI nobody knows which functions have a name that the host has a rule for: then they would be open.
#[test]
fn code_without_abi_is_not_deployed_where_the_host_has_rules_by_name() {
    let bare = |abi: Option<&str>| Code { abi: abi.map(str::to_owned), ..compiled("Bridge") };
    let machine = governed(&[("store", "owner")]).unwrap();
    // An ABI that has no function says as little.
    for abi in [None, Some("[]")] {
        let error = machine.deploy("bare", bare(abi), &[]).unwrap_err().to_string();
        let told = "environment: no rule can be given for method 'store': the host's policy has 'owner' for this name in new \
                    contracts, and without an ABI nobody can tell which functions of this one have it; deploy it with its ABI";
        assert!(error.starts_with(told), "{abi:?}: {error}");
        assert!(machine.vm.record(&name("bare")).unwrap().is_none());
    }
    machine.deploy("bridge", compiled("Bridge"), &[]).unwrap();

    // A rule that permits no less than what stands in its place is no reason to refuse; that it does not hold is told.
    for (call, store, warned) in [("owner", "owner", false), ("owner", "anyone", true), ("nobody", "owner", true)] {
        let mut policy = HostPolicy::default();
        policy.contracts.set(Right::Call, call.parse().unwrap());
        policy.contracts.set(Right::Method("store".into()), store.parse().unwrap());
        let machine = Machine::governed(EvmConfig::default(), Limits::default(), policy).unwrap();
        let deploy = DeployRequest::new(name("bare"), "1".parse().unwrap(), bare(None)).from(alice());
        let told = format!(
            "without an ABI nobody can tell which functions the host's rules by name are for: store: {store}; they are under the \
             rule of all calls, '{call}'"
        );
        let warnings = block_on(machine.vm.deploy(deploy)).unwrap().warnings;
        assert_eq!(warnings, Vec::from_iter(warned.then_some(told)));
    }
}

/// Rules that new contracts begin with are not given to those that exist; where one has such a method, that is told.
#[test]
fn methods_without_the_rule_that_new_contracts_have_are_told() {
    let machine = governed(&[]).unwrap();
    machine.deploy("bridge", compiled("Bridge"), &[]).unwrap();
    assert_eq!(machine.vm.cautions(&name("bridge")).unwrap(), [""; 0]);
    let change = Governance::Contracts(Right::Method("store".into()), Rule::Owner);
    block_on(machine.vm.govern(GovernRequest::new(change).from(alice()))).unwrap();
    let told = "the host has rules for methods of new contracts that this contract has without a rule: store: owner; here they are \
                under the rule of all calls, 'anyone', until they are given one (grant)";
    assert_eq!(machine.vm.cautions(&name("bridge")).unwrap(), [told]);
    let upgrade = |version: &str, code: Code| {
        let request = UpgradeRequest::new(name("bridge"), version.parse().unwrap(), code).from(alice());
        block_on(machine.vm.upgrade(request)).unwrap().warnings
    };
    assert_eq!(upgrade("2", compiled("Bridge")), [told]);
    let bare = "the host has rules for methods of new contracts by name: store: owner; version '3' has no ABI that would tell which \
                functions these are, so they are under the rule of all calls, 'anyone'";
    assert_eq!(upgrade("3", Code { abi: None, ..compiled("Bridge") }), [bare]);
    assert_eq!(machine.vm.cautions(&name("bridge")).unwrap(), [bare]);
    grant(&machine, "bridge", STORE, Some("owner")).unwrap();
    assert_eq!(upgrade("4", compiled("Bridge")), [""; 0]);
}

/// Also where its text comes first in the order of texts.
#[test]
fn the_hosts_rule_for_a_signature_or_selector_counts_before_one_for_the_name() {
    for exact in ["store(uint256)", "store(uint)", "function store(uint256)", STORE, "0x6057361D"] {
        let machine = governed(&[(exact, "nobody"), ("store", "anyone")]).unwrap();
        machine.deploy("bridge", compiled("Bridge"), &[]).unwrap();
        assert_eq!(methods(&machine, "bridge"), format!("{STORE}=nobody"), "{exact}");
        let request = InvokeRequest::new(name("bridge"), "store").args(["7"]).from(alice());
        assert!(block_on(machine.vm.invoke(request)).unwrap_err().to_string().contains("nobody may"), "{exact}");
    }
}

#[test]
fn a_methods_rule_holds_in_every_notation_and_for_every_caller() {
    let machine = Machine::holding(&[("Ledger", "ledger"), ("Script", "script")]);
    let ledger = name("ledger").address();
    let rule = "owner or callers(contract:script)".parse::<Rule>().unwrap();
    let right = Right::Method("move(address,uint256)".into());
    let grant = GrantRequest::new(name("ledger")).set(right, rule).from(alice());
    block_on(machine.vm.grant(grant)).unwrap();
    let selector = machine.vm.policy(&name("ledger")).unwrap().unwrap().methods.into_keys().next().unwrap();
    let mut data = hex::decode(&selector[2..]).unwrap();
    data.extend([[0; 32], [0; 32]].concat());

    let as_text = InvokeRequest::new(name("ledger"), "move").args(["carol", "0"]);
    for request in [
        as_text.clone(),
        InvokeRequest::new(name("ledger"), "move(address,uint256)").args(["carol", "0"]),
        InvokeRequest::new(name("ledger"), "").input(data.clone()),
        InvokeRequest::new(ledger, "").input(data.clone()),
    ] {
        let error = block_on(machine.vm.invoke(request.from(address("bob")))).unwrap_err();
        let told = format!("may not call 'move(address,uint256)' ({selector}) of contract 'ledger': ");
        assert!(error.to_string().contains(&told), "{error}");
    }
    block_on(machine.vm.invoke(as_text.from(alice()))).unwrap();
    block_on(machine.vm.invoke(InvokeRequest::new(name("ledger"), "total").from(address("bob")))).unwrap();
    // An EVM contract that calls it, when it may and when it may not.
    let through = || machine.raw(name("script").address(), Evm::new().call(ledger, data.clone()).into());
    assert!(Output(&through().output).call().0);
    let grant = GrantRequest::new(name("ledger")).set(Right::Method(selector), Rule::Owner).from(alice());
    block_on(machine.vm.grant(grant)).unwrap();
    let output = through().output;
    let (ok, reason) = Output(&output).call();
    assert!(!ok && String::from_utf8_lossy(reason).contains("only its owner may"), "{reason:?}");
    // The embedder is told the signature, also of calls inside the EVM.
    let (told, script) = (machine.refused(), name("script").address());
    let selector = format!("'move(address,uint256)' ({}) of", hex_of(&data));
    let expected = format!("{script} may not call {selector} contract 'ledger': only its owner may");
    assert!(told.last().is_some_and(|last| last.ends_with(&expected)), "{told:?}");
}

/// What a contract runs of its own code by DELEGATECALL or CALLCODE, as a multicall does, is a call of the method by whoever called.
#[test]
fn a_contract_that_runs_its_own_code_passes_no_rule_by() {
    let machine = Machine::holding(&[("Script", "a"), ("Script", "b")]);
    let (a, b) = (name("a").address(), name("b").address());
    // The first four bytes of a script that stores.
    grant(&machine, "a", "0x00000000", Some("owner")).unwrap();
    let store = || Evm::new().store(1, 7);
    let run = |script: Evm, caller: &str| {
        let request = InvokeRequest::new(a, "").input(Vec::from(script)).from(address(caller));
        block_on(machine.vm.invoke(request)).unwrap()
    };
    for kind in [Kind::Delegate, Kind::CallCode] {
        let receipt = run(Evm::new().call_with(kind, a, 0, 0, store()), "bob");
        let (ok, reason) = Output(&receipt.output).call();
        assert!(!ok && String::from_utf8_lossy(reason).contains("only its owner may"), "{kind:?} {reason:?}");
        assert_eq!((receipt.denials.len(), machine.slot(a, 1)), (1, None), "{kind:?}");
    }
    // Another contract's code is the contract's own business, and so is its own for whom the rule permits.
    assert!(Output(&run(Evm::new().call_with(Kind::Delegate, b, 0, 0, store()), "bob").output).call().0);
    assert_eq!(machine.slot(a, 1), Some(7));
    let owner = machine.raw(a, Evm::new().call_with(Kind::Delegate, a, 0, 0, Evm::new().store(1, 8)).into());
    assert!(Output(&owner.output).call().0);
    assert_eq!(machine.slot(a, 1), Some(8));
}

/// The EVM reads zeros behind the end of call data, so that shorter data can enter a method whose selector ends in zeros.
#[test]
fn shorter_call_data_passes_no_rule_by() {
    let machine = Machine::holding(&[("Script", "a"), ("Script", "b")]);
    let a = name("a").address();
    // A script that tells its gas is the one byte 5.
    let script = || Vec::from(Evm::new().gas());
    assert!(machine.raw(name("b").address(), Evm::new().call(a, script()).into()).status.is_success());
    grant(&machine, "a", "0x05000000", Some("nobody")).unwrap();
    for data in [script(), vec![5, 0], vec![5, 0, 0]] {
        let error = machine.send(InvokeRequest::new(a, "").input(data.clone())).unwrap_err().to_string();
        assert!(error.contains("may not call '0x05000000' of contract 'a': nobody may"), "{error}");
        let receipt = machine.raw(name("b").address(), Evm::new().call(a, data).into());
        assert!(!Output(&receipt.output).call().0 && receipt.denials.len() == 1);
    }
    // A plain transfer calls no method.
    assert!(machine.send(InvokeRequest::new(a, "").input(Vec::new())).unwrap().status.is_success());
}

/// The selector of call data.
fn hex_of(data: &[u8]) -> String {
    format!("0x{}", hex::encode(&data[..4]))
}

/// What is refused to a constructor is told, and in its receipt, whatever becomes of the deployment or upgrade; and so it is
/// of code that goes on as if nothing had happened.
#[test]
fn what_a_constructor_is_refused_is_told_whether_or_not_it_fails() {
    let machine = Machine::holding(&[("Bridge", "bridge"), ("Bridge", "old"), ("Script", "script")]);
    grant(&machine, "bridge", "store(uint256)", Some("nobody")).unwrap();
    let bridge = name("bridge").address();
    // PUSH4 selector PUSH1 224 SHL PUSH1 0 MSTORE, then CALL with these 36 bytes, POP, and how it ends.
    let creation = |ends: &str| {
        let call = format!("60006000602460006000{}5af150", format!("73{bridge}").replace("0x", ""));
        let code = Code::new(RuntimeKind::Evm, format!("63{}60e01b600052{call}{ends}", &STORE[2..]));
        code.with_option("migrate", "constructor")
    };
    // REVERT without data; INVALID; RETURN of one byte, STOP.
    for (ends, fails) in [("60006000fd", true), ("fe", true), ("60016000f3", false)] {
        for (n, upgrade) in [("new", false), ("old", true)] {
            let result = match upgrade {
                true => machine.upgrade(n, "2", creation(ends), &[]),
                false => machine.deploy(n, creation(ends), &[]),
            };
            assert_eq!(result.is_err(), fails, "{ends} {n}");
            let receipt = if fails { failed(result) } else { result.unwrap() };
            let who = name(n).address();
            let why = format!("{who} may not call 'store(uint256)' ({STORE}) of contract 'bridge': nobody may");
            let [denial] = &receipt.denials[..] else { panic!("{ends} {n}: {:?}", receipt.denials) };
            assert_eq!(denial.to_string(), why);
            let told = machine.refused();
            assert_eq!(told[0], format!("{who} could not call '{STORE}' of contract 'bridge': {why}"), "{ends} {n}");
            assert_eq!(told.len(), 1 + usize::from(fails), "{told:?}");
        }
    }
    // A call whose transaction fails.
    let script = Evm::new().call(bridge, hex::decode(&STORE[2..]).unwrap()).revert();
    let receipt = machine.raw(name("script").address(), script.into());
    assert_eq!((receipt.status.is_success(), receipt.denials.len(), machine.refused().len()), (false, 1, 1));
}
