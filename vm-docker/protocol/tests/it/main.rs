//! `src/generated.rs` is what prost makes of `proto/contract.proto`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

use std::{env, fs, path::Path};

/// Set to write the generated code instead of comparing it.
const WRITE: &str = "VM_WRITE_GENERATED";

#[test]
fn committed_code_is_what_the_schema_generates() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = here.join("../proto/contract.proto");
    let folder = tempfile::tempdir().unwrap();
    prost_build::Config::new()
        .protoc_executable(protoc_bin_vendored::protoc_bin_path().unwrap())
        .out_dir(folder.path())
        .compile_protos(&[&schema], &[schema.parent().unwrap()])
        .unwrap();
    let generated = fs::read_to_string(folder.path().join("vm.contract.v1.rs")).unwrap();

    let committed = here.join("src/generated.rs");
    if env::var_os(WRITE).is_some() {
        fs::write(&committed, &generated).unwrap();
    }
    assert!(
        fs::read_to_string(&committed).is_ok_and(|code| code == generated),
        "src/generated.rs is stale: run `{WRITE}=1 cargo test -p vm-container-protocol`"
    );
}
