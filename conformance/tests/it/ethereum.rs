//! Ethereum's own tests, if they lie beside the workspace.

use std::path::Path;

use vm_conformance::evm::{files, run};

/// Runs as many rounds of BLAKE2 as a number of 32 bits can say: minutes on any machine, and optimised.
const SLOW: &str = "CALLBlake2f_MaxRounds.json";

#[test]
fn ethereums_state_tests_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/evm-state-tests");
    if !folder.is_dir() {
        println!("skipped: there is no {}; cargo xtask conformance evm DIR runs a folder elsewhere", folder.display());
        return;
    }
    let mut files = files(&folder, "").unwrap();
    files.retain(|file| !file.ends_with(SLOW));
    println!("skipped: {SLOW}, which takes minutes; cargo xtask conformance evm {} runs it, too", folder.display());
    let report = run(&files).unwrap();
    assert_eq!(report.failures, []);
    assert!(report.total().passed > 10_000, "{report}");
}
