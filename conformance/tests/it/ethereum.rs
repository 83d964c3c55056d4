//! Ethereum's own tests, if they lie beside the workspace. `cargo xtask conformance evm` runs all of them; here is a sample,
//! since some take minutes without optimisation.

use std::path::Path;

use vm_conformance::evm::{files, run};

/// Of so many files one is run.
const SAMPLE: usize = 10;

#[test]
fn a_sample_of_ethereums_state_tests_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/evm-state-tests");
    if !folder.is_dir() {
        println!("skipped: there is no {}; cargo xtask conformance evm DIR runs a folder elsewhere", folder.display());
        return;
    }
    let slow = ["stTimeConsuming", "VMTests", "stQuadraticComplexity", "stStaticCall", "stMemoryStress", "Call50000"];
    let mut files = files(&folder, "").unwrap();
    files.retain(|file| !slow.iter().any(|slow| file.to_string_lossy().contains(slow)));
    let files: Vec<_> = files.into_iter().step_by(SAMPLE).collect();
    let report = run(&files).unwrap();
    assert_eq!(report.failures, []);
    assert!(report.total().passed > 100, "{report}");
}
