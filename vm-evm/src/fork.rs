//! Which rules of Ethereum apply.

use std::{fmt, str::FromStr};

use revm::primitives::hardfork::SpecId;

/// A hard fork of Ethereum: the set of opcodes, gas costs and precompiles that contracts run under.
///
/// Parses from the fork's name (case, spaces, `-` and `_` do not matter; the forks' other names are understood too) and
/// from a version of geth, which stands for the newest fork that this release had scheduled on Ethereum's main network. A
/// version of two numbers stands for the last release of its line: 1.9 means Istanbul, as 1.9.25 does.
///
/// ```
/// use vm_evm::Fork;
///
/// assert_eq!("cancun".parse(), Ok(Fork::Cancun));
/// assert_eq!("Spurious Dragon".parse(), Ok(Fork::SpuriousDragon));
/// assert_eq!("1.9.24".parse(), Ok(Fork::Istanbul));
/// assert!("constantinopel".parse::<Fork>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fork {
    /// The first main network, 2015.
    Frontier,
    /// EIP-2, EIP-7 (DELEGATECALL), 2016.
    Homestead,
    /// EIP-150: dearer state access, the 63/64 rule, 2016.
    Tangerine,
    /// EIP-158/161 (state clearing), EIP-170 (code size limit), 2016.
    SpuriousDragon,
    /// REVERT, RETURNDATA, STATICCALL, pairing precompiles, 2017.
    Byzantium,
    /// Constantinople with its fix: shifts, CREATE2, EXTCODEHASH, 2019.
    Petersburg,
    /// CHAINID, SELFBALANCE, EIP-1884 and EIP-2200 prices, 2019.
    Istanbul,
    /// EIP-2929: warm and cold access, 2021.
    Berlin,
    /// BASEFEE, EIP-3529 (refunds cut), EIP-3541 (0xEF refused), 2021.
    London,
    /// The Merge: PREVRANDAO, 2022.
    Paris,
    /// PUSH0, EIP-3651, EIP-3860, 2023.
    Shanghai,
    /// Transient storage, MCOPY, EIP-6780 (SELFDESTRUCT narrowed), 2024.
    Cancun,
    /// BLS12-381 precompiles, EIP-7702, 2025.
    Prague,
    /// CLZ, P-256 precompile, MODEXP limits, 2025. The default.
    Osaka,
}

/// The name of no fork and the version of no known geth.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownFork {
    /// Not a name and not a version.
    #[error("unknown hard fork {given:?}: expected one of {} or a geth version such as 1.9.24", Fork::known())]
    Name {
        /// What was given.
        given: String,
    },
    /// A geth version after the newest one whose meaning is known.
    #[error(
        "geth {given} is newer than {}, the newest release this build can map to a hard fork: name the fork instead, one of {}",
        Fork::newest_geth(),
        Fork::known()
    )]
    NewerGeth {
        /// What was given.
        given: String,
    },
}

/// First geth release that had a fork scheduled on the main network, from `params/config.go` (before 1.5 `params/util.go`)
/// of the tagged releases.
const GETH: [([u16; 3], Fork); 14] = [
    ([1, 0, 0], Fork::Frontier),
    ([1, 3, 4], Fork::Homestead),
    ([1, 4, 18], Fork::Tangerine),
    ([1, 4, 19], Fork::SpuriousDragon),
    ([1, 7, 1], Fork::Byzantium),
    ([1, 8, 22], Fork::Petersburg),
    ([1, 9, 7], Fork::Istanbul),
    ([1, 10, 1], Fork::Berlin),
    ([1, 10, 5], Fork::London),
    ([1, 10, 22], Fork::Paris),
    ([1, 11, 5], Fork::Shanghai),
    ([1, 13, 12], Fork::Cancun),
    ([1, 15, 9], Fork::Prague),
    ([1, 16, 6], Fork::Osaka),
];

