//! What the command prints: receipts for machines, lines for people, help, files, completions.

use serde_json::json;

use super::contracts::Token;
use super::{Desk, Done};

#[test]
fn a_receipt_has_everything() {
    for token in Token::all() {
        let desk = Desk::new();
        desk.ok(&format!("deploy token {} --from alice 1000", token.v1));
        let (code, receipt) = desk.json("invoke token transfer --from alice bob 300");
        assert_eq!(code, 0);
        assert_eq!(receipt["ok"], true);
        assert_eq!(receipt["status"], "success");
        assert_eq!(receipt["contract"], "token");
        assert_eq!(receipt["runtime"], token.runtime);
        assert_eq!(receipt["method"].as_str().map(|method| method.starts_with("transfer")), Some(true), "{receipt}");
        assert_eq!(receipt["height"], 3, "the schedule, the deployment, this");
        assert!(receipt["gas_used"].as_u64().unwrap() > 0);
        assert!(receipt["gas_limit"].as_u64() > receipt["gas_used"].as_u64());
        assert!(receipt["reads"].as_u64().unwrap() > 0 && receipt["writes"].as_u64().unwrap() >= 2, "{receipt}");
        assert!(receipt["duration_ms"].as_f64().unwrap() > 0.0);
        assert!(receipt["output"]["hex"].as_str().unwrap().starts_with("0x"));
        let event = &receipt["events"][0];
        assert_eq!(event["contract"], "token");
        assert!(event["data"].as_str().unwrap().starts_with("0x") && event["topics"][0].is_string(), "{receipt}");

        let (_, receipt) = desk.json(&format!("query token {} bob", token.balance_of));
        assert_eq!(receipt["output"]["text"], "300");
        let (code, receipt) = desk.json("invoke token transfer --from bob alice 301");
        assert_eq!((code, receipt["ok"].as_bool(), receipt["status"].as_str()), (3, Some(false), Some("revert")));
        assert!(receipt["output"]["text"].as_str().unwrap().contains(&token.reason(300, 301)), "{receipt}");
        assert_eq!((receipt["writes"].as_u64(), receipt["events"].as_array().map(Vec::len)), (Some(0), Some(0)));
    }
}

#[test]
fn raw_input_is_passed_on_as_it_is() {
    let [_, wasm, evm] = Token::all();
    let desk = Desk::new();
    desk.ok(&format!("deploy token {} 1000", wasm.v1));
    // Borsh: a little-endian u128 behind the 20 bytes of an address.
    let to = "11".repeat(20);
    desk.ok(&format!("invoke token transfer --input-hex 0x{to}{}", "07".to_owned() + &"00".repeat(15)));
    assert_eq!(desk.ok(&format!("query token balance_of 0x{to}")), "7\n");
    // The EVM takes whole call data when there is no method.
    let deployed = desk.ok(&format!("deploy sol {} 1000", evm.v1));
    assert!(!deployed.contains("returned"), "code is not shown: {deployed}");
    let data = format!("a9059cbb{}{to}{}{:02x}", "00".repeat(12), "00".repeat(31), 9);
    desk.ok(&format!("invoke sol --input-hex {data}"));
    assert_eq!(Done::of(desk.command("invoke sol").arg("").args(["--input-hex", &data])).code, 0);
    assert_eq!(desk.ok(&format!("query sol balanceOf 0x{to}")), "18\n");
    assert!(desk.fails(2, "invoke sol").contains("METHOD"));
    // And whatever the method is called when there is no ABI.
    let bare = evm.v1.split_whitespace().next().unwrap();
    let supply = format!("{:064x}", 1000);
    desk.ok(&format!("deploy bare {bare} --input-hex {supply}"));
    desk.ok(&format!("invoke bare --input-hex {data}"));
    desk.ok(&format!("invoke bare anything --input-hex {data}"));
    let balance = format!("70a08231{}{to}", "00".repeat(12));
    assert_eq!(desk.ok(&format!("query bare balance --input-hex {balance}")), format!("0x{:064x}\n", 18));
    let told = desk.fails(4, &format!("deploy other {bare} 1000"));
    assert!(told.contains("--input-hex") && told.contains("--abi"), "{told}");
}

#[test]
fn status_and_metrics_tell_of_every_runtime() {
    let desk = Desk::new();
    let (code, object) = desk.json("status");
    assert_eq!((code, object["status"]["state"].as_str()), (0, Some("running")));
    let told = desk.ok("status") + &desk.ok("metrics");
    for word in ["native", "wasm", "evm", "height", "schedule", "commits"] {
        assert!(told.contains(word), "no {word} in\n{told}");
    }
    let status = &object["status"];
    assert_eq!(status["contracts"]["active"], 0, "{status}");
    assert_eq!(status["limits"]["execution_timeout_ms"], 30_000.0, "{status}");
    for runtime in ["wasm", "evm"] {
        assert!(status["runtimes"][runtime]["details"]["memory_limit"].is_string(), "{status}");
    }
}

