//! Solidity's files, JSON arguments, analysis and traces.

use serde_json::{Value, json};

use super::Desk;

fn sample(name: &str) -> String {
    let path = format!("{}/../contracts/artifacts/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// The sample token as solc writes it, with an interface beside it.
fn output(version: u8) -> String {
    let abi: Value = serde_json::from_str(&sample(&format!("token-v{version}.abi.json"))).unwrap();
    let code = sample(&format!("token-v{version}.bin"));
    json!({ "contracts": {
        "Token.sol": { "Token": { "abi": abi, "evm": { "bytecode": { "object": code.trim(), "linkReferences": {} } } } },
        "Other.sol": { "Other": { "abi": [], "evm": { "bytecode": { "object": "5f5ff3" } } } },
    } })
    .to_string()
}

#[test]
fn an_artefact_is_deployed_called_with_json_and_upgraded() {
    let desk = Desk::new();
    desk.file("token.json", output(1));
    desk.file("v2.json", output(2));
    let told = desk.fails(2, "deploy token token.json 1000");
    assert!(told.contains("choose one by its name: Other.sol:Other, Token.sol:Token"), "{told}");
    desk.ok("deploy token token.json 1000 --contract Token --from alice");
    desk.ok(r#"invoke token transfer --args-json ["bob",0x64] --from alice"#.replace("0x64", "\"0x64\"").as_str());
    let (code, receipt) = desk.json(r#"invoke token transfer --args-json {"amount":5,"to":"bob"} --from alice"#);
    assert_eq!((code, &receipt["output"]["text"]), (0, &json!("true")));
    let text = receipt["events"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("Transfer(from: 0x"), "{text}");
    assert_eq!(receipt["events"][0]["topics"].as_array().unwrap().len(), 3);
    assert_eq!(desk.ok("query token balanceOf bob").trim(), "105");

    let (code, receipt) = desk.json(r#"invoke token transfer --args-json ["bob",9999] --from alice"#);
    assert_eq!((code, &receipt["output"]["text"]), (3, &json!("InsufficientBalance(have: 895, need: 9999)")));
    assert!(receipt["output"]["hex"].as_str().unwrap().len() > 10, "the bytes are kept");
    let told = desk.fails(2, "query token balanceOf --args-json bob");
    assert!(told.contains("neither a JSON array nor an object"), "{told}");

    desk.ok("upgrade token v2.json --version 2 --contract Token --option migrate=constructor --from alice");
    assert_eq!(desk.ok("query token schemaVersion").trim(), "2");
}

#[test]
fn what_is_no_code_is_told() {
    let desk = Desk::new();
    desk.file(
        "unlinked.json",
        r#"{"contractName": "A", "abi": [], "bytecode": "0x00",
        "linkReferences": {"src/Math.sol": {"Math": []}}}"#,
    );
    let (code, told) = desk.json("deploy a unlinked.json");
    assert_eq!((code, &told["error"]["code"]), (2, &json!("code_unusable")));
    assert!(told["error"]["message"].as_str().unwrap().contains("src/Math.sol:Math"), "{told}");
    desk.file("vm.toml", "[[vm.providers]]\ntype = \"evm\"\nversion = \"london\"\n");
    desk.file("push0.bin", "5f5ff3");
    let (code, told) = desk.json("deploy a push0.bin");
    assert_eq!((code, &told["error"]["code"]), (4, &json!("code_rejected")));
    assert!(told["error"]["message"].as_str().unwrap().contains("PUSH0 at offset 0"), "{told}");
    desk.file("vm.toml", "[[vm.providers]]\ntype = \"evm\"\nrefuse_opcodes = [\"SELFDESTRUCT\"]\n");
    desk.file("mortal.bin", "33ff");
    let told = desk.fails(4, "deploy a mortal.bin");
    assert!(told.contains("SELFDESTRUCT at offset 1 is refused"), "{told}");
}

#[test]
fn code_is_analysed() {
    let desk = Desk::new();
    desk.file("token.json", output(1));
    let told = desk.ok("analyze token.json --contract Token");
    for want in ["evm code", "by the rules of osaka", "constructor", "a9059cbb transfer(address,uint256)"] {
        assert!(told.contains(want), "{told}");
    }
    let (_, told) = desk.json("analyze token.json --contract Token");
    assert_eq!((&told["runtime"], &told["analysis"]["fork"]), (&json!("evm"), &json!("osaka")));
    assert!(told["analysis"]["selectors"].as_array().unwrap().iter().any(|s| s["selector"] == "0xa9059cbb"), "{told}");
    desk.file("mortal.bin", "33ff");
    assert!(desk.ok("analyze mortal.bin").contains("SELFDESTRUCT at 1"));
    desk.file("program", b"\x7fELF\x02\x01");
    let (code, told) = desk.json("analyze program");
    assert_eq!((code, &told["error"]["code"]), (2, &json!("no_analysis")));
}

#[test]
fn instructions_are_traced_to_a_file() {
    let desk = Desk::new();
    desk.file("token.json", output(1));
    desk.ok("deploy token token.json 1000 --contract Token --from alice");
    for words in
        ["invoke token transfer bob 5 --from alice --trace t.jsonl", "query token balanceOf bob --trace t.jsonl"]
    {
        desk.ok(words);
        let text = std::fs::read_to_string(desk.path().join("t.jsonl")).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.len() > 50 && lines[0]["pc"] == 0 && lines.iter().rev().nth(1).unwrap()["opName"] == "RETURN");
        assert_eq!(lines.last().unwrap()["pass"], true);
    }
    let told = desk.fails(2, "query token balanceOf bob --trace no/such/folder");
    assert!(told.contains("cannot write no/such/folder"), "{told}");
}

#[test]
fn a_source_is_compiled_and_deployed() {
    let tools = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("../openzeppelin/node_modules/.bin");
    let path = std::env::join_paths(
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).chain([tools.clone()]),
    );
    let desk = Desk::new();
    desk.file("Sum.sol", "import \"lib/Math.sol\"; contract Sum { function two() external pure returns (uint256) { return one() + 1; } }");
    std::fs::create_dir(desk.path().join("deps")).unwrap();
    desk.file("deps/Math.sol", "function one() pure returns (uint256) { return 1; }");
    let words = "deploy sum Sum.sol --remapping lib/=deps/";
    let done = super::Done::of(desk.command(words).env("PATH", path.unwrap()));
    if done.stderr.contains("no Solidity compiler was found") {
        println!("skipped: {}cargo xtask test fetches one (npm and a network are needed)", done.stderr);
        return;
    }
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert!(done.stderr.contains("compiled with") && done.stderr.contains("SPDX"), "{}", done.stderr);
    assert_eq!(desk.ok("query sum two").trim(), "2");
}
