//! The sample contracts, with some bytes of their code changed.

use vm_wasm::WasmRuntime;
use wasmparser::{Parser, Payload};

use super::random::Random;

/// A contract, and calls of it: a method and its arguments as text.
#[derive(Debug)]
pub(super) struct Sample {
    code: &'static [u8],
    pub(super) init: &'static [&'static str],
    pub(super) calls: &'static [(&'static str, &'static [&'static str])],
}

const SAMPLES: [Sample; 2] = [
    Sample {
        code: include_bytes!("../../../contracts/artifacts/token-v1.wasm"),
        init: &["1000000"],
        calls: &[
            ("transfer", &["bob", "7"]),
            ("transfer", &["bob", "7000000"]),
            ("approve", &["carol", "5"]),
            ("transfer_from", &["dave", "bob", "0"]),
            ("balance_of", &["bob"]),
            ("total_supply", &[]),
        ],
    },
    Sample {
        code: include_bytes!("../../../contracts/artifacts/probe.wasm"),
        init: &["hello"],
        calls: &[
            ("echo", &["0x00010203"]),
            ("put", &["0x6b", "0x76"]),
            ("get", &["0x6b"]),
            ("scan", &["0x00", "0xff", "3"]),
            ("count", &["0x6e"]),
            ("emit", &["topic", "0x1234"]),
            ("change_and_revert", &["0x6b", "0x77", "no"]),
            ("panic", &[]),
            ("compute", &["1000"]),
            ("recurse", &["50"]),
            ("recurse", &["100000"]),
            ("allocate", &["1"]),
            ("env", &[]),
            ("address_of", &["alice"]),
            ("gas_left", &[]),
        ],
    },
];

/// Tries to find changes that leave a module valid.
const TRIES: usize = 32;

/// A sample with one to three bytes of its code changed so that it still passes the gate; as it is if none was found.
pub(super) fn random(random: &mut Random) -> Option<(Vec<u8>, &'static Sample)> {
    let sample = random.choose(&SAMPLES)?;
    let code = Parser::new(0).parse_all(sample.code).find_map(|payload| match payload {
        Ok(Payload::CodeSectionStart { range, .. }) => Some(range),
        _ => None,
    })?;
    let gate = WasmRuntime::default();
    for _ in 0..TRIES {
        let mut changed = sample.code.to_vec();
        for _ in 0..=random.below(3) {
            let at = usize::try_from(random.below(code.len() as u64)).ok()?.checked_add(code.start)?;
            let (byte, number) = (changed.get_mut(at)?, random.next().to_le_bytes());
            let [replacement, bit, which, ..] = number;
            *byte = if which & 1 == 0 { replacement } else { *byte ^ 1 << (bit & 7) };
        }
        if gate.inspect(&changed).is_ok() {
            return Some((changed, sample));
        }
    }
    Some((sample.code.to_vec(), sample))
}
