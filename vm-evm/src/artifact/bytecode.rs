//! Hex code with or without placeholders of libraries.

use std::collections::BTreeSet;

use alloy_primitives::keccak256;

use super::ArtifactError;

/// The bytes of hex digits. `libraries` are the names that the artefact gives for its placeholders.
pub(super) fn decode(digits: &str, libraries: &[String], contract: &str) -> Result<Vec<u8>, ArtifactError> {
    let contract = contract.to_owned();
    let digits = digits.trim();
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    let placeholders = placeholders(digits);
    if !placeholders.is_empty() || !libraries.is_empty() {
        // A name stands for its placeholder, which is its hash; placeholders without a name stand for themselves.
        let unnamed = placeholders.into_iter().filter(|p| !libraries.iter().any(|name| stands_for(name, p)));
        let libraries: BTreeSet<String> = libraries.iter().cloned().chain(unnamed.map(str::to_owned)).collect();
        return Err(ArtifactError::Unlinked { contract, libraries: libraries.into_iter().collect() });
    }
    if digits.is_empty() {
        return Err(ArtifactError::NoCode { contract });
    }
    if let Some((at, found)) = digits.char_indices().find(|(_, c)| !c.is_ascii_hexdigit()) {
        return Err(ArtifactError::Hex { contract, why: format!("'{found}' at digit {at}") });
    }
    hex::decode(digits).map_err(|_| ArtifactError::Hex {
        contract,
        why: format!("it has {} digits, an odd number, so it is cut off", digits.len()),
    })
}

/// `__$…$__` of solc 0.5 and later, `__File.sol:Name____` of those before; 40 characters in place of 20 bytes.
fn placeholders(digits: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    let mut rest = digits;
    while let Some(at) = rest.find("__") {
        let placeholder = rest.get(at..at + 40).or(rest.get(at..)).unwrap_or_default();
        found.insert(placeholder.trim_matches('_'));
        rest = rest.get(at + placeholder.len().max(2)..).unwrap_or_default();
    }
    found
}

/// Whether the placeholder is that of the library `File.sol:Name`.
fn stands_for(name: &str, placeholder: &str) -> bool {
    let hash = hex::encode(keccak256(name));
    hash.get(..34) == Some(placeholder.trim_matches('$')) || name.starts_with(placeholder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn libraries(digits: &str, names: &[&str]) -> Vec<String> {
        let names: Vec<_> = names.iter().map(|n| (*n).to_owned()).collect();
        match decode(digits, &names, "A") {
            Err(ArtifactError::Unlinked { libraries, .. }) => libraries,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn unlinked_libraries_are_named() {
        let placeholder = format!("__${}$__", hex::encode(keccak256("src/Math.sol:Math")).get(..34).unwrap());
        let code = format!("6073{placeholder}5073{placeholder}00");
        assert_eq!(libraries(&code, &["src/Math.sol:Math"]), ["src/Math.sol:Math"]);
        assert_eq!(libraries(&code, &[]), [placeholder.trim_matches('_')]);
        assert_eq!(libraries(&format!("6073{:_<40}00", "__Math.sol:Math"), &[]), ["Math.sol:Math"]);
        assert_eq!(libraries("6000", &["A.sol:B"]), ["A.sol:B"]);
        assert_eq!(libraries("60__", &[]), [""]);
    }

    #[test]
    fn other_mistakes() {
        assert_eq!(decode("0x600a\n", &[], "A"), Ok(vec![0x60, 0x0a]));
        for (digits, want) in [("0x", "A has no code"), ("600", "3 digits"), ("60zz", "'z' at digit 2")] {
            let error = decode(digits, &[], "A").unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        }
    }
}
