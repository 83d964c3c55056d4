//! A contract's whole life, on every runtime, with a new process for each step.

use super::Desk;
use super::contracts::Token;

#[test]
fn a_token_lives_on_every_runtime() {
    Token::all().iter().for_each(live);
}

#[test]
fn a_token_lives_in_a_container() {
    Token::docker().iter().for_each(live);
}

fn live(token: &Token) {
    let desk = Desk::new();
    if let Some(config) = &token.config {
        desk.file("vm.toml", config);
    }
    let balance = |account: &str| desk.ok(&format!("query token {} {account}", token.balance_of));
    let runtime = token.runtime;

    // Tried, which leaves nothing.
    let deploy = format!("deploy token {} --runtime {runtime} --version 1.0.0 --from alice 1000", token.v1);
    let tried = desk.ok(&format!("{deploy} --dry-run"));
    assert!(tried.contains("would have deployed token 1.0.0") && tried.contains("nothing was changed"), "{tried}");
    assert!(desk.fails(4, "show token").contains("there is no contract 'token'"), "{runtime}");

    // Deployed: the supply is the caller's.
    let deployed = desk.ok(&deploy);
    assert!(deployed.starts_with("✓ deployed token 1.0.0\n"), "{runtime}: {deployed}");
    assert_eq!((balance("alice"), balance("bob")), ("1000\n".into(), "0\n".into()), "{runtime}");

    // A transfer, positional and named.
    desk.ok("invoke token transfer --from alice bob 300");
    desk.ok("invoke token transfer --from alice --arg amount=100 --arg to=bob");
    assert_eq!((balance("alice"), balance("bob")), ("600\n".into(), "400\n".into()), "{runtime}");

    // One that must fail changes nothing and has the contract's exit code.
    let failed = desk.fails(3, "invoke token transfer --from bob alice 401");
    assert!(failed.contains(&token.reason(400, 401)), "{runtime}: {failed}");
    assert_eq!((balance("alice"), balance("bob")), ("600\n".into(), "400\n".into()), "{runtime}");

    // A query keeps nothing of what a method changes.
    desk.run("query token transfer --from alice bob 1");
    assert_eq!(balance("bob"), "400\n", "{runtime}");

    // Frozen: refused; unfrozen: accepted. Only the owner may.
    let denied = desk.fails(4, "freeze token --from bob");
    assert!(denied.contains("only its owner may"), "{runtime}: {denied}");
    desk.ok("freeze token --from alice");
    let refused = desk.fails(4, "invoke token transfer --from alice bob 1");
    assert!(refused.contains("contract 'token' is frozen and cannot be called"), "{runtime}: {refused}");
    desk.ok("unfreeze token --from alice");

    // Granted to somebody, and taken back.
    let granted = |rule: &str| {
        let done = desk.command("grant token call").args([rule, "--from", "alice"]).output().unwrap();
        assert!(done.status.success(), "{runtime}: {}", String::from_utf8_lossy(&done.stderr));
    };
    granted("callers(alice)");
    let denied = desk.fails(4, "invoke token transfer --from bob alice 1");
    assert!(denied.contains("of contract 'token': only 0x"), "{runtime}: {denied}");
    granted("anyone");

    // Upgraded: the state is kept and migrated, and there is a new method. First only tried, on the last calls.
    let upgrade = format!("upgrade token {} --version 2.0.0 --from alice --reason burning", token.v2);
    let tried = desk.ok(&format!("{upgrade} --dry-run --replay 2"));
    assert!(tried.contains("of 2 calls differ; nothing was changed"), "{runtime}: {tried}");
    let upgraded = desk.ok(&upgrade);
    assert!(upgraded.starts_with("✓ upgraded token to 2.0.0\n"), "{runtime}: {upgraded}");
    assert_eq!(desk.ok(&format!("query token {}", token.schema_version)), "2\n", "{runtime}");
    desk.ok("invoke token burn --from bob 150");
    assert_eq!((balance("alice"), balance("bob")), ("600\n".into(), "250\n".into()), "{runtime}");
    assert_eq!(desk.ok(&format!("query token {}", token.total_supply)), "850\n", "{runtime}");

    // What is shown of it.
    let list = desk.ok("list");
    assert!(list.lines().count() == 2 && list.contains("2.0.0") && list.contains(runtime), "{runtime}: {list}");
    let shown = desk.ok("show token");
    for part in ["active", &format!("1.0.0  {runtime} "), &format!("2.0.0  {runtime} "), "burn"] {
        assert!(shown.contains(part), "{runtime}: no {part:?} in\n{shown}");
    }

    // Its state has the new form already.
    let why = if runtime == "evm" { "UnexpectedSchema(found: 2)" } else { "expected state of schema 1, found 2" };
    let refused = desk.fails(3, "migrate token 1.0.0 --from alice");
    assert!(refused.contains(why), "{runtime}: {refused}");

    // Back to what was there before, and forward again.
    let unknown = desk.fails(4, "rollback token 3.0.0 --from alice");
    assert!(unknown.contains("never had a version '3.0.0'; its versions are 1.0.0, 2.0.0"), "{runtime}: {unknown}");
    desk.ok("rollback token 1.0.0 --from alice --reason regret");
    desk.fails(4, "invoke token burn --from bob 1");
    assert_eq!(balance("bob"), "250\n", "{runtime}");
    desk.fails(4, &format!("upgrade token {} --version 2.0.0 --from alice", token.v2));
    desk.ok("rollback token 2.0.0 --from alice");
    desk.ok("invoke token burn --from bob 1");

    // What was done with it, and what was refused.
    let history = desk.ok("history token");
    for part in ["1.0.0 → 2.0.0", "burning", "2.0.0 → 1.0.0", "regret", "active → frozen", "only its owner may"] {
        assert!(history.contains(part), "{runtime}: no {part:?} in\n{history}");
    }
    let (_, history) = desk.json("history token --last 2");
    let done: Vec<_> = history["history"].as_array().unwrap().iter().map(|entry| &entry["operation"]).collect();
    assert_eq!(done, ["rollback", "rollback"], "{runtime}: {history}");

    // Revoked, for good.
    desk.ok("revoke token --from alice");
    desk.fails(4, &format!("query token {} alice", token.balance_of));
    let refused = desk.fails(4, "unfreeze token --from alice");
    assert!(refused.contains("a contract that is revoked cannot become active"), "{runtime}: {refused}");
    let refused = desk.fails(4, "rollback token 1.0.0 --from alice");
    let told = "a contract that is revoked is neither upgraded nor rolled back nor migrated any more";
    assert!(refused.contains(told), "{runtime}: {refused}");
}

