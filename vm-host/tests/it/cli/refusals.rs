//! Bad input and faults: a clear error, its exit code, and nothing lost.

use std::process::Stdio;

use super::contracts::Token;
use super::{Desk, Done, artifact};

/// A desk with the WASM token of alice on it.
fn with_token() -> (Desk, Token) {
    let [_, token, _] = Token::all();
    let desk = Desk::new();
    desk.ok(&format!("deploy token {} --version 1 --from alice 1000", token.v1));
    (desk, token)
}

#[test]
fn names_and_versions_are_checked_before_anything_else() {
    let desk = Desk::new();
    let token = artifact("token-v1.wasm");
    for name in ["", "with/slash", "0xabc", &"x".repeat(129)] {
        let done = Done::of(desk.command("deploy").arg(name).arg(&token).arg("1000"));
        assert_eq!(done.code, 2, "{name:?}: {}", done.stderr);
        assert!(done.stderr.contains("invalid value"), "{name:?}: {}", done.stderr);
    }
    for version in ["", "1 0", &"9".repeat(65)] {
        let done = Done::of(desk.command("deploy token").arg(&token).args(["1000", "--version", version]));
        assert_eq!(done.code, 2, "{version:?}: {}", done.stderr);
    }
    assert_eq!(desk.ok("list"), "no contracts\n");
}

#[test]
fn a_name_and_a_version_are_taken_once() {
    let (desk, token) = with_token();
    let (code, error) = desk.json(&format!("deploy token {} --from bob 5", token.v1));
    assert_eq!((code, error["error"]["code"].as_str()), (4, Some("name_taken")), "{error}");
    let (code, error) = desk.json(&format!("upgrade token {} --version 1 --from alice", token.v2));
    assert_eq!((code, error["error"]["code"].as_str()), (4, Some("version_taken")), "{error}");
    assert_eq!(desk.ok("query token balance_of alice"), "1000\n");
}

#[test]
fn arguments_are_checked_before_the_contract_runs() {
    let (desk, _) = with_token();
    for (words, expected) in [
        ("invoke token tranfer bob 1", "unknown method 'tranfer'; did you mean 'transfer'?"),
        ("invoke token transfer bob", "transfer(to: address, amount: u128) takes 2 arguments, but 1 was given"),
        ("invoke token transfer bob many", "parameter 'amount' is of type u128, but 'many' is not a number"),
        ("invoke token transfer bob -1", "parameter 'amount' is of type u128, but '-1' is not a number"),
        ("invoke token transfer bob --arg sum=1", "argument 'sum'"),
        ("query nothing balance_of alice", "there is no contract 'nothing'"),
        ("freeze nothing", "there is no contract 'nothing'"),
        ("show nothing", "there is no contract 'nothing'"),
    ] {
        let told = desk.fails(4, words);
        assert!(told.contains("✗ refused"), "{told}");
        assert!(told.contains(expected), "{words}: {told}");
    }
}

#[test]
fn code_that_is_none_is_refused_with_the_reason() {
    let desk = Desk::new();
    let text = desk.file("notes.txt", "not code");
    let told = desk.fails(2, &format!("deploy a {text}"));
    assert!(told.contains("cannot tell what") && told.contains("name its runtime with --runtime"), "{told}");
    let told = desk.fails(4, &format!("deploy a {text} --runtime wasm"));
    assert!(told.contains("code rejected"), "{told}");
    let wasm = std::fs::read(artifact("token-v1.wasm")).unwrap();
    let torn = desk.file("torn.wasm", &wasm[..wasm.len() / 2]);
    let (code, error) = desk.json(&format!("deploy a {torn}"));
    assert_eq!((code, error["error"]["phase"].as_str()), (4, Some("verify")), "{error}");
    let told = desk.fails(2, "deploy a missing.wasm");
    assert!(told.contains("cannot read missing.wasm"), "{told}");
    let told = desk.fails(4, "deploy a nobody --runtime native");
    assert!(told.contains("nobody"), "{told}");
    assert_eq!(desk.ok("list"), "no contracts\n");
}

#[test]
fn a_constructor_that_reverts_leaves_nothing() {
    let desk = Desk::new();
    for code in [artifact("probe.wasm").display().to_string(), "probe".to_owned()] {
        let (exit, error) = desk.json(&format!("deploy probe {code} --arg message=never"));
        assert_eq!((exit, error["error"]["class"].as_str()), (3, Some("contract")), "{error}");
        assert_eq!(error["receipt"]["output"]["text"], "never");
        let told = desk.fails(3, &format!("deploy probe {code} --arg message=never"));
        assert!(told.starts_with("✗ the constructor failed\n") && told.contains("\n  gas "), "{told}");
        assert_eq!((told.matches("failed\n").count(), told.matches("never").count()), (1, 1), "{told}");
    }
    assert_eq!(desk.ok("list"), "no contracts\n");
}

#[test]
fn a_loop_without_end_is_stopped_by_gas_or_by_the_deadline() {
    let desk = Desk::new();
    let config = desk.file("vm.toml", "[vm.limits]\nexecution_timeout = \"1s\"\n");
    Done::of(desk.command(&format!("deploy probe {} --config {config}", artifact("probe.wasm").display())).arg(""));
    let (code, receipt) = desk.json("invoke probe spin --gas 1000000");
    assert_eq!((code, receipt["trap"].as_str()), (3, Some("out_of_gas")), "{receipt}");
    assert_eq!(receipt["gas_used"], 1_000_000);
    let (code, error) = desk.json("invoke probe spin --gas 10000000000");
    assert_eq!((code, error["error"]["code"].as_str()), (5, Some("deadline")), "{error}");
    assert_eq!(desk.ok("query probe add 1 2"), "3\n");
}

