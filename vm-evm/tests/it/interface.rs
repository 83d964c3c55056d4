//! Methods and arguments that do not fit, as the caller hears of them.

use vm_core::{Argument, Arguments, InvokeRequest, Phase, Status};

use crate::machine::{Machine, assembled, name, refused};

#[test]
fn mistakes_are_found_before_anything_runs() {
    let machine = Machine::holding(&[("Ledger", "ledger")]);
    for (method, arguments, want) in [
        ("mov", vec!["bob", "1"], "unknown method 'mov'; did you mean 'move'?"),
        ("nothing", vec![], "unknown method 'nothing'; methods: "),
        ("", vec!["1"], "unknown method ''"),
        ("move(address)", vec!["bob"], "unknown method 'move(address)'; did you mean 'move'?"),
        ("move(adress,uint256)", vec!["bob", "1"], "unknown type"),
        ("move(", vec![], "'move(' cannot be read as one"),
        ("", vec!["1"], "unknown method ''; methods: "),
        ("move", vec!["bob"], "'move' is overloaded, and the number of arguments, 1, does not tell which one is meant"),
        ("balanceOf", vec![], "balanceOf(address) takes 1 argument, but 0 were given"),
        ("balanceOf", vec!["bob", "carol"], "takes 1 argument, but 2 were given"),
        ("balanceOf", vec!["two words"], "is not an address; give a name, or 0x and 40 hex digits"),
        (
            "increment",
            vec!["256"],
            "increment(uint8 x): parameter 'x' is of type uint8, but '256' is not a number from 0 to 255",
        ),
        ("check", vec!["yes"], "is neither true nor false"),
        ("spread", vec!["[(bob, 1), (bob)]"], "element 1: (address to,uint64 amount) has not 1 fields"),
    ] {
        let request = InvokeRequest::new(name("ledger"), method).args(arguments.iter().copied());
        let error = machine.send(request).unwrap_err();
        assert_eq!(error.phase, Phase::Validate, "{method}: {error}");
        assert!(error.to_string().contains(want), "{method}: {error}");
    }
}

#[test]
fn named_arguments_pick_overloads_and_order() {
    let machine = Machine::holding(&[("Ledger", "ledger")]);
    let named = |list: &[(&str, &str)]| {
        let argument = |(name, value): &(&str, &str)| Argument::named(*name, *value);
        InvokeRequest::new(name("ledger"), "move").arguments(Arguments::Text(list.iter().map(argument).collect()))
    };
    let receipt = machine.send(named(&[("memo", "rent"), ("amount", "5"), ("to", "bob")])).unwrap();
    assert_eq!((receipt.status, receipt.method.as_str()), (Status::Success, "move(address,uint256,string)"));
    assert_eq!(machine.text("ledger", "balanceOf", &["bob"]), "5");
    // A text that looks like JSON is a text; JSON is none.
    let memo = Argument { is_composite: true, ..Argument::named("memo", "[1]") };
    let request = |memo| {
        let list = vec![Argument::named("to", "bob"), Argument::named("amount", "0"), memo];
        InvokeRequest::new(name("ledger"), "move").arguments(Arguments::Text(list))
    };
    assert_eq!(machine.send(request(Argument::named("memo", "[1]"))).unwrap().status, Status::Success);
    let error = machine.send(request(memo)).unwrap_err().to_string();
    assert!(error.contains("parameter 'memo' is of type string, but '[1]' is a JSON list or object"), "{error}");
    let mixed = InvokeRequest::new(name("ledger"), "move").args(["bob"]).arg("amount", "6");
    assert_eq!(machine.send(mixed).unwrap().status, Status::Success);
    for (list, want) in [
        (&[("to", "bob"), ("sum", "1")][..], "is overloaded"),
        (&[("to", "bob"), ("to", "bob")][..], "argument 'to' is given twice"),
    ] {
        let error = machine.send(named(list)).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
    let request = InvokeRequest::new(name("ledger"), "increment").arg("y", "1");
    let error = machine.send(request).unwrap_err().to_string();
    assert!(error.contains("argument 'y' is not one of its parameters"), "{error}");
}

#[test]
fn methods_are_listed_for_people() {
    let machine = Machine::holding(&[("Ledger", "ledger")]);
    let contract = machine.vm.contract(&name("ledger")).unwrap();
    let methods = contract.interface().methods();
    assert!(
        methods.contains(&"view divide(int256 a, int256 b) -> (int256 quotient, int256 rest)".to_owned()),
        "{methods:?}"
    );
    assert!(methods.contains(&"move(address to, uint256 amount) -> bool".to_owned()), "{methods:?}");
    // The names of a struct's fields are what JSON needs.
    assert!(methods.iter().any(|method| method.contains("(address to,uint64 amount)[]")), "{methods:?}");
}

#[test]
fn a_function_named_init_is_not_the_constructor() {
    let abi = r#"[{"type":"constructor","inputs":[{"name":"only","type":"uint256"}],"stateMutability":"nonpayable"},
        {"type":"function","name":"init","inputs":[{"name":"a","type":"uint256"},{"name":"b","type":"uint256"}],"outputs":[],"stateMutability":"nonpayable"}]"#;
    let machine = Machine::new();
    let message = refused(machine.deploy("c", assembled("00").with_abi(abi), &["1", "2"]));
    assert!(message.contains("constructor") && message.contains("takes 1 argument,"), "{message}");
    machine.deploy("c", assembled("00").with_abi(abi), &["1"]).unwrap();
    assert_eq!(machine.invoke("c", "init", &["1", "2"]).method, "init(uint256,uint256)");
    let message = refused(machine.send(InvokeRequest::new(name("c"), "init").args(["1"])));
    assert!(message.contains("takes 2 arguments"), "{message}");
}

