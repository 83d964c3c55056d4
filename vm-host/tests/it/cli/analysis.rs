//! What WASM modules are, told without deploying them.

use serde_json::json;

use super::Desk;

/// Imports `env.a`, and has a float in its function `price`: twice refused, and without the exports of a contract.
const REFUSED: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x09\x01\x03env\x01a\0\0\x03\x02\x01\0\x0a\x0a\x01\x08\0\x43\0\0\0\0\x1a\x0b\0\x0f\x04name\x01\x08\x01\x01\x05price";

#[test]
fn modules_are_analysed() {
    let desk = Desk::new();
    let token = super::artifact("token-v1.wasm");
    desk.file("token.wasm", std::fs::read(token).unwrap());
    let told = desk.ok("analyze token.wasm");
    for want in ["accepted", "vm1.get, function", "transfer(to: address, amount: u128)", "deploy gas"] {
        assert!(told.contains(want), "{told}");
    }
    let (code, told) = desk.json("analyze token.wasm");
    let analysis = &told["analysis"];
    assert_eq!((code, &told["ok"], &analysis["abi"]), (0, &json!(true), &json!("vm1")));
    assert_eq!(analysis["violations"], json!([]));
    // Options are part of the verdict, as they are at a deployment.
    for verb in ["analyze", "deploy token"] {
        let told = desk.fails(4, &format!("{verb} token.wasm --option nonsense=1"));
        assert!(told.contains("have no option 'nonsense'"), "{told}");
    }

    // What it says of the price is what a deployment takes, with enough for the constructor or without.
    let price = analysis["deploy"]["total"].as_u64().unwrap();
    let (code, told) = desk.json(&format!("deploy token token.wasm 1000 --gas {}", price - 1));
    assert_eq!((code, &told["error"]["code"]), (4, &json!("gas")));
    desk.ok(&format!("deploy token token.wasm 1000 --gas {}", price + 1_000_000));
}

#[test]
fn refusals_are_explained() {
    let desk = Desk::new();
    desk.file("bad.wasm", REFUSED);
    let (code, told) = desk.json("analyze bad.wasm");
    assert_eq!((code, &told["ok"], &told["runtime"]), (4, &json!(false), &json!("wasm")));
    let rules: Vec<_> = told["analysis"]["violations"].as_array().unwrap().iter().map(|v| v["rule"].clone()).collect();
    assert_eq!(rules, ["unknown-import", "float", "missing-export", "missing-export"]);
    let float = &told["analysis"]["violations"][1];
    assert_eq!((&float["function"], &float["function_name"]), (&json!(1), &json!("price")));
    assert_eq!((&float["operator"], &float["offset"]), (&json!("f32.const"), &json!(0x22)));
    assert_eq!(desk.run("analyze bad.wasm").code, 4);
}

/// What a contract is deployed with is looked at as a deployment does.
#[test]
fn options_and_interfaces_are_analysed() {
    let desk = Desk::new();
    desk.file("token.wasm", std::fs::read(super::artifact("token-v1.wasm")).unwrap());
    desk.file("abi.txt", "total() -> u64");
    for (arguments, why) in [
        ("--abi abi.txt", "the module has a section vm.interface, and another interface was given"),
        ("--abi-option params=string", "contracts with the ABI vm1 have no option 'params'"),
    ] {
        let (code, told) = desk.json(&format!("analyze token.wasm {arguments}"));
        let violation = &told["analysis"]["violations"][0];
        assert_eq!((code, &told["ok"], &violation["rule"]), (4, &json!(false), &json!("unsupported")), "{told}");
        assert!(violation["why"].as_str().unwrap().starts_with(why), "{violation}");
        let refused = desk.fails(4, &format!("deploy token token.wasm 1000 {arguments}"));
        assert!(refused.contains("(unsupported)") && refused.contains(why), "{refused}");
    }
}

/// Files that are called modules and are none: the gate says what they are instead.
#[test]
fn what_is_no_module_is_told_apart() {
    let desk = Desk::new();
    for (file, content, why) in [
        ("empty.wasm", &b""[..], "the code is empty"),
        ("cut.wasm", b"\0as", "the module ends in its header"),
        ("text.wasm", b"hello", "the code is not a WebAssembly module"),
        ("text.wat", b"\n;; a contract\n(module)", "it looks like the text format"),
    ] {
        desk.file(file, content);
        for command in [format!("analyze {file}"), format!("deploy it {file}")] {
            let told = desk.run(&command);
            assert!(told.code == 4 && format!("{}{}", told.stdout, told.stderr).contains(why), "{command}: {told:?}");
        }
    }
}

/// A limit that WebAssembly cannot reach is not cut in silence.
#[test]
fn more_memory_than_can_be_addressed_is_told() {
    let desk = Desk::new();
    for (memory, limit, told) in
        [("10GB", "4294967296", true), ("4GiB", "4294967296", false), ("1MiB", "1048576", false)]
    {
        desk.file("vm.toml", format!("[vm.limits]\nmemory = \"{memory}\"\n"));
        let done = desk.run("status --config vm.toml");
        assert!(done.code == 0 && done.stdout.contains(limit), "{memory}: {done:?}");
        assert_eq!(done.stderr.contains("contracts in WebAssembly can address 4 GiB"), told, "{memory}: {done:?}");
    }
}
