//! Every invariant has a number of its own and names its tests, and these tests exist.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};

use super::Violation;
use crate::workspace;

const FILE: &str = "docs/invariants.md";

/// Compares the list of invariants with the functions in the source tree.
pub(super) fn violations() -> Result<Vec<String>> {
    let mut functions = BTreeSet::new();
    for file in workspace::files()? {
        if file.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(workspace::root().join(&file))
                .with_context(|| format!("cannot read {}", file.display()))?;
            functions.extend(function_names(&text).map(str::to_owned));
        }
    }
    let list = fs::read_to_string(workspace::root().join(FILE)).with_context(|| format!("cannot read {FILE}"))?;
    let found = check(&list, &functions);
    Ok(found.into_iter().map(|violation| format!("{FILE}:{}: {}", violation.line, violation.what)).collect())
}

fn function_names(text: &str) -> impl Iterator<Item = &str> {
    text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next())
}

/// Invariants are numbered paragraphs. Their tests stand in back-ticks: a crate, perhaps a file, then the names.
fn check(list: &str, functions: &BTreeSet<String>) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut untested: Option<usize> = None;
    let mut invariants = BTreeSet::new();
    for (number, line) in (1..).zip(list.lines()) {
        if let Some(invariant) = invariant(line) {
            found.extend(untested.replace(number).map(without_test));
            if !invariants.insert(invariant) {
                found.push(Violation::new(number, format!("another invariant has the number {invariant}")));
            }
        }
        for test in line.split('`').skip(1).step_by(2).flat_map(test_names) {
            untested = None;
            if !functions.contains(test) {
                found.push(Violation::new(number, format!("no test `{test}`")));
            }
        }
    }
    found.extend(untested.map(without_test));
    found
}

fn without_test(line: usize) -> Violation {
    Violation::new(line, "this invariant names no test")
}

/// The number of the invariant that begins with this line.
fn invariant(line: &str) -> Option<u32> {
    line.split_once(". **").and_then(|(number, _)| number.parse().ok())
}

fn test_names(code: &str) -> impl Iterator<Item = &str> {
    let names = code.split([' ', ',']).filter_map(|path| path.rsplit("::").next());
    names.filter(|name| {
        name.contains('_') && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    fn lines(list: &str) -> Vec<usize> {
        let functions = function_names("fn it_holds() {}\npub async fn at_all_times<T>(t: T) {}").map(str::to_owned);
        check(list, &functions.collect()).iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn named_tests_must_exist() {
        assert_eq!(lines("1. **A.** `vm-core call::it_holds`, `src/a_b.rs it_holds, at_all_times`"), NONE);
        assert_eq!(lines("1. **A.**\n   `vm-core call::it_held`"), [2]);
    }

    #[test]
    fn each_invariant_names_a_test() {
        assert_eq!(lines("1. **A.** Always.\n2. **B.** `call::it_holds`\n3. **C.** `vm_core` is fine."), [1, 3]);
    }

    #[test]
    fn each_invariant_has_its_own_number() {
        assert_eq!(lines("1. **A.** `call::it_holds`\n2. **B.** `call::it_holds`\n1. **C.** `call::it_holds`"), [3]);
    }
}
