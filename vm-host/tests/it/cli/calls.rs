//! The calls inside a transaction, as the command tells them.

use serde_json::{Value, json};

use super::{Desk, artifact};

/// A probe on two runtimes, the second of which is called by the first.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.ok("deploy outer probe --from alice --arg message=");
    desk.ok(&format!("deploy inner {} --from alice --arg message=", artifact("probe.wasm").display()));
    desk
}

/// Arguments of `put(k, v)` in borsh.
const PUT: &str = "0x010000006b0100000076";

fn lines(desk: &Desk, file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(desk.path().join(file)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn calls_over_runtimes_are_lines_of_one_file() {
    let desk = desk();
    let (code, receipt) = desk.json(&format!("invoke outer forward inner put {PUT} --from alice --trace t.jsonl"));
    assert_eq!((code, &receipt["trace"]), (0, &Value::Null), "what is in a file is not told twice");
    let lines = lines(&desk, "t.jsonl");
    let kinds: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["call", "call", "put", "return", "return", "transaction"]);
    let (outer, inner, put) = (&lines[0], &lines[1], &lines[2]);
    assert_eq!(
        (&outer["contract"], &outer["runtime"], &outer["parent"]),
        (&json!("outer"), &json!("native"), &json!(null))
    );
    assert_eq!((&inner["contract"], &inner["runtime"], &inner["parent"]), (&json!("inner"), &json!("wasm"), &json!(1)));
    assert_eq!((&inner["method"], &inner["depth"], &inner["caller"]), (&json!("put"), &json!(1), &outer["callee"]));
    assert_eq!(inner["input"], json!({ "hex": PUT, "length": 10 }));
    assert_eq!((&put["frame"], &put["key"]["hex"], &put["value"]["hex"]), (&json!(2), &json!("0x6b"), &json!("0x76")));
    let gas = |line: &Value, key: &str| line[key].as_u64().unwrap();
    let own: u64 = lines[3..5].iter().map(|line| gas(line, "gas_own")).sum();
    assert_eq!(gas(&lines[5], "gas_before") + own, gas(&receipt, "gas_used"));
    assert_eq!(lines[5]["gas_used"], receipt["gas_used"]);
}

#[test]
fn calls_are_a_tree_behind_the_result() {
    let desk = desk();
    let told = desk.ok(&format!("invoke outer forward inner put {PUT} --from alice --trace -"));
    assert!(told.contains("\nouter.forward [native] "), "{told}");
    assert!(told.contains("\n└─ inner.put [wasm] ") && told.contains("\n   └─ put \"k\" = \"v\" ("), "{told}");
    let told = desk.ok("query inner get 0x6b --trace -");
    assert!(told.starts_with("0x76\n\ninner.get [wasm] ") && told.contains(" static by "), "{told}");
    let (_, object) = desk.json("query inner get 0x6b --trace -");
    assert_eq!(object["trace"][0]["method"], "get");
    // A failure is what one wants to see.
    let told = desk.fails(3, &format!("invoke outer forward inner nosuch {PUT} --trace -"));
    assert!(told.contains("└─ inner.nosuch [wasm]"), "{told}");
    let told = desk.fails(3, "deploy bad probe --from alice no --trace -");
    assert!(told.contains("deploy bad.init [native]") && told.contains("revert"), "{told}");
}

#[test]
fn instructions_are_lines_below_their_call() {
    let desk = Desk::new();
    // Its code: PUSH1 1 PUSH1 0 SSTORE STOP.
    desk.file("store.bin", "6006600c60003960066000f3600160005500");
    desk.ok("deploy store store.bin --from alice");
    desk.ok("invoke store --input-hex 0x --from alice --trace t.jsonl --trace-steps");
    let told: Vec<_> = lines(&desk, "t.jsonl")
        .iter()
        .map(|line| line["opName"].as_str().unwrap_or_else(|| line["type"].as_str().unwrap()).to_owned())
        .collect();
    assert_eq!(told, ["call", "PUSH1", "PUSH1", "put", "SSTORE", "STOP", "return", "transaction"]);
    assert!(lines(&desk, "t.jsonl").iter().all(|line| line["frame"] == 1 || line["type"] == "transaction"));
    // Not without a place for them.
    assert!(desk.fails(2, "invoke store --input-hex 0x --trace-steps").contains("--trace <FILE>"));
}

#[test]
fn files_are_tried_first_and_stay_when_nothing_is_called() {
    let desk = desk();
    let told = desk.fails(2, "query inner has 0x6b --trace no/such/folder");
    assert!(told.contains("cannot write no/such/folder"), "{told}");
    let done = desk.run("query inner nosuch --trace new.jsonl");
    assert!(done.code == 4 && done.stderr.contains("nothing was called; new.jsonl is as it was"), "{done:?}");
    assert!(!desk.path().join("new.jsonl").exists());
    let done = desk.run("query inner has 0x6b --trace /dev/full");
    assert!(done.code == 0 && done.stderr.contains("the trace is not complete"), "{done:?}");
    // Calls that are only tried are told as well.
    desk.ok("invoke inner put 0x6b 0x76 --dry-run --from alice --trace tried.jsonl");
    assert_eq!(lines(&desk, "tried.jsonl")[0]["method"], "put");
    // A constructor that failed, and a failed command prints what it always does.
    let (code, object) = desk.json("deploy bad probe --from alice no --trace d.jsonl");
    assert_eq!((code, &object["receipt"]["trace"]), (3, &Value::Null));
    assert_eq!(lines(&desk, "d.jsonl")[0]["kind"], "deploy");
}
