//! The states in `tests/states`. What they expect was computed by bare revm (its own handler, on its own database), with
//! nothing of ours but the reading of the file and the root.

use std::path::Path;

use vm_conformance::evm::{Report, files, run};

fn report(filter: &str) -> Report {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/states");
    run(&files(&folder, filter).unwrap()).unwrap()
}

#[test]
fn all_states_come_out_as_expected() {
    let report = report("");
    assert_eq!(report.failures, []);
    assert_eq!((report.total().passed, report.total().skipped), (59, 0), "{report}");
}

#[test]
fn a_wrong_expectation_is_a_failure_that_says_what_differs() {
    let folder = std::env::temp_dir().join(format!("vm-conformance-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let text = include_str!("../states/transfer.json");
    let at = text.find("\"hash\": \"0x").unwrap() + 11;
    std::fs::write(folder.join("wrong.json"), format!("{}{}{}", &text[..at], "00", &text[at + 2..])).unwrap();
    std::fs::write(folder.join("other.json"), "[1]").unwrap();
    std::fs::write(folder.join("broken.json"), &text[..at]).unwrap();
    let report = run(&files(&folder, "").unwrap()).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!((report.total().failed, report.total().skipped), (2, 1), "{report}");
    assert!(report.failures[0].difference.starts_with("is no JSON: EOF"), "{report}");
    let failure = &report.failures[1];
    assert_eq!((failure.test.as_str(), failure.index), ("transfer", 0));
    assert!(failure.difference.starts_with("state root is 0x"), "{failure}");
}
