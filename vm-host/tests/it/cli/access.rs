//! Who may do what, from the configuration and by commands.

use super::contracts::Token;
use super::{Desk, Done};

const CONFIG: &str = r#"
[vm.access]
deploy = "callers(alice)"
administrators = "majority(admin)"
[vm.access.contracts]
freeze = "owner or role(auditor of org2)"
[vm.access.organisations.org1]
admin = ["ann"]
[vm.access.organisations.org2]
admin = ["bob"]
auditor = ["eve"]
"#;

#[test]
fn policies_hold_on_every_runtime() {
    for token in Token::everywhere() {
        let desk = Desk::new();
        desk.file("vm.toml", token.config(CONFIG));
        let runtime = token.runtime;
        let deploy = format!("deploy token {} --runtime {runtime} 1000", token.v1);
        let denied = desk.fails(4, &format!("{deploy} --from bob"));
        assert!(denied.contains("may not deploy contract 'token': only 0x"), "{runtime}: {denied}");
        desk.ok(&format!("{deploy} --from alice"));

        // What contracts begin with.
        desk.ok("freeze token --from eve --reason suspicion");
        let denied = desk.fails(4, "revoke token --from eve");
        assert!(denied.contains("only its owner may"), "{runtime}: {denied}");
        desk.ok("unfreeze token --from alice");

        // One method, one caller.
        let transfer = if runtime == "evm" { "call:transfer(address,uint256)" } else { "call:transfer" };
        let granted =
            desk.command("grant token").args([transfer, "callers(alice)", "--from", "alice"]).output().unwrap();
        assert!(granted.status.success(), "{runtime}: {}", String::from_utf8_lossy(&granted.stderr));
        // Once more is no error, and no entry of the history.
        let history = desk.ok("history token");
        let mut again = desk.command("grant token --json");
        let again = Done::of(again.args([transfer, "callers(alice)", "--from", "alice"])).stdout;
        let again: serde_json::Value = serde_json::from_str(&again).unwrap();
        assert_eq!((&again["ok"], &again["changed"]), (&true.into(), &false.into()), "{again}");
        assert!(again["already"][0].as_str().unwrap().ends_with("already"), "{again}");
        assert_eq!(desk.ok("history token"), history);
        desk.ok("invoke token transfer --from alice bob 300");
        let denied = desk.fails(4, "invoke token transfer --from bob alice 1");
        assert!(denied.contains("of contract 'token': only 0x"), "{runtime}: {denied}");
        desk.ok(&format!("query token {} bob", token.balance_of));
        let policy = desk.ok("policy token");
        assert!(policy.contains("owner or role(auditor of org2)") && policy.contains("callers(0x"), "{policy}");
        let method = if runtime == "evm" { "call:0xa9059cbb transfer(address,uint256)  " } else { "call:transfer  " };
        assert!(policy.contains(method) && desk.ok("show token").contains(method.trim_end()), "{policy}");
        let taken = desk.command("grant token").args(["--clear", transfer, "--from", "alice"]).output().unwrap();
        assert!(taken.status.success(), "{runtime}: {}", String::from_utf8_lossy(&taken.stderr));
        desk.ok("invoke token transfer --from bob alice 1");

        // All of it is in the history, and what was refused.
        let history = desk.ok("history token");
        for part in ["grant", "suspicion", "refused", "only its owner may"] {
            assert!(history.contains(part), "{runtime}: no {part:?} in\n{history}");
        }
    }
}

