//! Trying something without doing it.

use super::Desk;
use super::contracts::Token;

/// Calls by address are recorded, and those of a contract whose name begins in the same way are not mixed with them.
#[test]
fn calls_are_recorded_by_contract() {
    let desk = Desk::new();
    let token = &Token::all()[0];
    for name in ["token", "token.1"] {
        desk.ok(&format!("deploy {name} {} --version 1 --from alice 1000", token.v1));
    }
    let (_, shown) = desk.json("show token");
    let address = shown["address"].as_str().unwrap();
    desk.ok(&format!("invoke {address} transfer --from alice bob 1"));
    desk.ok("invoke token.1 transfer --from alice carol 1");
    let upgrade = format!("upgrade token {} --version 2 --from alice --dry-run", token.v2);
    let (_, told) = desk.json(&format!("{upgrade} --replay 10"));
    assert_eq!((&told["calls"]["made"], &told["calls"]["asked_for"]), (&1.into(), &10.into()), "{told}");

    // A trial that is denied is told, and so is what was refused on names that nobody has.
    desk.fails(4, &format!("upgrade token {} --version 2 --from mallory --dry-run --reason probe", token.v2));
    let long = "x".repeat(5_000);
    desk.fails(4, &format!("freeze token --from mallory --reason {long}"));
    desk.fails(4, "freeze nosuch --from mallory");
    let history = desk.ok("history token");
    assert!(history.contains("try to upgrade contract: permission: ") && history.contains("(probe)"), "{history}");
    assert!(history.contains("the reason: 5000 bytes, above the limit of 1024") && history.len() < 4_000, "{history}");
    let history = desk.ok("history nosuch");
    assert!(history.starts_with("there is no contract 'nosuch', and never was\n"), "{history}");
    assert!(history.contains("freeze contract: load: there is no contract 'nosuch'"), "{history}");
    let (_, told) = desk.json("history token --last 1");
    assert_eq!(
        (told["history"].as_array().unwrap().len(), told["refused"].as_array().unwrap().len()),
        (1, 1),
        "{told}"
    );
}

#[test]
fn an_upgrade_is_tried_with_the_last_calls_on_every_runtime() {
    for token in Token::everywhere() {
        let desk = Desk::new();
        desk.file("vm.toml", token.config(""));
        let runtime = token.runtime;
        desk.ok(&format!("deploy token {} --runtime {runtime} --version 1 --from alice 1000", token.v1));
        desk.ok("invoke token transfer --from alice bob 300");
        desk.ok("invoke token transfer --from alice --arg amount=1 --arg to=bob");
        desk.fails(3, "invoke token transfer --from bob alice 500");
        let shown = desk.ok("status --json");

        let told = desk.ok("invoke token transfer --from alice bob 5 --dry-run");
        assert!(told.contains("nothing was changed"), "{runtime}: {told}");
        let upgrade = format!("upgrade token {} --version 2 --from alice --dry-run", token.v2);
        let told = desk.ok(&format!("{upgrade} --replay 3"));
        assert!(told.contains("would have upgraded token to 2"), "{runtime}: {told}");
        assert!(told.contains("of 3 calls differ; nothing was changed"), "{runtime}: {told}");
        let (_, counted) = desk.json(&format!("{upgrade} --replay 3"));
        let in_gas = counted["replayed"].as_array().unwrap().iter().filter(|call| {
            call["differences"].as_array().unwrap().iter().map(|one| &one["what"]).collect::<Vec<_>>() == ["gas"]
        });
        let in_gas = in_gas.count();
        assert_eq!(counted["calls"]["in_gas_alone"], in_gas, "{runtime}: {counted}");
        assert_eq!(
            told.contains(&format!("{in_gas} of 3 calls differ in gas alone\n")),
            in_gas > 0,
            "{runtime}: {told}"
        );
        desk.file("calls.jsonl", "\n{\"from\":\"bob\",\"method\":\"burn\",\"value\":\"x\"}\n");
        let odd = desk.fails(2, &format!("{upgrade} --calls calls.jsonl"));
        assert!(odd.contains("calls.jsonl:2: 'x' is not an amount"), "{odd}");
        let calls = desk.file("calls.jsonl", r#"{"from":"bob","method":"burn","args":["1"]}"#);
        let (code, told) = desk.json(&format!("{upgrade} --calls {calls}"));
        let difference = &told["replayed"][0]["differences"][0];
        assert_eq!((code, difference["what"].as_str()), (0, Some("refusal")), "{runtime}: {told}");
        assert!(difference["before"].as_str().unwrap().contains("unknown method 'burn'"), "{runtime}: {told}");
        desk.file("calls.jsonl", "{\"from\":\"bob\"}\n{\"whence\":\"bob\"}\n");
        let told = desk.fails(2, &format!("{upgrade} --calls {calls}"));
        assert!(told.contains("calls.jsonl:2: not a call: unknown field `whence`"), "{told}");

        // The list of methods that its refusal gives is longer then, but the call is refused in both.
        desk.file("calls.jsonl", r#"{"from":"bob","method":"nosuch"}"#);
        let told = desk.ok(&format!("{upgrade} --calls {calls}"));
        assert!(
            told.contains("1 of 1 calls were refused before and after, and say nothing\n0 of 1 calls differ"),
            "{told}"
        );
        let told = desk.ok(&format!("{upgrade} --replay 99999"));
        assert!(told.contains("3 of the 99,999 calls that were asked for are on record"), "{runtime}: {told}");
        assert!(!told.contains(" 0.0ns"), "{told}");

        assert_eq!(desk.ok("status --json"), shown, "{runtime}: nothing has changed");
        desk.ok("freeze token --from alice");
        let (code, told) = desk.json(&format!("{upgrade} --replay 9"));
        let counts = &told["calls"];
        assert_eq!(
            (code, &counts["thawed"], &counts["made"], &counts["asked_for"]),
            (0, &true.into(), &3.into(), &9.into())
        );
        assert_eq!(
            (&counts["refused_before_and_after"], &told["replayed"][0]["before"]),
            (&0.into(), &"success".into())
        );
        desk.ok("unfreeze token --from alice");
        desk.ok(&format!("upgrade token {} --version 2 --from alice", token.v2));
        let told = desk.ok("rollback token 1 --from alice --dry-run --replay 1");
        assert!(told.contains("would have rolled token back to 1"), "{runtime}: {told}");
    }
}