/// Newest minor line known to schedule nothing after [`Fork::Osaka`].
const NEWEST_GETH: [u16; 2] = [1, 17];

impl Fork {
    /// Every fork, oldest first.
    pub const ALL: [Self; 14] = [
        Self::Frontier,
        Self::Homestead,
        Self::Tangerine,
        Self::SpuriousDragon,
        Self::Byzantium,
        Self::Petersburg,
        Self::Istanbul,
        Self::Berlin,
        Self::London,
        Self::Paris,
        Self::Shanghai,
        Self::Cancun,
        Self::Prague,
        Self::Osaka,
    ];

    /// The fork's name in lower case, as configurations write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Frontier => "frontier",
            Self::Homestead => "homestead",
            Self::Tangerine => "tangerine",
            Self::SpuriousDragon => "spurious-dragon",
            Self::Byzantium => "byzantium",
            Self::Petersburg => "petersburg",
            Self::Istanbul => "istanbul",
            Self::Berlin => "berlin",
            Self::London => "london",
            Self::Paris => "paris",
            Self::Shanghai => "shanghai",
            Self::Cancun => "cancun",
            Self::Prague => "prague",
            Self::Osaka => "osaka",
        }
    }

    pub(crate) const fn spec(self) -> SpecId {
        match self {
            Self::Frontier => SpecId::FRONTIER,
            Self::Homestead => SpecId::HOMESTEAD,
            Self::Tangerine => SpecId::TANGERINE,
            Self::SpuriousDragon => SpecId::SPURIOUS_DRAGON,
            Self::Byzantium => SpecId::BYZANTIUM,
            Self::Petersburg => SpecId::PETERSBURG,
            Self::Istanbul => SpecId::ISTANBUL,
            Self::Berlin => SpecId::BERLIN,
            Self::London => SpecId::LONDON,
            Self::Paris => SpecId::MERGE,
            Self::Shanghai => SpecId::SHANGHAI,
            Self::Cancun => SpecId::CANCUN,
            Self::Prague => SpecId::PRAGUE,
            Self::Osaka => SpecId::OSAKA,
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        let key: String = name.chars().filter(|c| !matches!(c, ' ' | '-' | '_')).flat_map(char::to_lowercase).collect();
        // Forks that changed nothing a contract can see count as the one before them.
        let alias = match key.as_str() {
            "dao" | "daofork" => Self::Homestead,
            "tangerinewhistle" | "eip150" => Self::Tangerine,
            "spuriousdragon" | "spurious" | "eip158" => Self::SpuriousDragon,
            "constantinople" | "constantinoplefix" => Self::Petersburg,
            "muirglacier" => Self::Istanbul,
            "arrowglacier" | "grayglacier" => Self::London,
            "merge" | "themerge" => Self::Paris,
            "shapella" => Self::Shanghai,
            "dencun" => Self::Cancun,
            "pectra" => Self::Prague,
            "fusaka" => Self::Osaka,
            _ => return Self::ALL.into_iter().find(|fork| fork.name() == key),
        };
        Some(alias)
    }

    fn from_geth([major, minor, patch]: [u16; 3], given: &str) -> Result<Self, UnknownFork> {
        if [major, minor] > NEWEST_GETH {
            return Err(UnknownFork::NewerGeth { given: given.to_owned() });
        }
        GETH.iter()
            .rev()
            .find(|(since, _)| *since <= [major, minor, patch])
            .map(|(_, fork)| *fork)
            .ok_or_else(|| UnknownFork::Name { given: given.to_owned() })
    }

    fn known() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    fn newest_geth() -> String {
        let [major, minor] = NEWEST_GETH;
        format!("{major}.{minor}")
    }
}

impl Default for Fork {
    /// [`Fork::Osaka`].
    fn default() -> Self {
        Self::Osaka
    }
}

impl fmt::Display for Fork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl serde::Serialize for Fork {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl FromStr for Fork {
    type Err = UnknownFork;

