//! The compiled contracts are those of the sources beside them.

use sha2::{Digest, Sha256};

#[test]
fn sources_and_artefacts_agree() {
    let folder = format!("{}/tests/contracts", env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
    let noted = read("sources.sha256");
    let mut noted: Vec<_> = noted.lines().map(|line| line.split_once("  ").unwrap()).collect();
    for (hash, name) in &noted {
        assert_eq!(*hash, hex::encode(Sha256::digest(read(name))), "{name} has changed: run compile.mjs");
    }
    let mut sources: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".sol"))
        .collect();
    sources.sort_unstable();
    noted.sort_unstable_by_key(|(_, name)| *name);
    assert_eq!(sources, noted.iter().map(|(_, name)| *name).collect::<Vec<_>>());
}