#[test]
fn the_host_is_governed_by_a_majority() {
    let desk = Desk::new();
    desk.file("vm.toml", CONFIG);
    let denied = desk.fails(4, "govern deploy anyone --from ann");
    assert!(
        denied.contains("more than half of 2 organisations must endorse it by their 'admin', and 1 did"),
        "{denied}"
    );
    desk.ok("govern deploy anyone --from ann --endorsed-by bob --reason opening");
    let opened = desk.ok("policy");
    let mut endorsers = [vm_core::Address::from_name("ann"), vm_core::Address::from_name("bob")];
    endorsers.sort();
    assert!(opened.contains(&format!(", endorsed by {}, {}: opening", endorsers[0], endorsers[1])), "{opened}");
    desk.ok("govern enrol org1 auditor eve --from ann --endorsed-by bob");
    desk.ok("govern contracts call owner --from bob --endorsed-by ann");
    let policy = desk.ok("policy");
    for part in [
        "deploy",
        "anyone",
        "auditor of org1",
        "call            owner",
        "refused",
        "change the host's policy: permission",
    ] {
        assert!(policy.contains(part), "no {part:?} in\n{policy}");
    }
    assert!(policy.starts_with("version 4, by 0x"), "{policy}");
    let opening = desk.ok("policy --version 2");
    assert!(opening.contains(": opening\n") && !opening.contains("auditor of org1"), "{opening}");
    assert!(desk.fails(2, "policy --version 9").contains("no version 9 of the policy; the newest is version 4"));
    let token = &Token::all()[0];
    // Its constructor emits an event.
    let deploy = format!("deploy token {} --from zoe 1000 --capabilities", token.v1);
    let failed = desk.fails(3, &format!("{deploy} state,time"));
    assert!(
        failed.contains("the contract was deployed without the capability 'events'; capabilities are granted"),
        "{failed}"
    );
    desk.ok(&format!("{deploy} events"));
    assert!(desk.ok("show token").contains("may use   events"));
    let denied = desk.fails(4, &format!("query token {} bob --from bob", token.balance_of));
    assert!(denied.contains("only its owner may"), "{denied}");
}

#[test]
fn a_contracts_state_is_bounded_by_administrators() {
    for token in Token::everywhere() {
        let desk = Desk::new();
        desk.file("vm.toml", token.config("[vm.access]\nadministrators = \"callers(root)\"\n"));
        desk.ok(&format!("deploy token {} --runtime {} --from alice 1000", token.v1, token.runtime));
        let bound = "govern room token --keys 3 --bytes 1000";
        desk.fails(4, &format!("{bound} --from alice"));
        let before = desk.ok("policy");
        assert_eq!(desk.ok(&format!("{bound} --from root")), "✓ token may have 3 keys and 1,000 bytes\n");
        assert_eq!(
            desk.ok(&format!("{bound} --from root")),
            "✓ token may have 3 keys and 1,000 bytes, unchanged: contract 'token' may have 3 keys and 1000 bytes already\n"
        );
        // It is the contract that has changed, and its history that tells who was refused.
        assert_eq!(desk.ok("policy"), before);
        let history = desk.ok("history token");
        assert!(
            history.contains("bound the state of contract") && history.contains("room unbounded → 3 keys"),
            "{history}"
        );
        assert!(desk.ok("show token").contains("3 keys and 1,000 bytes"));
        // The supply, the owner's balance, and the schema are three keys, or slots.
        let full = desk.fails(3, "invoke token transfer --from alice bob 300");
        let address = vm_core::ContractName::new("token").unwrap().address();
        let told = format!("contract {address} may have 3 keys, has 3, and would have 4; delete some");
        assert!(full.contains("the contract's state has no more room") && full.contains(&told), "{full}");
        let told = desk.ok("govern room token --from root");
        assert_eq!(told, "✓ token may have as much state as it needs\n");
        desk.ok("invoke token transfer --from alice bob 300");
    }
}

#[test]
fn quotas_refuse_with_the_limit_and_are_no_matter_of_the_contract() {
    let desk = Desk::new();
    desk.file("vm.toml", "[vm.quotas.caller]\ngas_per_call = 5000000\n");
    let token = &Token::all()[0];
    // A deployment costs more than a call may.
    desk.ok(&format!("deploy token {} --from alice 1000", token.v1));
    desk.ok("invoke token transfer --from alice bob 1");
    let (code, told) = desk.json("invoke token transfer --from alice bob 1 --gas 5000001");
    let told = told.to_string();
    assert_eq!(code, 5, "{told}");
    assert!(told.contains("5000001 gas are asked for, and the limit of a call is 5000000"), "{told}");
    let refused = desk.fails(5, "query token balance_of bob --gas 6000000");
    assert!(refused.contains("; ask for less") && !refused.contains("try again"), "{refused}");
    desk.ok("freeze token --from alice");
}

