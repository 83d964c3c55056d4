//! Opcodes by name and fork.

use revm::bytecode::opcode::{self, OpCode};

use crate::Fork;

pub(super) use revm::bytecode::opcode::{CALLCODE, CREATE, CREATE2, DELEGATECALL, SELFDESTRUCT};

/// Opcodes that were added after the first main network, each by the EIP that its comment names.
const ADDED: [(u8, Fork); 21] = [
    (opcode::DELEGATECALL, Fork::Homestead),   // EIP-7
    (opcode::RETURNDATASIZE, Fork::Byzantium), // EIP-211
    (opcode::RETURNDATACOPY, Fork::Byzantium), // EIP-211
    (opcode::STATICCALL, Fork::Byzantium),     // EIP-214
    (opcode::REVERT, Fork::Byzantium),         // EIP-140
    (opcode::SHL, Fork::Petersburg),           // EIP-145
    (opcode::SHR, Fork::Petersburg),           // EIP-145
    (opcode::SAR, Fork::Petersburg),           // EIP-145
    (opcode::EXTCODEHASH, Fork::Petersburg),   // EIP-1052
    (opcode::CREATE2, Fork::Petersburg),       // EIP-1014
    (opcode::CHAINID, Fork::Istanbul),         // EIP-1344
    (opcode::SELFBALANCE, Fork::Istanbul),     // EIP-1884
    (opcode::BASEFEE, Fork::London),           // EIP-3198
    (opcode::PUSH0, Fork::Shanghai),           // EIP-3855
    (opcode::BLOBHASH, Fork::Cancun),          // EIP-4844
    (opcode::BLOBBASEFEE, Fork::Cancun),       // EIP-7516
    (opcode::TLOAD, Fork::Cancun),             // EIP-1153
    (opcode::TSTORE, Fork::Cancun),            // EIP-1153
    (opcode::MCOPY, Fork::Cancun),             // EIP-5656
    (opcode::CLZ, Fork::Osaka),                // EIP-7939
    (opcode::INVALID, Fork::Frontier),         // EIP-141 named what always stopped a contract
];

/// Opcodes that only forks after the newest of [`Fork`] have.
const LATER: [u8; 4] = [0x4b, 0xe6, 0xe7, 0xe8];

/// The opcode's name, and the first fork that has it.
pub(super) fn known(byte: u8) -> Option<(&'static str, Fork)> {
    let opcode = OpCode::new(byte).filter(|_| !LATER.contains(&byte))?;
    let added = ADDED.iter().find(|(added, _)| *added == byte);
    Some((opcode.as_str(), added.map_or(Fork::Frontier, |(_, fork)| *fork)))
}

/// How many bytes of data follow the opcode.
pub(super) const fn data_length(byte: u8) -> usize {
    match byte {
        opcode::PUSH1..=opcode::PUSH32 => (byte - opcode::PUSH0) as usize,
        _ => 0,
    }
}

/// True when execution never goes on behind it. An unknown opcode stops the contract.
pub(super) fn ends(byte: u8) -> bool {
    matches!(
        byte,
        opcode::STOP | opcode::JUMP | opcode::RETURN | opcode::REVERT | opcode::INVALID | opcode::SELFDESTRUCT
    ) || known(byte).is_none()
}

/// A set of opcodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpcodeSet([u128; 2]);

impl OpcodeSet {
    /// The empty set.
    pub const NONE: Self = Self([0; 2]);

    /// The opcodes of these names, upper or lower case.
    ///
    /// # Errors
    /// The first name that is none.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Self, &'n str> {
        let mut set = Self::default();
        for name in names {
            let byte = (0..=u8::MAX)
                .find(|byte| known(*byte).is_some_and(|(known, _)| known.eq_ignore_ascii_case(name)))
                .ok_or(name)?;
            if let Some(half) = set.0.get_mut(usize::from(byte >> 7)) {
                *half |= 1 << (byte & 0x7f);
            }
        }
        Ok(set)
    }

    /// True when nothing is in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        let [low, high] = self.0;
        low == 0 && high == 0
    }

    /// True when the opcode is in it.
    #[must_use]
    pub const fn has(&self, byte: u8) -> bool {
        let [low, high] = self.0;
        let half = if byte < 0x80 { low } else { high };
        half >> (byte & 0x7f) & 1 == 1
    }

    /// The opcodes in it, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(|byte| self.has(*byte))
    }

    /// The names of the opcodes in it.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.iter().filter_map(known).map(|(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_they_are_made_of() {
        let set = OpcodeSet::new(["SELFDESTRUCT", "push0", "STOP"]).unwrap();
        assert_eq!(set.iter().collect::<Vec<_>>(), [0x00, 0x5f, 0xff]);
        assert_eq!(set.names().collect::<Vec<_>>(), ["STOP", "PUSH0", "SELFDESTRUCT"]);
        assert!(!set.is_empty() && OpcodeSet::default().is_empty());
        assert_eq!(OpcodeSet::new(["CALL", "SUICIDE"]), Err("SUICIDE"));
    }
}