#[test]
fn counters_are_summed_over_processes_until_they_are_reset() {
    let [_, token, _] = Token::all();
    let desk = Desk::new();
    desk.ok(&format!("deploy token {} --from alice 10", token.v1));
    desk.ok("invoke token transfer --from alice bob 1");
    desk.ok("query token balance_of bob");
    desk.fails(3, "invoke token transfer --from alice bob 11");
    desk.fails(4, "invoke token fly");
    let (_, object) = desk.json("metrics");
    let (metrics, wasm) = (&object["metrics"], &object["metrics"]["runtimes"]["wasm"]);
    assert_eq!((&wasm["succeeded"], &wasm["reverted"], &metrics["refused"]), (&json!(3), &json!(1), &json!(1)));
    assert!(wasm["gas_used"].as_u64() > Some(0) && wasm["duration_ms"].as_f64() > Some(0.0), "{object}");
    assert!(metrics["committed"].as_u64() >= Some(2), "{object}");
    assert_eq!(desk.json("metrics").1["metrics"]["runtimes"], metrics["runtimes"], "looking counts nothing");
    desk.ok("metrics --reset");
    assert_eq!(desk.json("metrics").1["metrics"]["runtimes"]["wasm"]["succeeded"], 0);
    // Counters that are damaged begin anew, and stop nothing.
    desk.file("vm-data/metrics.json", "{");
    assert!(desk.run("metrics").stderr.contains("cannot read the counters"));
    assert_eq!(desk.ok("query token balance_of bob"), "1\n");
}

#[test]
fn output_that_nobody_takes_is_no_panic() {
    let desk = Desk::new();
    for words in ["completions bash", "list"] {
        // The reader is gone before a word was written.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let done = desk.command(words).stdout(writer).output().unwrap();
        assert_eq!((done.status.code(), done.stderr.len()), (Some(0), 0), "{words}");
        let Ok(full) = std::fs::File::options().write(true).open("/dev/full") else {
            eprintln!("skipped: there is no /dev/full");
            continue;
        };
        let done = desk.command(words).stdout(full).output().unwrap();
        let told = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(5), "{words}: {told}");
        assert!(told.contains("cannot write the result to standard output") && !told.contains("panicked"), "{told}");
    }
}

#[test]
fn init_writes_a_configuration_that_works_and_replaces_none() {
    let desk = Desk::new();
    for file in ["vm.toml", "vm.yaml"] {
        desk.ok(&format!("init {file}"));
        assert!(desk.fails(2, &format!("init {file}")).contains("replace it with --force"));
        desk.ok(&format!("init {file} --force"));
        assert_eq!(desk.ok(&format!("list --config {file}")), "no contracts\n");
    }
    assert!(desk.fails(2, "init vm.json").contains("expected .toml, .yaml or .yml"));
    assert!(desk.path().join("vm-data").is_dir());
}

#[test]
fn the_data_directory_is_where_it_is_said_to_be() {
    let (desk, other) = (Desk::new(), Desk::new());
    let [native, ..] = Token::all();
    let folder = other.path().join("elsewhere").display().to_string();
    desk.ok(&format!("deploy token {} 5 --data-dir {folder}", native.v1));
    assert_eq!(desk.ok("list"), "no contracts\n");
    assert_eq!(Done::of(desk.command("list").env("VM_HOST_DATA_DIR", &folder)).stdout.lines().count(), 2);
}

#[test]
fn help_names_the_exit_codes_and_completions_the_commands() {
    let desk = Desk::new();
    let help = desk.ok("--help");
    for line in ["3  the contract failed", "4  refused", "5  host fault"] {
        assert!(help.contains(line), "{help}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = desk.ok(&format!("completions {shell}"));
        assert!(script.contains("upgrade") && script.contains("unfreeze"), "{shell}");
    }
    assert_eq!(desk.run("fly").code, 2);
    let (code, error) = desk.json("fly");
    assert_eq!(
        (code, error["error"]["class"].as_str(), error["error"]["code"].as_str()),
        (2, Some("usage"), Some("usage"))
    );
    assert!(error["error"]["message"].as_str().unwrap().contains("unrecognized subcommand 'fly'"), "{error}");
    assert_eq!(desk.run("list --log ][").code, 2);
}

#[test]
fn nothing_is_coloured_off_a_terminal() {
    let desk = Desk::new();
    let done = desk.run("show nothing");
    assert!(!format!("{}{}", done.stdout, done.stderr).contains('\x1b'), "{done:?}");
}