/// What a process counts it forgets: only what is asked by call holds for commands, and a host that goes on running holds the rest.
#[test]
fn rates_and_windows_are_for_hosts_that_go_on_running() {
    let desk = Desk::new();
    desk.file(
        "vm.toml",
        "[vm.quotas.caller]\nburst = 1\nevery = \"1day\"\ngas_per_window = 20000\nwindow = \"1day\"\n",
    );
    let token = &Token::all()[0];
    desk.ok(&format!("deploy token {} --from alice 1000", token.v1));
    for _ in 0..2 {
        desk.ok("invoke token transfer --from alice bob 1");
    }
    // But no call asks for more than there may be in all.
    let refused = desk.fails(5, "invoke token transfer --from alice bob 1 --gas 20001");
    assert!(refused.contains("the limit of all calls in 86400 s is 20000"), "{refused}");
}

#[test]
fn several_changes_are_one_operation_or_none() {
    let desk = Desk::new();
    desk.file("vm.toml", CONFIG);
    let token = &Token::all()[1];
    desk.ok(&format!("deploy token {} --from alice 1000", token.v1));
    let run = |words: &str, args: &[&str]| Done::of(desk.command(words).args(args));
    let granted = run("grant token --from alice --reason both", &["freeze", "role(auditor)", "call:approve", "owner"]);
    assert_eq!(granted.stdout, "✓ token has policy 2\n", "{}", granted.stderr);
    let several = ["revoke", "nobody", "call:transfer", "owner", "--clear", "approve", "--clear", "call:nosuch"];
    let refused = run("grant token --from alice", &several);
    assert!(refused.code == 4 && refused.stderr.contains("unknown method 'nosuch'"), "{}", refused.stderr);
    let policy = desk.ok("policy token");
    assert!(policy.contains("call:approve    owner") && !policy.contains("nobody"), "{policy}");
    let granted = run("grant token --from alice", &several[..6]);
    assert_eq!(granted.stdout, "✓ token has policy 3\n", "{}", granted.stderr);
    let policy = desk.ok("policy token");
    assert!(!policy.contains("approve") && policy.contains("call:transfer   owner"), "{policy}");
    let part = run("grant token --from alice", &["revoke", "nobody", "freeze", "owner"]);
    assert!(
        part.stdout.starts_with("✓ token has policy 4, of which was so: the rule of revoke is "),
        "{}",
        part.stdout
    );
    let odd = run("grant token", &["freeze", "owner", "revoke"]);
    assert!(odd.code == 2 && odd.stderr.contains("the last one, 'revoke', has none"), "{}", odd.stderr);
    let wrong = run("grant token", &["frieze", "owner"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("invalid RIGHT: 'frieze' is no right"), "{}", wrong.stderr);
    assert_eq!(desk.fails(2, "grant token").matches("required").count(), 1);

    let by = ["--from", "ann", "--endorsed-by", "bob"];
    let all = |changes: &[&str]| Done::of(desk.command("govern all --json").args(changes).args(by));
    let done = all(&["enrol org3 admin cat", "contracts freeze administrators", "bound token 8 900"]);
    let told: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&told["policy"]["version"], &told["contract"]["room"]["keys"]), (&2.into(), &8.into()), "{told}");
    let refused = all(&["unbound token", "administrators role(nobody_has_it)"]);
    assert!(refused.code == 4 && refused.stdout.contains("nobody could meet the rule"), "{}", refused.stdout);
    assert!(desk.ok("show token").contains("8 keys and 900 bytes"));
    assert_eq!(desk.fails(2, "govern all frieze").matches("is no change of the host").count(), 1);
}

