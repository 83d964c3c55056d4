//! The section `vm.quotas`: what each caller, and the callers of each contract together, may ask of this host.

use vm_core::{Gas, Quota, Quotas, Rate};

use super::section::{Mistakes, Section};
use super::{Mistake, value};

/// Reads the section.
pub(super) fn read(section: Section<'_>, quotas: &mut Quotas, mistakes: &mut Mistakes) {
    section.expect_keys(&["caller", "contract"], mistakes, |_| None);
    for (key, quota) in [("caller", &mut quotas.caller), ("contract", &mut quotas.contract)] {
        if let Some(section) = section.get(key, mistakes, Section::of) {
            *quota = self::quota(section, mistakes);
        }
    }
}

fn quota(section: Section<'_>, mistakes: &mut Mistakes) -> Quota {
    const KEYS: &[&str] = &["in_flight", "burst", "every", "gas_per_call", "gas_per_window", "window"];
    section.expect_keys(KEYS, mistakes, |_| None);
    let burst = section.get("burst", mistakes, value::positive);
    let every = section.get("every", mistakes, value::duration);
    let gas = section.get("gas_per_window", mistakes, value::positive);
    let window = section.get("window", mistakes, value::duration);
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    Quota {
        in_flight: section.get("in_flight", mistakes, value::positive).map(small),
        rate: both(section, ["burst", "every"], burst, every, mistakes)
            .map(|(burst, every)| Rate { burst: small(burst), every }),
        gas_per_call: section.get("gas_per_call", mistakes, value::positive).map(Gas::new),
        gas_per_window: both(section, ["gas_per_window", "window"], gas, window, mistakes)
            .map(|(gas, window)| (Gas::new(gas), window)),
    }
}

/// Two keys that mean something together only.
fn both<A, B>(
    section: Section<'_>,
    keys: [&str; 2],
    first: Option<A>,
    second: Option<B>,
    mistakes: &mut Mistakes,
) -> Option<(A, B)> {
    let there = keys.map(|key| section.node(key).is_some());
    if there == [true, false] || there == [false, true] {
        let [first, second] = keys;
        let found = format!("only one of `{first}` and `{second}`");
        mistakes.0.push(Mistake::at(section.at, found).expected("both, or none"));
    }
    first.zip(second)
}
