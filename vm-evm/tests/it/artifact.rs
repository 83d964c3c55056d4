//! Files of Solidity's tools, and sources where a compiler is at hand.

use std::path::Path;

use vm_core::{Code, RuntimeKind};
use vm_evm::{
    Fork,
    artifact::{self, ArtifactError, Format, solidity},
};

use crate::machine::Machine;

const CODE: &str = "5f5ff3";
const ABI: &str = r#"[{"type":"function","name":"f","inputs":[],"outputs":[],"stateMutability":"view"}]"#;

fn contract(code: &str, links: &str) -> String {
    format!(r#"{{"abi": {ABI}, "evm": {{"bytecode": {{"object": "{code}", "linkReferences": {links}}}}}}}"#)
}

fn read(text: &str, contract: Option<&str>) -> Result<artifact::Artifact, ArtifactError> {
    artifact::read(text.as_bytes(), contract)
}

#[test]
fn every_format_is_recognised() {
    let foundry = format!(
        r#"{{"abi": {ABI}, "bytecode": {{"object": "0x{CODE}", "sourceMap": "", "linkReferences": {{}}}},
        "metadata": {{"settings": {{"compilationTarget": {{"src/A.sol": "A"}}}}}}}}"#
    );
    let hardhat = format!(
        r#"{{"_format": "hh-sol-artifact-1", "contractName": "A", "sourceName": "contracts/A.sol", "abi": {ABI},
        "bytecode": "0x{CODE}", "deployedBytecode": "0x", "linkReferences": {{}}}}"#
    );
    let interface = contract("", "{}");
    let standard = format!(
        r#"{{"contracts": {{"A.sol": {{"A": {}, "I": {interface}}}}}, "sources": {{}}}}"#,
        contract(CODE, "{}")
    );
    let build_info = format!(r#"{{"_format": "hh-sol-build-info-1", "input": {{}}, "output": {standard}}}"#);
    let combined = format!(r#"{{"contracts": {{"A.sol:A": {{"bin": "{CODE}", "abi": {ABI}}}}}, "version": "0.8.30"}}"#);
    let printed = format!(
        "\n======= I.sol:I =======\nBinary:\n\nContract JSON ABI\n[]\n\n======= A.sol:A =======\nBinary:\n{CODE}\nContract JSON ABI\n{ABI}\n"
    );
    let old = format!(r#"{{"contracts": {{"A.sol:A": {{"bin": "{CODE}", "abi": {:?}}}}}}}"#, ABI);
    for (text, format, name) in [
        (CODE.to_owned(), Format::Hex, None),
        (format!("0x{CODE}\n"), Format::Hex, None),
        (foundry, Format::Foundry, Some("src/A.sol:A")),
        (hardhat, Format::Hardhat, Some("contracts/A.sol:A")),
        (standard, Format::StandardJson, Some("A.sol:A")),
        (build_info, Format::StandardJson, Some("A.sol:A")),
        (old, Format::CombinedJson, Some("A.sol:A")),
        (format!("\u{feff}{combined}"), Format::CombinedJson, Some("A.sol:A")),
        (combined, Format::CombinedJson, Some("A.sol:A")),
        (printed, Format::SolcText, Some("A.sol:A")),
        ("5f\n5f\r\nf3\n".to_owned(), Format::Hex, None),
    ] {
        let artifact = read(&text, None).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((artifact.format, artifact.contract.as_deref()), (format, name), "{text}");
        assert_eq!(artifact.bytecode, [0x5f, 0x5f, 0xf3]);
        let is_hex = format == Format::Hex;
        let code = artifact.into_code();
        assert_eq!(code.abi.is_none(), is_hex);
        Machine::new().deploy("a", code, &[]).unwrap();
    }
}

#[test]
fn one_of_several_is_chosen() {
    let (a, b) = (contract(CODE, "{}"), contract("00", "{}"));
    let empty = contract("", "{}");
    let text =
        format!(r#"{{"contracts": {{"src/A.sol": {{"A": {a}, "I": {empty}}}, "lib/A.sol": {{"A": {b}, "B": {b}}}}}}}"#);
    let known = "lib/A.sol:A, lib/A.sol:B, src/A.sol:A";
    for (wanted, want) in [
        (None, format!("choose one by its name (--contract; for the file of an ABI --abi-contract): {known}")),
        (Some("C"), format!("there is no contract 'C'; there are: {known}")),
        (Some("A"), "choose one by its name".to_owned()),
        (Some("I"), "src/A.sol:I has no code".to_owned()),
        (Some("rc/A.sol:A"), "there is no contract".to_owned()),
    ] {
        let error = read(&text, wanted).unwrap_err().to_string();
        assert!(error.contains(&want), "{error}");
    }
    assert_eq!(read(&text, Some("B")).unwrap().bytecode, [0]);
    for name in ["src/A.sol:A", "src/A.sol:A"] {
        assert_eq!(read(&text, Some(name)).unwrap().bytecode, [0x5f, 0x5f, 0xf3]);
    }
}

#[test]
fn unlinked_libraries_are_named() {
    let hash = alloy_primitives::keccak256("src/Math.sol:Math").to_string();
    let code = format!("73__${}$__00", &hash[2..36]);
    let links = r#"{"src/Math.sol": {"Math": [{"start": 1, "length": 20}]}}"#;
    let standard = format!(r#"{{"contracts": {{"A.sol": {{"A": {}}}}}}}"#, contract(&code, links));
    let foundry = format!(r#"{{"abi": [], "bytecode": {{"object": "0x{code}", "linkReferences": {links}}}}}"#);
    let hardhat = format!(r#"{{"contractName": "A", "abi": [], "bytecode": "0x{code}", "linkReferences": {links}}}"#);
    for text in [standard, foundry, hardhat] {
        match read(&text, None).unwrap_err() {
            ArtifactError::Unlinked { libraries, .. } => assert_eq!(libraries, ["src/Math.sol:Math"]),
            other => panic!("{other}"),
        }
    }
    let error = read(&format!("600055{code}"), None).unwrap_err();
    assert!(matches!(&error, ArtifactError::Unlinked { libraries, .. } if libraries[0].starts_with('$')), "{error}");
    // What the compiler prints tells the names behind the code.
    let bin = format!("600055{code}\n\n// ${}$ -> src/Math.sol:Math\n", &hash[2..36]);
    for text in [bin.clone(), format!("\n======= A.sol:A =======\nBinary:\n{bin}")] {
        match read(&text, None).unwrap_err() {
            ArtifactError::Unlinked { libraries, .. } => assert_eq!(libraries, ["src/Math.sol:Math"]),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn what_is_none_says_so() {
    let failed = r#"{"errors": [{"severity": "warning", "message": "old"},
        {"severity": "error", "formattedMessage": "A.sol:1: ParserError"}]}"#;
    for (text, want) in [
        ("", "expected creation code as hex text"),
        ("contract A {}", "expected creation code as hex text"),
        ("{", "the JSON cannot be used"),
        ("{}", "it has neither 'bytecode' nor 'contracts'"),
        (r#"{"sources": {"A.sol": {"id": 0}}}"#, "there is no contract: the source is empty"),
        (r#"{"contracts": {}}"#, "there is no contract: the source is empty"),
        (r#"{"language": "Solidity", "sources": {}}"#, "it has neither 'bytecode' nor 'contracts'"),
        (r#"{"abi": null, "bytecode": "0x00", "contractName": "I"}"#, "the ABI of I is null, and no list"),
        (r#"{"abi": {}, "bytecode": "0x00"}"#, "the ABI of the artefact is {}, and no list"),
        (r#"{"bytecode": {}}"#, "it has neither"),
        (r#"{"bytecode": "0x", "contractName": "I"}"#, "I has no code: it is an interface"),
        (r#"{"bytecode": "0x6", "contractName": "I"}"#, "an odd number"),
        (failed, "ParserError"),
        ("[]", "give the code, and this as its ABI"),
        ("60zz", "expected creation code as hex text"),
    ] {
        let error = read(text, None).unwrap_err().to_string();
        assert!(error.contains(want) && !error.contains("old"), "{text}: {error}");
    }
    assert_eq!(artifact::read(&[0x60, 0xff], None), Err(ArtifactError::Unknown));
    assert!(read(CODE, Some("A")).unwrap_err().to_string().contains("leave 'A' (--contract) out"));
}

#[test]
fn a_proxy_answers_for_its_implementation() {
    let own = r#"[{"type":"constructor","inputs":[]},{"type":"error","name":"E","inputs":[]},{"type":"function","name":"g"}]"#;
    let proxy = read(&format!(r#"{{"abi": {own}, "bytecode": "0x00"}}"#), None).unwrap();
    let merged = proxy.with_interface(&format!(r#"{{"abi": {ABI}}}"#)).unwrap();
    let entries: Vec<serde_json::Value> = serde_json::from_str(merged.abi.as_deref().unwrap()).unwrap();
    let kinds: Vec<_> = entries.iter().map(|entry| entry["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["constructor", "error", "function", "function"]);
    assert_eq!((&entries[2]["name"], &entries[3]["name"]), (&"g".into(), &"f".into()));
    let again = merged.clone().with_interface(ABI).unwrap();
    assert_eq!(again.abi, merged.abi, "what both have is there once");
    assert!(read(CODE, None).unwrap().with_interface("7").is_err());
}

#[test]
fn an_abi_is_found_in_every_format() {
    let list: serde_json::Value = serde_json::from_str(ABI).unwrap();
    let (a, none) = (contract(CODE, "{}"), r#"{"abi": [], "evm": {}}"#);
    let two = format!(r#"{{"contracts": {{"A.sol": {{"A": {a}, "I": {none}}}}}}}"#);
    for (text, wanted) in [
        (ABI.to_owned(), None),
        (format!("\u{feff}{ABI}\n"), None),
        (format!(r#"{{"abi": {ABI}}}"#), None),
        (format!(r#"{{"abi": {ABI}, "bytecode": {{"object": "0x"}}}}"#), None),
        (format!(r#"{{"contractName": "A", "sourceName": "A.sol", "abi": {ABI}}}"#), Some("A.sol:A")),
        (format!(r#"{{"output": {two}}}"#), Some("A")),
        (format!(r#"{{"contracts": {{"A.sol:A": {{"abi": {ABI:?}}}}}}}"#), None),
        (format!("======= A.sol:A =======\nBinary:\n\nContract JSON ABI\n{ABI}\n"), None),
        (two.clone(), Some("A")),
    ] {
        let found = artifact::interface(&text, wanted).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&found).unwrap(), list, "{text}");
    }
    for (text, wanted, want) in [
        (
            two.as_str(),
            None,
            "choose one by its name (--contract; for the file of an ABI --abi-contract): A.sol:A, A.sol:I",
        ),
        (&two, Some("B"), "there is no contract 'B'; there are: A.sol:A, A.sol:I"),
        (r#"{"contractName": "A", "abi": []}"#, Some("B"), "there is no contract 'B'"),
        (r#"{"contractName": "A", "abi": null}"#, None, "the ABI of A is null, and no list"),
        (r#"{"contracts": {"A.sol:A": {"bin": "00"}}}"#, None, "it holds no ABI"),
        ("7", None, "it holds no ABI"),
        ("6080", None, "it holds no ABI"),
        ("[", None, "the JSON cannot be used"),
    ] {
        let error = artifact::interface(text, wanted).unwrap_err().to_string();
        assert!(error.contains(want), "{text}: {error}");
    }
}

/// The compiler on the PATH, or the one that the xtask fetched; or the test is over.
fn compiler() -> Option<solidity::Compiler> {
    let fetched = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../openzeppelin");
    match solidity::Compiler::find(&fetched) {
        Ok(compiler) => Some(compiler),
        Err(error) => {
            println!("skipped: {error}; cargo xtask test fetches one (npm and a network are needed)");
            None
        }
    }
}

#[test]
fn sources_are_compiled_for_the_fork() {
    let Some(compiler) = compiler() else { return };
    assert!(compiler.version.starts_with("0."), "{}", compiler.version);
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    write("deps/math/Math.sol", "library Math { function two() internal pure returns (uint256) { return 2; } }");
    write("other/Base.sol", "contract Base { function one() external pure returns (uint256) { return 1; } }");
    write(
        "src/A.sol",
        "pragma solidity >=0.8.0; import \"@math/Math.sol\"; import \"Base.sol\";
         contract A is Base { function three() external view returns (uint256) { return this.one() + Math.two(); } }",
    );
    let settings = solidity::Settings {
        remappings: vec![format!("@math/={}/deps/math/", folder.path().display())],
        include_paths: vec![folder.path().join("other"), folder.path().join("deps")],
        ..Default::default()
    };
    let file = folder.path().join("src/A.sol");
    for fork in [Fork::Istanbul, Fork::Osaka] {
        let compiled = compiler.clone().compile(&file, &settings, fork).unwrap();
        assert_eq!(compiled.artifact.contract.as_deref(), Some("A.sol:A"));
        assert!(compiled.diagnostics.iter().any(|text| text.contains("SPDX")), "{:?}", compiled.diagnostics);
        let machine = Machine::with(vm_evm::EvmConfig::new(fork), Default::default());
        machine.deploy("a", compiled.artifact.into_code(), &[]).unwrap();
        assert_eq!(machine.text("a", "three", &[]), "3");
    }

    write("src/Bad.sol", "contract Bad { function f() external { x = 1; } }");
    let error = compiler.clone().compile(&folder.path().join("src/Bad.sol"), &settings, Fork::Osaka).unwrap_err();
    assert!(matches!(&error, ArtifactError::Compiler(text) if text.contains("Bad.sol:1:40")), "{error}");
    let error = compiler.compile(&folder.path().join("src/None.sol"), &settings, Fork::Osaka).unwrap_err();
    assert!(error.to_string().contains("None.sol"), "{error}");
}

#[test]
fn code_that_is_json_is_told_where_to_go() {
    let code = Code::new(RuntimeKind::Evm, r#"{"bytecode": "0x00"}"#);
    let error = crate::machine::refused(Machine::new().deploy("a", code, &[]));
    assert!(error.contains("vm_evm::artifact"), "{error}");
}
