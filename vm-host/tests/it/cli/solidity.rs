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
    assert!(told.contains("choose one by its name (--contract; for the file of an ABI --abi-contract): Other.sol:Other, Token.sol:Token"), "{told}");
    desk.ok("deploy token token.json 1000 --contract Token --from alice");
    desk.ok(r#"invoke token transfer --args-json ["bob",0x64] --from alice"#.replace("0x64", "\"0x64\"").as_str());
    let (code, receipt) = desk.json(r#"invoke token transfer --args-json {"amount":5,"to":"bob"} --from alice"#);
    assert_eq!((code, &receipt["output"]["text"]), (0, &json!("true")));
    let text = receipt["events"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("Transfer(from: 0x"), "{text}");
    assert_eq!(receipt["events"][0]["topics"].as_array().unwrap().len(), 3);
    assert_eq!(receipt["events"][0]["name"], "Transfer");
    assert_eq!(desk.ok("query token balanceOf bob").trim(), "105");

    let (code, receipt) = desk.json(r#"invoke token transfer --args-json ["bob",9999] --from alice"#);
    assert_eq!((code, &receipt["output"]["text"]), (3, &json!("InsufficientBalance(have: 895, need: 9999)")));
    assert!(receipt["output"]["hex"].as_str().unwrap().len() > 10, "the bytes are kept");
    let told = desk.fails(2, "query token balanceOf --args-json bob");
    assert!(told.contains("neither a JSON array nor an object"), "{told}");

    desk.ok("upgrade token v2.json --version 2 --contract Token --from alice");
    assert_eq!(desk.ok("query token schemaVersion").trim(), "2");
}

/// An ABI beside the code may be any file that holds one.
#[test]
fn an_artefact_gives_the_abi_of_bare_code() {
    let desk = Desk::new();
    desk.file("token.json", output(1));
    desk.file("bare.bin", sample("token-v1.bin"));
    let told = desk.fails(2, "deploy bare bare.bin 1000 --abi token.json");
    assert!(told.contains("token.json: there are several contracts") && told.contains("--abi-contract"), "{told}");
    desk.ok("deploy bare bare.bin 1000 --abi token.json --abi-contract Token --from alice");
    assert_eq!(desk.ok("query bare balanceOf alice").trim(), "1000");
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
    desk.file("london.toml", "[[vm.providers]]\ntype = \"evm\"\nversion = \"london\"\n");
    desk.file("push0.bin", "5f5ff3");
    let (code, told) = desk.json("deploy a push0.bin");
    assert_eq!((code, &told["error"]["code"]), (4, &json!("code_rejected")));
    assert!(told["error"]["message"].as_str().unwrap().contains("PUSH0 at offset 0"), "{told}");
    desk.file("vm.toml", "[[vm.providers]]\ntype = \"evm\"\nrefuse_opcodes = [\"SELFDESTRUCT\"]\n");
    desk.file("mortal.bin", "33ff");
    let told = desk.fails(4, "deploy a mortal.bin");
    assert!(told.contains("SELFDESTRUCT at offset 1 is refused"), "{told}");
    // The analysis tells the same verdict.
    let (code, told) = desk.json("analyze mortal.bin");
    assert_eq!((code, &told["ok"]), (4, &json!(false)));
    assert!(desk.fails(4, "analyze mortal.bin").contains("SELFDESTRUCT at offset 1 is refused"));
    let told = desk.fails(4, "analyze push0.bin --config london.toml");
    assert!(
        told.contains("code rejected (opcode-missing)") && told.contains("PUSH0 at 0 and 1 more (shanghai)"),
        "{told}"
    );
}

/// What solc prints is code, in all its forms; libraries that are not linked are named.
#[test]
fn what_solc_prints_is_code() {
    let desk = Desk::new();
    let code = sample("token-v1.bin");
    let wrapped: String = code.trim().as_bytes().chunks(64).map(|line| format!("{}\n", line.escape_ascii())).collect();
    desk.file("wrapped.bin", wrapped);
    desk.file(
        "printed.txt",
        format!("\n======= A.sol:I =======\nBinary:\n\n\n======= A.sol:Token =======\nBinary:\n{code}\n"),
    );
    desk.ok("deploy wrapped wrapped.bin --input-hex 00000000000000000000000000000000000000000000000000000000000003e8");
    desk.ok("deploy printed printed.txt --input-hex 00000000000000000000000000000000000000000000000000000000000003e8");
    let told = desk.fails(2, "deploy a printed.txt --contract Nope");
    assert!(told.contains("there is no contract 'Nope'"), "{told}");
    desk.file("unlinked.bin", "6080604073__$3b9452581c463bbdb692f752202b3ee581$__5000\n\n// $3b9452581c463bbdb692f752202b3ee581$ -> Lib.sol:Math\n");
    let told = desk.fails(2, "deploy a unlinked.bin");
    assert!(told.contains("unlinked.bin: the file uses libraries that are not linked: Lib.sol:Math"), "{told}");
    desk.file("odd.bin", "608060405");
    let told = desk.fails(2, "analyze odd.bin");
    assert!(told.contains("odd.bin: the code of the file is not hexadecimal: it has 9 digits"), "{told}");
    for (words, want) in [
        ("analyze wrapped.bin --contract A", "leave 'A' (--contract) out"),
        ("analyze wrapped.bin --remapping a=b", "for Solidity sources"),
        ("deploy a wrapped.bin --runtime wasm --contract A", "for artefacts and sources of Solidity"),
    ] {
        let told = desk.fails(2, words);
        assert!(told.contains(want), "{words}: {told}");
    }
    desk.file("abi.json", "[]");
    assert!(desk.fails(2, "deploy a abi.json").contains("--abi"));
    desk.file("notabi.json", "{\"contracts\": {}}");
    let told = desk.fails(2, "deploy a wrapped.bin --abi notabi.json");
    assert!(told.contains("notabi.json: the JSON cannot be used"), "{told}");
}

#[test]
fn json_arguments_are_taken_seriously() {
    let desk = Desk::new();
    desk.file("token.json", output(1));
    desk.ok("deploy token token.json 1000 --contract Token");
    for (words, want) in [
        ("query token balanceOf --args-json [null]", "null is the value of no type"),
        ("query token balanceOf --args-json [[null]]", "null is the value of no type"),
        (r#"query token balanceOf --args-json {"account":"a","account":"b"}"#, "argument 'account' is given twice"),
    ] {
        let told = desk.fails(2, words);
        assert!(told.contains(want), "{words}: {told}");
    }
    // A parameter that is text takes text, not what happens to be written in JSON.
    let abi =
        json!([{ "type": "function", "name": "say", "inputs": [{ "name": "text", "type": "string" }], "outputs": [] }]);
    desk.file("say.json", json!({ "abi": abi, "bytecode": "0x6001600c60003960016000f300" }).to_string());
    desk.ok("deploy say say.json");
    for value in [r#"{"a":1}"#, "[1]"] {
        let told = desk.fails(4, &format!("query say say --args-json [{value}]"));
        assert!(told.contains("is a JSON list or object; put it in quotes"), "{told}");
        desk.ok(&format!("query say say --args-json [{}]", Value::from(value)));
        desk.ok(&format!("query say say {value}"));
    }
    let told = desk.fails(4, "query token balanceOf 5fbdb2315678afecb367f032d93f642f64180aa3");
    assert!(told.contains("without 0x"), "{told}");
}

/// An address is another name of a contract: what is known of the contract is known there too.
#[test]
fn contracts_are_called_by_their_addresses() {
    let desk = Desk::new();
    desk.file("token.json", output(1));
    let (_, receipt) = desk.json("deploy token token.json 1000 --contract Token --from alice");
    let address = receipt["address"].as_str().unwrap();
    let alice = format!("{:0>64}", &vm_core::Address::from_name("alice").to_string()[2..]);
    assert_eq!(desk.ok(&format!("query {address} balanceOf --input-hex {alice}")).trim(), "1000");
    assert_eq!(desk.ok(&format!("query {address} balanceOf alice")).trim(), "1000");
    let nobody = "0x00000000000000000000000000000000000000aa";
    let told = desk.fails(4, &format!("query {nobody} total"));
    assert!(told.contains("Solidity signature, such as transfer(address,uint256)"), "{told}");
}

/// A contract's words are data: what is a terminal's command in them stays text, and a pipe gets every byte.
#[test]
fn texts_of_contracts_are_data() {
    let desk = Desk::new();
    let red = format!("1b5b33316d726564{}", "00".repeat(24));
    // The string as a result, and as the reason of a revert, Error(string).
    let result = format!("60205f526008602052_7f{red}604052_60605ff3").replace('_', "");
    let error = format!("6308c379a060e01b5f52_60206004526008602452_7f{red}604452_60645ffd").replace('_', "");
    let abi = r#"[{"type":"function","name":"f","inputs":[],"outputs":[{"type":"string","name":""}],"stateMutability":"view"}]"#;
    desk.file("abi.json", abi);
    for (name, runtime) in [("reverts", &error), ("returns", &result)] {
        let length = runtime.len() / 2;
        desk.file(&format!("{name}.bin"), format!("60{length:02x}80600b6000396000f3{runtime}"));
        desk.ok(&format!("deploy {name} {name}.bin --abi abi.json"));
    }
    assert_eq!(desk.ok("query returns f"), "\u{1b}[31mred\n");
    let told = desk.fails(3, "query reverts f");
    assert!(told.contains("reason   \\u{1b}[31mred\n"), "{told:?}");
}

#[test]
fn the_block_is_the_configurations() {
    let desk = Desk::new();
    desk.file("vm.toml", "[vm.block]\ntimestamp = 1700000000\nchain_id = 77\ncoinbase = \"carol\"\n");
    // TIMESTAMP and CHAINID, returned as two words.
    desk.file("clock.bin", "600b80600b6000396000f3425f524660205260405ff3");
    desk.ok("deploy clock clock.bin");
    let told = desk.ok("query clock now()(uint256,uint256)");
    assert_eq!(told.trim(), "(1700000000, 77)");
    assert_eq!(desk.ok("query clock now()(uint256,uint256)").trim(), "(1700000000, 77)");
    desk.file("vm.toml", "[vm.block]\ntimestamp = -1\nnumber = 3\n");
    let told = desk.fails(2, "list");
    assert!(told.contains("not below zero") && told.contains("next height"), "{told}");
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
    for words in [
        "invoke token transfer bob 5 --from alice --evm-trace t.jsonl",
        "query token balanceOf bob --evm-trace t.jsonl",
    ] {
        desk.ok(words);
        let text = std::fs::read_to_string(desk.path().join("t.jsonl")).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.len() > 50 && lines[0]["pc"] == 0 && lines.iter().rev().nth(1).unwrap()["opName"] == "RETURN");
        assert_eq!(lines.last().unwrap()["pass"], true);
    }
    // A failing constructor is what one wants to see.
    desk.file("bad.bin", "60015f52fe");
    desk.fails(3, "deploy bad bad.bin --evm-trace d.jsonl");
    let text = std::fs::read_to_string(desk.path().join("d.jsonl")).unwrap();
    assert!(text.lines().nth(3).unwrap().contains("\"INVALID\""), "{text}");
    // A refused request, and a contract of another runtime, leave the file as it was.
    let done = desk.run("query token nothing --evm-trace d.jsonl");
    assert!(
        done.code == 4 && done.stderr.contains("no EVM instruction was executed; d.jsonl is as it was"),
        "{done:?}"
    );
    assert_eq!(std::fs::read_to_string(desk.path().join("d.jsonl")).unwrap(), text);
    // Nor do they leave a new one.
    for words in ["query token nothing --evm-trace new.jsonl", "deploy token no-such-file --evm-trace new.jsonl"] {
        assert!(desk.run(words).code != 0 && !desk.path().join("new.jsonl").exists(), "{words}");
    }
    // What was committed is told as such, and the trace's failure beside it.
    let done = desk.run("invoke token transfer bob 5 --from alice --evm-trace /dev/full --json");
    assert!(done.code == 0 && done.stderr.contains("the trace is not complete"), "{done:?}");
    assert_eq!(serde_json::from_str::<Value>(&done.stdout).unwrap()["ok"], true);
    assert_eq!(desk.ok("query token balanceOf bob").trim(), "10");
    let told = desk.fails(2, "query token balanceOf bob --evm-trace no/such/folder");
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

/// The constructor's arguments and the migration's are one list, by request and by proposal.
#[test]
fn a_migration_has_arguments_up_and_down_and_by_proposal() {
    let desk = Desk::new();
    desk.file("vm.toml", "[vm.access]\nadministrators = \"callers(root)\"\n");
    let file = |name: &str| format!("{}/../vm-evm/tests/contracts/{name}", env!("CARGO_MANIFEST_DIR"));
    let code = |name: &str| format!("{} --abi {}", file(&format!("{name}.bin")), file(&format!("{name}.abi")));
    desk.ok("deploy multi_sign multi_sign");
    desk.ok(&format!("deploy ledger {} --version 1 --from alice 1000 first", code("Ledger")));
    let upgrade = format!("upgrade ledger {} --version 3", code("LedgerV3"));
    let state = || (desk.ok("query ledger schema"), desk.ok("query ledger last"));
    let told = desk.fails(4, &format!("propose {upgrade} 7 --from alice"));
    assert!(told.contains("upgrade(uint256 step_, bytes data) takes 2 arguments, but 1 was given"), "{told}");
    assert!(desk.fails(3, &format!("{upgrade} 7 0x01 --from alice")).contains("not yet"));
    desk.ok(&format!("propose {upgrade} 7 0x --from alice"));
    desk.ok("execute 1 --from alice");
    assert_eq!((state(), desk.ok("query ledger step")), (("3\n".into(), "1 -> 3\n".into()), "7\n".into()));

    // Down by the code that is left, tried first, and up again in two steps.
    let down = "rollback ledger 1 --from alice --migrate";
    assert!(desk.fails(3, &format!("{down} 0x01")).contains("not yet"));
    assert!(desk.ok(&format!("{down} 0x --dry-run")).contains("would have rolled ledger back to 1"));
    assert_eq!(state().0, "3\n");
    desk.ok(&format!("propose {down} 0x"));
    desk.ok("execute 2 --from alice");
    assert_eq!(desk.ok("query ledger schema"), "1\n");
    desk.ok("rollback ledger 3 --from alice");
    assert_eq!(state(), ("1\n".into(), "3 -> 1\n".into()));
    assert!(desk.fails(3, "migrate ledger 1 0x01 --from alice").contains("not yet"));
    desk.ok("propose migrate ledger 1 0x --from alice");
    desk.ok("execute 3 --from alice");
    assert_eq!(state(), ("3\n".into(), "1 -> 3\n".into()));
    let history = desk.ok("history ledger");
    for part in ["upgrade with migration", "rollback with migration", "migrate from 1"] {
        assert!(history.contains(part), "no {part:?} in\n{history}");
    }
    // Nobody else gets in.
    let told = desk.fails(3, "invoke ledger upgrade 1 3 0x --from alice");
    assert!(told.contains("the host enters it, in an upgrade, a migration or a rollback"), "{told}");

    // Without its migration, with what the constructor takes; also by proposal.
    let again = format!("upgrade ledger {} --skip-migration --from root", code("LedgerV3"));
    assert!(
        desk.fails(4, &format!("{again} --version 4 8 0x")).contains("constructor(uint256 step_) takes 1 argument")
    );
    desk.ok(&format!("{again} --version 4 8"));
    desk.ok(&format!("propose {again} --version 5 9"));
    desk.ok("execute 4 --from root");
    assert_eq!((state(), desk.ok("query ledger step")), (("3\n".into(), "1 -> 3\n".into()), "9\n".into()));
}
