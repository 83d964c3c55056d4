//! Operations that several approve, by the command line alone.

use serde_json::json;

use super::contracts::Token;
use super::{Desk, Done};

/// A desk with a token of alice whose upgrade and freezing need two of three, and a host that two organisations govern.
fn desk(token: &Token) -> Desk {
    let desk = Desk::new();
    let config = token.config(
        "[vm.access]\nadministrators = \"majority(admin)\"\n\
         [vm.access.organisations.org1]\nadmin = [\"ann\"]\n[vm.access.organisations.org2]\nadmin = [\"bob\"]\n",
    );
    desk.file("vm.toml", config);
    desk.ok(&format!("deploy token {} --version 1 --from alice 1000", token.v1));
    let quorum = "quorum(2 of ann, bob, cat)";
    let done = Done::of(desk.command("grant token").args(["upgrade", quorum, "freeze", quorum, "--from", "alice"]));
    assert_eq!(done.code, 0, "{}", done.stderr);
    desk
}

#[test]
fn an_upgrade_is_proposed_approved_and_carried_out_on_every_runtime() {
    for token in Token::everywhere() {
        let desk = desk(&token);
        let runtime = token.runtime;
        let missing = desk.fails(4, "proposals");
        assert!(missing.contains("deploy the one that is linked, vm-host deploy multi_sign multi_sign"), "{missing}");
        desk.ok("deploy multi_sign multi_sign");
        assert_eq!(desk.ok("proposals"), "no proposals\n");

        let propose = format!("propose upgrade token {} --version 2 --from ann --reason burning", token.v2);
        if runtime == "docker" {
            // A program of a container is larger than a call's arguments; an image by its digest is not.
            let refused = desk.fails(4, &propose);
            assert!(refused.contains("the encoded arguments: ") && refused.contains("above the limit of 1048576"));
            desk.ok("propose freeze token --from ann");
            desk.ok("approve 1 --from bob");
            desk.ok("execute 1 --from bob");
            let frozen = desk.fails(4, &format!("query token {}", token.total_supply));
            assert!(frozen.contains("contract 'token' is frozen"), "{frozen}");
            continue;
        }
        let (code, told) = desk.json(&propose);
        assert_eq!((code, &told["proposal"]), (0, &json!(1)), "{runtime}: {told}");
        let operation = told["operation"].as_str().unwrap();
        assert!(operation.starts_with("upgrade contract 'token' to version '2' ("), "{runtime}: {operation}");
        let listed = desk.ok("proposals");
        assert!(
            listed.starts_with("1  0x")
                && listed.contains(&format!(" proposes to {operation}; until block 1"))
                && listed.contains("; because: burning; approved by 0x")
        );
        assert_eq!(desk.json("proposals").1["proposals"][0]["id"], 1);

        let refused = desk.fails(3, "approve 1 --from dora");
        assert!(
            refused.contains("the rule 'quorum(2 of 0x") && refused.contains(")' does not ask for the endorsement"),
            "{refused}"
        );
        assert!(desk.fails(3, "execute 1 --from ann").contains("must endorse it, and 1 did"));
        desk.ok("reject 1 --from cat");
        let approved = desk.ok("approve 1 --from bob");
        assert!(approved.starts_with("✓ approved proposal 1 of multi_sign\n"), "{approved}");
        assert!(approved.contains("multi_sign: proposal 1 approved by 0x"), "{approved}");
        let done = desk.ok("execute 1 --from bob");
        assert!(done.starts_with("✓ carried out proposal 1 of multi_sign\n"), "{runtime}: {done}");
        assert_eq!(desk.ok(&format!("query token {}", token.schema_version)), "2\n", "{runtime}");
        assert_eq!(desk.ok("proposals"), "no proposals\n");
        let (_, history) = desk.json("history token --last 1");
        let entry = &history["history"][0];
        assert_eq!(
            (&entry["reason"], entry["endorsers"].as_array().unwrap().len()),
            (&json!("burning"), 2),
            "{history}"
        );
    }
}