/// What a constructor returns is code, whatever a function with the operation's name returns.
#[test]
fn code_is_no_result() {
    let abi = r#"[{"type":"function","name":"init","inputs":[],"outputs":[{"type":"uint256","name":""}],"stateMutability":"view"},
        {"type":"function","name":"upgrade","inputs":[],"outputs":[{"type":"uint256","name":""}],"stateMutability":"view"}]"#;
    let machine = Machine::new();
    let seven = assembled(&format!("60075f5260205ff3{}", "00".repeat(32))).with_abi(abi);
    assert_eq!(machine.deploy("c", seven.clone(), &[]).unwrap().text, None);
    assert_eq!(machine.upgrade("c", "2", seven, &[]).unwrap().text, None);
    assert_eq!(machine.text("c", "init", &[]), "7");
    assert_eq!(machine.text("c", "upgrade", &[]), "7");
}

/// A proxy's fallback takes calls that its ABI does not know; results are told where the signature tells their types.
#[test]
fn signatures_beyond_the_abi() {
    let machine = Machine::new();
    let seven = || assembled("60075f5260205ff3");
    let fallback = r#"[{"type":"fallback","stateMutability":"payable"}]"#;
    machine.deploy("proxy", seven().with_abi(fallback), &[]).unwrap();
    machine.deploy("bare", seven(), &[]).unwrap();
    machine.deploy("closed", seven().with_abi("[]"), &[]).unwrap();
    for contract in ["proxy", "bare"] {
        let receipt = machine.invoke(contract, "add(uint)", &["7"]);
        assert_eq!((receipt.method.as_str(), receipt.text), ("add(uint256)", None), "{contract}");
        let receipt = machine.invoke(contract, "count()(uint256)", &[]);
        assert_eq!((receipt.method.as_str(), receipt.text.as_deref()), ("count()", Some("7")), "{contract}");
    }
    let message = refused(machine.send(InvokeRequest::new(name("closed"), "add(uint256)").args(["7"])));
    assert!(message.contains("unknown method 'add(uint256)'"), "{message}");
    let message = refused(machine.send(InvokeRequest::new(name("bare"), "count")));
    assert!(message.contains("Solidity signature, such as transfer(address,uint256), but 'count'"), "{message}");
}

#[test]
fn results_that_the_abi_has_otherwise_are_refused() {
    let abi = r#"[{"type":"function","name":"f","inputs":[],"outputs":[{"type":"uint256","name":"a"}],"stateMutability":"view"}]"#;
    let machine = Machine::new();
    machine.deploy("c", assembled("60075f5260205ff3").with_abi(abi), &[]).unwrap();
    for same in ["f()", "f()(uint256)", "f()(uint)", "function f() returns (uint256 b)"] {
        assert_eq!(machine.text("c", same, &[]), "7");
    }
    for (other, why) in [
        ("f()(uint8)", "has other results than the ABI, which are (uint256)"),
        ("f()(uint256,uint256)", "has other results than the ABI, which are (uint256)"),
        ("f()(foo)", "has an unknown type"),
    ] {
        let message = refused(machine.send(InvokeRequest::new(name("c"), other)));
        assert!(message.contains(why), "{message}");
    }
}

#[test]
fn types_that_solidity_lacks_are_refused() {
    let abi = r#"[{"type":"function","name":"f","inputs":[{"name":"a","type":"uint7"}],"outputs":[],"stateMutability":"view"}]"#;
    let message = refused(Machine::new().deploy("c", assembled("00").with_abi(abi), &[]));
    assert!(message.contains("the JSON ABI's f:") && message.contains("uint7"), "{message}");
}

/// The place of a function in the ABI, the number of functions, and the spelling of a signature do not matter.
#[test]
fn results_of_many_functions() {
    let function = |n: usize| {
        format!(
            r#"{{"type":"function","name":"f{n}","inputs":[{{"name":"a","type":"uint256"}}],"outputs":[{{"type":"uint256","name":""}}],"stateMutability":"view"}}"#
        )
    };
    let abi = format!("[{}]", (0..300).map(function).collect::<Vec<_>>().join(","));
    let machine = Machine::new();
    machine.deploy("c", assembled("60075f5260205ff3").with_abi(abi), &[]).unwrap();
    let interface = machine.vm.contract(&name("c")).unwrap();
    for method in ["f0", "f299", "f299(uint256)", "f150(uint)"] {
        assert_eq!(machine.text("c", method, &["1"]), "7", "{method}");
        let decoded = interface.interface().decode_output(method, &[0; 32]);
        assert_eq!(decoded.as_deref(), Some("0"), "{method}");
    }
}
