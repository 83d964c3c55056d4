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
        ("move(", vec![], "cannot be read"),
        ("move", vec!["bob"], "'move' is overloaded, and 1 arguments do not tell which one is meant"),
        ("balanceOf", vec![], "balanceOf(address) takes 1 arguments, but 0 were given"),
        ("balanceOf", vec!["bob", "carol"], "takes 1 arguments, but 2 were given"),
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
        let argument = |(name, value): &(&str, &str)| Argument { name: Some((*name).into()), value: (*value).into() };
        InvokeRequest::new(name("ledger"), "move").arguments(Arguments::Text(list.iter().map(argument).collect()))
    };
    let receipt = machine.send(named(&[("memo", "rent"), ("amount", "5"), ("to", "bob")])).unwrap();
    assert_eq!((receipt.status, receipt.method.as_str()), (Status::Success, "move(address,uint256,string)"));
    assert_eq!(machine.text("ledger", "balanceOf", &["bob"]), "5");
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
}

#[test]
fn a_function_named_init_is_not_the_constructor() {
    let abi = r#"[{"type":"constructor","inputs":[{"name":"only","type":"uint256"}],"stateMutability":"nonpayable"},
        {"type":"function","name":"init","inputs":[{"name":"a","type":"uint256"},{"name":"b","type":"uint256"}],"outputs":[],"stateMutability":"nonpayable"}]"#;
    let machine = Machine::new();
    let message = refused(machine.deploy("c", assembled("00").with_abi(abi), &["1", "2"]));
    assert!(message.contains("constructor") && message.contains("takes 1 arguments"), "{message}");
    machine.deploy("c", assembled("00").with_abi(abi), &["1"]).unwrap();
    assert_eq!(machine.invoke("c", "init", &["1", "2"]).method, "init(uint256,uint256)");
    let message = refused(machine.send(InvokeRequest::new(name("c"), "init").args(["1"])));
    assert!(message.contains("takes 2 arguments"), "{message}");
}
