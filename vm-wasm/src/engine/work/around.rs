//! What a module has beside the code of its functions.

use std::collections::BTreeSet;

use wasmparser::{BinaryReaderError, ElementItems, ElementKind, ElementSectionReader, FuncType, Operator};

use super::Types;

/// The weights, in nanoseconds: of a type, and of each of its parameters and results; of a function that is used as a value, and of each
/// of its parameters and results; of an entry of any segment, and in addition of a passive one, which takes 2.3 KiB of memory; and of a
/// byte of data.
const TYPE: u64 = 80_000;
const OF_TYPE: u64 = 5_000;
const VALUE: u64 = 70_000;
const OF_VALUE: u64 = 4_500;
const ENTRY: u64 = 120;
const PASSIVE: u64 = 25_000;
pub(super) const DATA: u64 = 30;

/// The estimate for the types of a module.
pub(super) fn types(types: &[FuncType]) -> u64 {
    let weights = types.iter().map(|ty| TYPE.saturating_add(OF_TYPE.saturating_mul(width(ty))));
    weights.fold(0, u64::saturating_add)
}

/// The estimate for the segments of elements, and for the functions that they name. A function that code uses as a value is in one of
/// them.
pub(super) fn elements(section: ElementSectionReader<'_>, types: &Types) -> Result<u64, BinaryReaderError> {
    let (mut sum, mut named) = (0_u64, BTreeSet::new());
    for element in section {
        let element = element?;
        let each = ENTRY + if matches!(element.kind, ElementKind::Passive) { PASSIVE } else { 0 };
        match element.items {
            ElementItems::Functions(functions) => {
                sum = sum.saturating_add(each.saturating_mul(functions.count().into()));
                for function in functions {
                    named.insert(function?);
                }
            }
            ElementItems::Expressions(_, expressions) => {
                sum = sum.saturating_add(each.saturating_mul(expressions.count().into()));
                for expression in expressions {
                    for op in expression?.get_operators_reader() {
                        if let Operator::RefFunc { function_index } = op? {
                            named.insert(function_index);
                        }
                    }
                }
            }
        }
    }
    let functions = named.into_iter().map(|function| {
        let width = types.of_function(function as usize).map_or(0, width);
        VALUE.saturating_add(OF_VALUE.saturating_mul(width))
    });
    Ok(functions.fold(sum, u64::saturating_add))
}

/// How many parameters and results a type has.
fn width(ty: &FuncType) -> u64 {
    (ty.params().len() + ty.results().len()) as u64
}