#[test]
fn the_history_of_the_host_tells_what_each_version_changed() {
    let desk = Desk::new();
    assert_eq!(desk.ok("history"), "the host's policy is the default one, and was not changed\n");
    desk.file("vm.toml", CONFIG);
    let desk = Desk::new();
    desk.file("vm.toml", CONFIG);
    desk.ok("govern deploy anyone --from ann --endorsed-by bob --reason opening");
    desk.ok("govern dismiss org2 auditor eve --from ann --endorsed-by bob");
    desk.ok("govern contracts call:mint owner --from ann --endorsed-by bob");
    desk.fails(4, "govern deploy nobody --from eve");
    let history = desk.ok("history");
    let alice = vm_core::Address::from_name("alice");
    for part in [
        "configuration",
        &format!("deploy: anyone → callers({alice})"),
        "contracts freeze: owner → owner or role(auditor of org2)",
        &format!("enrol org1 admin {}", vm_core::Address::from_name("ann")),
        &format!("deploy: callers({alice}) → anyone"),
        "opening",
        &format!("dismiss org2 auditor {}", vm_core::Address::from_name("eve")),
        "contracts call:mint: no rule of its own → owner",
        "ENDORSED BY",
        "refused",
    ] {
        assert!(history.contains(part), "no {part:?} in\n{history}");
    }
    let (_, last) = desk.json("history --last 2");
    let entries = last["history"].as_array().unwrap();
    assert_eq!(entries.iter().map(|entry| &entry["version"]).collect::<Vec<_>>(), [3, 4], "{last}");
    assert_eq!(entries[1]["changes"], serde_json::json!(["contracts call:mint: no rule of its own → owner"]));
    assert_eq!((entries[1]["endorsers"].as_array().unwrap().len(), last["refused"].as_array().unwrap().len()), (2, 1));
}

/// Without an ABI nobody knows which functions have the name; where that would open them, the contract is not deployed.
#[test]
fn rules_of_the_host_by_name_and_code_without_abi() {
    let evm = &Token::all()[2];
    let bare = evm.v1.split_whitespace().next().unwrap();
    let supply = format!("--input-hex {:064x}", 1000);
    let desk = Desk::new();
    desk.file(
        "vm.toml",
        "[vm.access]\nadministrators = \"callers(root)\"\n[vm.access.contracts]\n\"call:transfer\" = \"owner\"\n",
    );
    let refused = desk.fails(4, &format!("deploy token {bare} {supply} --from alice"));
    assert!(
        refused.contains("'transfer': the host's policy has 'owner'") && refused.contains("deploy it with its ABI")
    );
    assert_eq!(desk.json(&format!("deploy token {bare} {supply} --from alice")).1["error"]["code"], "policy");
    assert_eq!(desk.ok("list"), "no contracts\n");
    desk.ok(&format!("deploy token {} --from alice 1000", evm.v1));
    assert!(desk.fails(4, "invoke token transfer bob 1 --from bob").contains("only its owner may"));
    // Where nobody may do more for it, it is deployed and the answer warns.
    desk.ok("govern contracts call nobody --from root");
    let (code, told) = desk.json(&format!("deploy bare {bare} {supply} --from alice"));
    let warning = told["warnings"][0].as_str().unwrap();
    assert!(code == 0 && warning.contains("rules by name are for: transfer: owner"), "{told}");
    assert!(desk.ok(&format!("deploy other {bare} {supply}")).contains("\n  warning  without an ABI"));
    // Rules that came later are not its own, which is shown.
    desk.ok("govern contracts call:approve owner --from root");
    let shown = desk.ok("show token");
    assert!(
        shown.contains("  warning   the host has rules for methods of new contracts that this contract has"),
        "{shown}"
    );
    assert_eq!(desk.json("show token").1["warnings"].as_array().unwrap().len(), 1);
}

#[test]
fn mistakes_in_rules_are_told_with_what_was_expected() {
    let desk = Desk::new();
    let token = &Token::all()[0];
    desk.ok(&format!("deploy token {} --from alice 1000", token.v1));
    let told = desk.fails(2, "grant token call everyone --from alice");
    assert!(told.contains("expected anyone, nobody, owner"), "{told}");
    desk.file(
        "vm.toml",
        "[vm.access]\nfreeze = \"owner\"\n[vm.access.contracts]\nfrieze = \"owner\"\n[vm.access.organisations]\n",
    );
    let told = desk.fails(2, "list");
    assert!(told.contains("it belongs under `contracts`") && told.contains("'frieze' is no right"), "{told}");
}