    fn from_str(text: &str) -> Result<Self, UnknownFork> {
        let text = text.trim();
        match geth_version(text) {
            Some(version) => Self::from_geth(version, text),
            None => Self::from_name(text).ok_or_else(|| UnknownFork::Name { given: text.to_owned() }),
        }
    }
}

/// `1.9.24`, `v1.9.24`, `1.9`, `geth 1.9.24`, `1.9.24-stable`.
fn geth_version(text: &str) -> Option<[u16; 3]> {
    let lower = text.to_ascii_lowercase();
    let text = lower.strip_prefix("geth").map_or(&*lower, |rest| rest.trim_start_matches([' ', '/', '-']));
    let numbers = text.strip_prefix('v').unwrap_or(text).split(['-', '+']).next()?;
    // A line without a patch is meant as it is at its end.
    let mut version = [0, 0, u16::MAX];
    let mut parts = numbers.split('.');
    for (i, number) in version.iter_mut().enumerate() {
        match parts.next() {
            Some(part) => *number = part.parse().ok()?,
            None if i > 1 => {}
            None => return None,
        }
    }
    parts.next().is_none().then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_display_round_trips() {
        for fork in Fork::ALL {
            assert_eq!(fork.name().parse(), Ok(fork));
            assert_eq!(fork.to_string().to_uppercase().parse(), Ok(fork));
        }
    }

    #[test]
    fn other_names() {
        for (text, fork) in [
            ("Spurious Dragon", Fork::SpuriousDragon),
            ("tangerine_whistle", Fork::Tangerine),
            ("Constantinople", Fork::Petersburg),
            ("muir-glacier", Fork::Istanbul),
            ("The Merge", Fork::Paris),
            (" Pectra ", Fork::Prague),
        ] {
            assert_eq!(text.parse(), Ok(fork), "{text}");
        }
    }

    #[test]
    fn geth_versions_on_both_sides_of_each_border() {
        for (text, fork) in [
            ("1.0", Fork::Frontier),
            ("1.3", Fork::Homestead),
            ("1.3.3", Fork::Frontier),
            ("1.3.4", Fork::Homestead),
            ("1.7.0", Fork::SpuriousDragon),
            ("1.7.1", Fork::Byzantium),
            ("1.8.20", Fork::Byzantium),
            ("1.8.22", Fork::Petersburg),
            ("1.9.6", Fork::Petersburg),
            ("1.9.7", Fork::Istanbul),
            ("1.9", Fork::Istanbul),
            ("1.9.0", Fork::Petersburg),
            ("1.9.24", Fork::Istanbul),
            ("v1.9.24-stable", Fork::Istanbul),
            ("Geth/v1.10.0", Fork::Istanbul),
            ("1.10.1", Fork::Berlin),
            ("1.10.21", Fork::London),
            ("1.10.22", Fork::Paris),
            ("1.10", Fork::Paris),
            ("1.17", Fork::Osaka),
            ("1.11.4", Fork::Paris),
            ("1.11.5", Fork::Shanghai),
            ("1.13.12", Fork::Cancun),
            ("1.15.9", Fork::Prague),
            ("1.16.6", Fork::Osaka),
            ("1.17.99", Fork::Osaka),
        ] {
            assert_eq!(text.parse(), Ok(fork), "{text}");
        }
    }

    #[test]
    fn unknown_names_list_what_is_known() {
        for text in ["", "constantinopel", "latest", "1.9.24.1", "0.9.1", "1.x", "9"] {
            let error = text.parse::<Fork>().unwrap_err().to_string();
            assert!(error.contains("frontier, homestead") && error.contains("1.9.24"), "{text}: {error}");
        }
        let error = "1.18.0".parse::<Fork>().unwrap_err();
        assert_eq!(error, UnknownFork::NewerGeth { given: "1.18.0".to_owned() });
        assert!(error.to_string().contains("newer than 1.17"), "{error}");
    }
}
