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