/// In a call on each runtime, and in a constructor, by a contract that goes on and by one that fails.
#[test]
fn what_contracts_are_refused_is_in_the_history() {
    let [native, ..] = Token::all();
    let desk = Desk::new();
    desk.ok(&format!("deploy token {} --runtime native --from alice 1000", native.v1));
    desk.ok("grant token call callers(bob) --from alice");
    let token = vm_core::ContractName::new("token").unwrap().address().to_string();
    // PUSH4 selector PUSH1 224 SHL PUSH1 0 MSTORE, CALL with these four bytes, POP, and REVERT or RETURN of one byte.
    let creation = |ends: &str| format!("63a9059cbb60e01b6000526000600060046000600073{}5af150{ends}", &token[2..]);
    let (fails, goes_on) =
        (desk.file("fails.bin", creation("60006000fd")), desk.file("goes-on.bin", creation("60016000f3")));
    let probe = super::artifact("probe.wasm");
    desk.ok("deploy n probe --runtime native --arg message=");
    desk.ok(&format!("deploy w {} --arg message=", probe.display()));
    let mut expected = Vec::new();
    for (contract, words, code) in [
        ("n", "invoke n forward token transfer 0x", 3),
        ("w", "invoke w forward token transfer 0x", 3),
        ("w", "query w forward token transfer 0x", 3),
        ("w", "invoke w forward token transfer 0x --dry-run", 3),
        ("e", &format!("deploy e {fails}"), 3),
        ("e", &format!("deploy e {fails} --dry-run"), 3),
        ("e", &format!("deploy e {goes_on} --reason try"), 0),
    ] {
        let (found, told) = desk.json(words);
        assert_eq!(found, code, "{words}: {told}");
        let receipt = if told["receipt"].is_object() { &told["receipt"] } else { &told };
        let denials = receipt["denials"].as_array().unwrap();
        let actor = vm_core::ContractName::new(contract).unwrap().address().to_string();
        assert_eq!((denials.len(), denials[0]["actor"].as_str()), (1, Some(&*actor)), "{words}: {told}");
        assert!(denials[0]["why"].as_str().unwrap().contains("contract 'token': only 0x"), "{words}: {told}");
        expected.push((actor, if words.contains("--dry-run") { "try to call" } else { "call" }));
    }
    let (_, history) = desk.json("history token");
    let refused = history["refused"].as_array().unwrap();
    let found = refused.iter().map(|one| {
        let (actor, action) = (one["actor"].as_str().unwrap(), one["action"].as_str().unwrap());
        (actor.to_owned(), if action.starts_with("try to call ") { "try to call" } else { &action[..4] })
    });
    let found: Vec<_> = found.collect();
    assert_eq!(found, expected);
    assert!(desk.fails(3, "invoke w forward token transfer 0x").contains("  refused  0x"), "people see it, too");
}

/// By a contract that goes on, and by one that traps.
#[test]
fn a_missing_capability_is_in_the_history() {
    let desk = Desk::new();
    desk.ok("deploy n probe --runtime native --arg message= --capabilities none");
    desk.ok(&format!("deploy w {} --arg message= --capabilities none", super::artifact("probe.wasm").display()));
    for contract in ["n", "w"] {
        let (code, told) = desk.json(&format!("invoke {contract} attempt nobody nothing 0x"));
        assert_eq!((code, told["denials"].as_array().unwrap().len()), (0, 1), "{told}");
        let trapped = desk.fails(3, &format!("invoke {contract} emit topic 0x01"));
        assert!(trapped.contains("without the capability 'events'"), "{trapped}");
        let (_, history) = desk.json(&format!("history {contract}"));
        let refused = history["refused"].as_array().unwrap();
        let actor = vm_core::ContractName::new(contract).unwrap().address().to_string();
        assert_eq!(refused.len(), 2, "{history}");
        for (one, capability) in refused.iter().zip(["calls", "events"]) {
            let action = one["action"].as_str().unwrap();
            assert!(action.starts_with(&format!("use the capability '{capability}'")), "{history}");
            assert_eq!(one["actor"], *actor, "{history}");
        }
    }
}