#[test]
fn a_migration_that_was_skipped_is_made_up_for() {
    for token in Token::everywhere() {
        let desk = Desk::new();
        desk.file("vm.toml", token.config("[vm.access]\nadministrators = \"callers(root)\"\n"));
        let runtime = token.runtime;
        desk.ok(&format!("deploy token {} --runtime {runtime} --version 1 --from alice 1000", token.v1));
        let skipped = format!("upgrade token {} --version 2 --skip-migration --from root", token.v2);
        let denied = desk.fails(4, &skipped.replace("root", "alice"));
        let told = "may not skip the migration of contract 'token': only the host's administrators may: only 0x";
        assert!(denied.contains(told), "{runtime}: {denied}");
        desk.ok(&skipped);
        let schema = || desk.ok(&format!("query token {}", token.schema_version));
        let denied = desk.fails(4, "migrate token 1 --from bob");
        assert!(denied.contains("may not migrate contract 'token': only its owner may"), "{runtime}: {denied}");
        let unknown = desk.fails(4, "migrate token 7 --from alice");
        assert!(unknown.contains("never had a version '7'; its versions are 1, 2"), "{runtime}: {unknown}");
        let tried = desk.ok("migrate token 1 --from alice --dry-run");
        assert!(tried.contains("would have migrated token from 1"), "{runtime}: {tried}");
        assert_eq!(schema(), "1\n", "{runtime}");
        let migrated = desk.ok("migrate token 1 --from alice --reason afterwards");
        assert!(migrated.starts_with("✓ migrated token from 1\n"), "{runtime}: {migrated}");
        assert_eq!(schema(), "2\n", "{runtime}");
        let history = desk.ok("history token");
        for part in ["upgrade without its migration", "migrate from 1", "afterwards", "may not migrate"] {
            assert!(history.contains(part), "{runtime}: no {part:?} in\n{history}");
        }
        // A migration down is the business of the code that is left, which here knows none.
        let down = desk.fails(3, "rollback token 1 --migrate --from alice");
        let why = if runtime == "evm" { "UnexpectedSchema(found: 2)" } else { "expected state of schema 1, found 2" };
        assert!(down.contains(why), "{runtime}: {down}");
        desk.ok("rollback token 1 --from alice");
        let none = desk.fails(4, "migrate token 2 --from alice");
        assert!(none.contains("its current version has no migration"), "{runtime}: {none}");
    }
}

