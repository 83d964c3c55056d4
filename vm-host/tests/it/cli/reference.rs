//! What the README says of JSON is all that there is.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Desk;
use super::contracts::Token;

/// Objects whose keys are names that somebody gave.
const BY_NAME: &[&str] = &["organisations", "signatures", "options"];

/// The keys of an object and of all that is in it. A policy's `methods` are by name; a contract's are a list.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                found.insert(key.clone());
                let is_by_name = BY_NAME.contains(&key.as_str()) || (key == "methods" && value.is_object());
                if !is_by_name {
                    keys(value, found);
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

#[test]
fn the_readme_names_every_key_of_every_answer() {
    let readme = include_str!("../../../README.md");
    let section = readme.split("\n## ").find(|section| section.starts_with("JSON\n")).unwrap();
    let in_backticks = section.split('`').skip(1).step_by(2);
    let named: BTreeSet<&str> =
        in_backticks.flat_map(|code| code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')).collect();

    let desk = Desk::new();
    desk.file(
        "vm.toml",
        "[vm.access]\nadministrators = \"callers(root)\"\n[vm.access.organisations.o]\nadmin = [\"ann\"]\n",
    );
    let token = &Token::all()[2];
    let mut answers = Vec::new();
    let mut run = |words: &str| {
        let (code, object) = desk.json(words);
        assert!(code == 0 || words.starts_with("query nosuch") || words.contains("9999"), "{words}: {object}");
        assert_eq!(object["ok"], code == 0, "{words}: {object}");
        answers.push((words.to_owned(), object));
    };
    let calls = desk.file("calls.jsonl", r#"{"from":"bob","method":"burn","args":["1"]}"#);
    run("init other.toml");
    run(&format!("deploy token {} --version 1 --from alice 1000", token.v1));
    run("invoke token transfer bob 5 --from alice");
    run("invoke token transfer bob 5 --from alice --trace - --trace-steps");
    run("invoke token transfer bob 9999 --from alice");
    run("query token balanceOf bob");
    run("query nosuch balanceOf bob");
    run(&format!("upgrade token {} --version 2 --from alice --dry-run --calls {calls}", token.v2));
    run(&format!("upgrade token {} --version 2 --from alice", token.v2));
    run("rollback token 1 --from alice");
    run("grant token call:transfer owner --from alice");
    run("govern deploy anyone --from root");
    run("govern room token --keys 9 --bytes 999 --from root");
    run("freeze token --from alice");
    run("list");
    run("show token");
    run("policy token");
    run("policy");
    run("history token");
    run("history");
    run("code token");
    run("deploy multi_sign multi_sign");
    run("propose revoke token --from alice");
    run("proposals");
    run("reject 1 --from alice");
    for (words, object) in &answers {
        let mut found = BTreeSet::new();
        keys(object, &mut found);
        let missing: Vec<_> = found.iter().filter(|key| !named.contains(key.as_str())).collect();
        assert!(missing.is_empty(), "vm-host {words}: the README does not name {missing:?}");
    }
    for words in ["status", "metrics"] {
        let (_, object) = desk.json(words);
        assert_eq!(
            object.as_object().unwrap().keys().collect::<Vec<_>>(),
            if words < "ok" { [words, "ok"] } else { ["ok", words] },
            "{object}"
        );
    }
}
