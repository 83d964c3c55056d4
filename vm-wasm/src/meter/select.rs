//! A defect of an engine that the rewritten code steers around.
//!
//! wasmi 2.0.0 merges a comparison with zero, or `ref.is_null`, into a `select` behind it, and then takes for the condition what its
//! accumulator happens to hold instead of what was compared. Which comparison it merges is not to be seen from the operator in front: it
//! looks through conversions, through blocks, and through selections between constants. So every condition is written to a local on its
//! way, which keeps the two apart; compilers make nothing of it.

use wasmparser::Operator;

/// Whether an operator is a `select`.
pub(super) fn is_select(op: &Operator<'_>) -> bool {
    matches!(op, Operator::Select | Operator::TypedSelect { .. })
}