/// Whatever can be done can be proposed: arguments are encoded here, and what does not fit is told now.
#[test]
fn every_operation_can_be_proposed() {
    let [_, token, evm] = Token::all();
    let desk = desk(&token);
    desk.ok("deploy board multi_sign");
    let propose = |words: &str, args: &[&str]| {
        let mut command = desk.command(&format!("propose --through board {words}"));
        let done = Done::of(command.args(args).args(["--from", "ann"]));
        assert_eq!(done.code, 0, "{words}: {}{}", done.stdout, done.stderr);
        done.stdout
    };
    for (id, (words, args, told)) in (1..).zip(
        [
            (format!("deploy two {} 7", token.v1), &[][..], "deploy contract 'two', version '1' (wasm code "),
            (
                format!("deploy sol {} 7", evm.v1),
                &["--capabilities", "events"],
                ", input 0x00000000000000000000000000000000000000000000000",
            ),
            ("freeze token".into(), &[], "freeze contract 'token'"),
            ("unfreeze token".into(), &[], "unfreeze contract 'token'"),
            ("revoke token".into(), &[], "revoke contract 'token'"),
            ("rollback token 1".into(), &[], "roll contract 'token' back to version '1'"),
            (
                "grant token".into(),
                &["freeze", "owner", "call:burn", "role(burner of org1)", "--clear", "transfer"],
                "freeze = owner; call:burn = role(burner of org1); call:transfer loses its rule",
            ),
            ("govern".into(), &["enrol", "org3", "admin", "cat"], "change the host: enrol org3 admin 0x"),
            (
                "govern all".into(),
                &["deploy role(admin)", "bound token 9 999"],
                "change the host: deploy role(admin); bound token 9 999",
            ),
        ]
        .into_iter()
        .filter(|(words, ..)| !words.starts_with("migrate")),
    ) {
        let done = propose(&words, args);
        assert!(done.starts_with(&format!("✓ proposal {id} of board: ")) && done.contains(told), "{words}: {done}");
    }
    let none = desk.fails(4, "propose --through board migrate token 1 5 --from ann");
    assert!(none.contains("upgrade"), "{none}");
    // The first one needs nobody else, and the last one is for those who govern.
    let refused = desk.fails(3, "execute 1 --through board --from zoe");
    assert!(refused.contains("does not ask for the endorsement of"), "{refused}");
    desk.ok("execute 1 --through board --from ann");
    assert_eq!(desk.ok("query two balance_of ann"), "7\n");
    desk.ok("execute 2 --through board --from ann");
    assert_eq!(desk.ok("query sol balanceOf ann"), "7\n");
    desk.ok("approve 9 --through board --from bob");
    desk.ok("execute 9 --through board --from bob");
    assert!(desk.ok("show token").contains("9 keys and 999 bytes"));
    let history = desk.ok("history");
    assert!(history.contains("deploy: anyone → role(admin)"), "{history}");
    desk.ok("reject 3 --through board --from ann");

    let height: u64 = desk.json("status").1["status"]["height"].as_u64().unwrap();
    desk.ok(&format!("propose --through board --until {} freeze token --from ann", height + 1));
    assert!(desk.fails(3, "approve 10 --through board --from bob").contains("expired in block"));
    assert!(
        desk.ok("proposals --through board").contains("10  0x")
            && desk.ok("proposals --through board").contains("; expired in block ")
    );
    desk.ok("expire 10 --through board");
}

#[test]
fn what_cannot_be_proposed_is_told_at_once() {
    let [_, token, _] = Token::all();
    let desk = desk(&token);
    desk.ok("deploy multi_sign multi_sign");
    for (code, words, why) in [
        (2, "propose freeze token --endorsed-by bob", "who endorses a proposal approves it"),
        (2, "propose rollback token 1 --dry-run", "a proposal is not tried"),
        (
            2,
            &*format!("propose deploy two {} 5 --trace t.json", token.v1),
            "nothing runs before a proposal is carried out",
        ),
        (
            2,
            &*format!("propose deploy two {} 5 --value 1", token.v1),
            "it moves a value, and operations of transactions move none",
        ),
        (4, &*format!("propose deploy two {} many", token.v1), "'many' is not a number"),
        (4, &*format!("propose upgrade token {} --version 2 5", token.v2), "upgrade() takes 0 arguments"),
        (4, "propose upgrade nosuch token --version 2 --runtime native", "there is no contract 'nosuch'"),
        (3, "propose --until 1 freeze token", "the proposal would have expired in block 1"),
        (2, "propose list", "unrecognized subcommand 'list'"),
        (3, "approve 7", "there is no proposal 7"),
        (4, "approve 7 --through nosuch", "there is no contract 'nosuch'"),
        (4, "proposals --through token", "unknown method 'next'"),
    ] {
        let told = desk.fails(code, words);
        assert!(told.contains(why), "{words}: {told}");
    }
    assert_eq!(desk.ok("proposals"), "no proposals\n");
}
