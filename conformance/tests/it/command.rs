//! The command, when there is nothing that it can do.

use std::path::Path;
use std::process::Command;

/// What the command says when it fails.
fn fails(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_vm-conformance")).args(arguments).output().unwrap();
    assert!(!output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn what_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (empty, absent) = (path(folder.path()), folder.path().join("absent"));
    let absent = path(&absent);
    for (arguments, why) in [
        (&["wasm", empty][..], format!("there is no script (.wast) below {empty}\n")),
        (
            &["wasm", empty, "--filter", "i32"],
            format!("there is no script (.wast) below {empty} whose path contains 'i32'\n"),
        ),
        (
            &["wasm", "--filter", "i33"],
            "there is no script (.wast) in the official suite whose path contains 'i33'\n".into(),
        ),
        (&["wasm", absent], format!("{absent}: No such file or directory")),
        (&["evm", empty], format!("there is no .json file below {empty}\n")),
        (&["fuzz", "--seconds", "0", "--out", absent], format!("there is no folder {absent} for modules")),
    ] {
        let told = fails(arguments);
        assert!(told.contains(&why), "{arguments:?}: {told}, expected {why}");
    }
}

/// A single script can be run, and one that cannot be read says where it goes wrong.
#[test]
fn single_scripts() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.wast");
    std::fs::write(&broken, "(module)\n(module (func $f)\n  (export \"f\" (func $g\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_vm-conformance")).args(["wasm", path(&broken)]).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success() && told.starts_with(&format!("failed: {}:", broken.display())), "{told}");
    assert!(told.contains("broken.wast:4 on gate: ") && !told.contains("<anon>"), "{told}");
}