#[test]
fn every_change_and_every_version_can_be_seen() {
    let desk = Desk::new();
    desk.file("vm.toml", "[vm.access]\nadministrators = \"callers(root)\"\n");
    let [wasm, native] =
        ["wasm", "native"].map(|kind| Token::all().into_iter().find(|token| token.runtime == kind).unwrap());
    desk.ok(&format!("deploy token {} --version 1 --from alice 1000", wasm.v1));
    desk.ok("grant token freeze anyone --from alice --reason open");
    desk.ok("govern room token --keys 10 --bytes 1000 --from root");
    let hint = desk.fails(2, &format!("upgrade token {} --version 2 --from alice", native.v2));
    assert!(hint.contains("token-v2 is code for native, and contract token runs on wasm"), "{hint}");
    assert!(hint.contains("--change-runtime --runtime native"), "{hint}");
    // The name of what is linked tells the runtime.
    desk.ok(&format!("upgrade token {} --version 2 --change-runtime --from alice", native.v2));
    let hint = desk.fails(2, &format!("upgrade token {} --version 3 --from alice", wasm.v2));
    assert!(hint.contains("runs on native") && hint.contains("--change-runtime --runtime wasm"), "{hint}");
    let evm = &Token::all()[2].v2;
    let hint = desk.fails(2, &format!("upgrade token {evm} --version 3 --from alice"));
    assert!(hint.contains("is code for evm, and contract token runs on native; give code for native\n"), "{hint}");
    let history = desk.ok("history token");
    for part in [
        "runtime wasm, code ",
        "policy 0 → 1",
        "freeze: owner → anyone",
        "room unbounded → 10 keys and 1,000 bytes",
        "runtime wasm → native, code ",
    ] {
        assert!(history.contains(part), "no {part:?} in\n{history}");
    }
    let (_, told) = desk.json("history token");
    let rules: Vec<_> = told["history"].as_array().unwrap().iter().map(|entry| entry["rules"].to_string()).collect();
    assert_eq!(rules, ["[]", "[\"freeze: owner → anyone\"]", "[]", "[]"]);
    let policy = desk.ok("policy token --version 1");
    assert!(policy.starts_with("version 1, by 0x") && policy.contains(": open\n"), "{policy}");
    desk.fails(4, "govern deploy nobody --from mallory");
    assert!(desk.ok("policy").contains("refused") && !desk.ok("policy --version 0").contains("refused"));

    // Each version's code is there, and what it was when it was deployed.
    let versions = desk.json("show token").1["versions"].as_array().unwrap().clone();
    let shown = desk.ok("show token");
    for version in &versions {
        assert!(shown.contains(version["code"].as_str().unwrap()), "{shown}");
    }
    let told = desk.ok("code token --version 1 --output kept.wasm");
    assert!(told.starts_with("token 1\n") && told.contains(", in kept.wasm"), "{told}");
    assert_eq!(std::fs::read(desk.path().join("kept.wasm")).unwrap(), std::fs::read(&wasm.v1).unwrap());
    assert_eq!(desk.json("code token").1["code"], versions[1]["code"]);
    assert!(desk.fails(4, "code token --version 9").contains("never had a version '9'; its versions are 1, 2"));
    assert!(desk.fails(2, "code token --version 1 --abi abi.json").contains("was deployed without an ABI"));
    let told = desk.fails(2, "deploy x contract_mnager");
    assert!(
        told.contains("no contract of this name is linked; those are: ") && told.contains("contract_manager"),
        "{told}"
    );
}

#[test]
fn the_runtime_is_told_by_the_file() {
    let desk = Desk::new();
    for (number, token) in Token::all().into_iter().enumerate() {
        let (code, receipt) = desk.json(&format!("deploy token-{number} {} 1000", token.v1));
        assert_eq!((code, receipt["runtime"].as_str()), (0, Some(token.runtime)), "{receipt}");
    }
    assert_eq!(desk.ok("list").lines().count(), 4);
}

#[test]
fn the_same_input_gives_the_same_receipt_in_every_process() {
    for token in Token::everywhere() {
        let digests: Vec<String> = (0..2)
            .map(|_| {
                let desk = Desk::new();
                desk.file("vm.toml", token.config(""));
                desk.ok(&format!("deploy token {} --from alice 1000", token.v1));
                desk.json("invoke token transfer --from alice bob 300").1["digest"].to_string()
            })
            .collect();
        assert_eq!(digests[0], digests[1], "{}", token.runtime);
    }
}