#[test]
fn gas_above_the_limit_is_a_mistake() {
    let desk = Desk::new();
    desk.file("vm.toml", "[vm.limits]\ngas = 1000000\n");
    let told = desk.fails(2, "deploy token token 5 --gas 1000001");
    assert!(told.contains("--gas 1000001 is above the limit of 1000000; raise vm.limits.gas"), "{told}");
    desk.ok("deploy token token 5 --gas 1000000");
}

#[test]
fn a_data_directory_is_a_directory_for_data() {
    let desk = Desk::new();
    let file = desk.file("notes.txt", "mine");
    let told = desk.fails(2, &format!("list --data-dir {file}"));
    assert!(told.contains("notes.txt is not a directory"), "{told}");
    let told = desk.fails(2, "list --data-dir .");
    assert!(told.contains("holds no state, but other files such as \"notes.txt\""), "{told}");
    let left = std::fs::read_dir(desk.path()).unwrap().count();
    assert_eq!(left, 1, "nothing is left there");
    std::fs::create_dir(desk.path().join("empty")).unwrap();
    desk.ok("list --data-dir empty");
    // A file beside a state does no harm.
    desk.file("empty/notes.txt", "mine");
    desk.ok("list --data-dir empty");
}

#[test]
fn native_code_that_panics_or_never_ends_does_no_harm() {
    let desk = Desk::new();
    desk.file("vm.toml", "[vm.limits]\nexecution_timeout = \"1s\"\n");
    assert_eq!(Done::of(desk.command("deploy probe probe").arg("")).code, 0);
    let told = desk.fails(3, "invoke probe panic");
    assert!(told.contains("trap: the contract panicked") && !told.contains("stack backtrace"), "{told}");
    let (code, error) = desk.json("invoke probe spin");
    assert_eq!((code, error["error"]["code"].as_str()), (5, Some("deadline")), "{error}");
    assert_eq!(desk.ok("query probe add 1 2"), "3\n");
}

#[test]
fn a_missing_containerd_is_a_host_fault() {
    if !cfg!(feature = "docker") {
        eprintln!("skipped: needs the feature docker");
        return;
    }
    let desk = Desk::new();
    let socket = desk.path().join("none.sock").display().to_string();
    desk.file("vm.toml", format!("[[vm.providers]]\ntype = \"docker\"\naddress = \"{socket}\"\n"));
    let (code, error) = desk.json(&format!("deploy token {} 1000", artifact("token-v1.elf").display()));
    assert_eq!((code, error["error"]["code"].as_str()), (5, Some("unavailable")), "{error}");
    assert!(error["error"]["message"].as_str().unwrap().contains(&socket), "{error}");
    let (code, object) = desk.json("status");
    assert_eq!(code, 0);
    assert!(object["status"]["runtimes"]["docker"]["problem"].is_string(), "{object}");
    let told = desk.ok("status");
    let row = told.lines().find(|line| line.starts_with("docker")).unwrap();
    assert!(row.contains("unavailable") && !row.contains(&socket), "{told}");
    assert!(told.contains("docker is unavailable: ") && told.contains(&socket), "{told}");
    assert_eq!(desk.ok("list"), "no contracts\n");
}

#[test]
fn a_mistake_in_the_configuration_is_told_with_its_line() {
    let desk = Desk::new();
    desk.file("vm.toml", "[vm.limits]\nmemroy = \"1GB\"\n");
    let told = desk.fails(2, "list");
    assert!(told.contains("vm.toml:2:1: unknown key `memroy`") && told.contains("did you mean `memory`?"), "{told}");
    let (code, error) = desk.json("list");
    assert_eq!((code, error["error"]["code"].as_str()), (2, Some("configuration")), "{error}");
    assert_eq!(error["error"]["mistakes"][0]["line"], 2, "{error}");
    desk.file("vm.yaml", "vm:\n");
    let told = desk.fails(2, "list");
    assert!(told.contains("both vm.toml and vm.yaml are here; choose one with --config"), "{told}");
}

#[test]
fn a_data_directory_in_use_is_refused_with_its_holder() {
    let (desk, _) = with_token();
    let held = vm_host::backends::FjallBackend::open(desk.path().join("vm-data")).unwrap();
    let told = desk.fails(5, "list");
    assert!(told.contains(&format!("is in use by process {}", std::process::id())), "{told}");
    drop(held);
    assert_eq!(desk.ok("query token balance_of alice"), "1000\n");
}

#[test]
fn what_a_killed_process_acknowledged_is_there() {
    let (desk, _) = with_token();
    let mut acknowledged = 0;
    for round in 0..6 {
        // Killed at once, or when it has said what it did.
        let mut child =
            desk.command("invoke token transfer --from alice bob 1").stdout(Stdio::piped()).spawn().unwrap();
        if round % 2 == 0 {
            child.kill().unwrap();
        }
        let output = child.wait_with_output().unwrap();
        acknowledged += u32::from(!output.stdout.is_empty());
        let bob: u32 = desk.ok("query token balance_of bob").trim().parse().unwrap();
        let alice: u32 = desk.ok("query token balance_of alice").trim().parse().unwrap();
        assert!(bob >= acknowledged && alice + bob == 1000, "{alice} and {bob} after {acknowledged} transfers");
    }
    assert!(acknowledged >= 3);
}
