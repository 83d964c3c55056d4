//! A defect of an engine that the rewritten code steers around.
//!
//! wasmi 2.0.0 merges `x == 0` and `x != 0` into a `select` behind it, and then takes for the condition what its accumulator
//! happens to hold instead of `x`, if `x` is a local. A write to a local between the two keeps them apart.

use wasmparser::Operator;

/// Whether a comparison with zero may be the last thing that was done when this operator is done.
pub(super) fn may_end_in_comparison(op: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(
        op,
        O::I32Eqz
            | O::I32Eq
            | O::I32Ne
            // These may come to no code at all.
            | O::Nop
            | O::Drop
            | O::LocalSet { .. }
            | O::LocalTee { .. }
            | O::Block { .. }
            | O::Loop { .. }
            | O::If { .. }
            | O::Else
            | O::End
    )
}

/// Whether an operator is a `select`.
pub(super) fn is_select(op: &Operator<'_>) -> bool {
    matches!(op, Operator::Select | Operator::TypedSelect { .. })
}

/// Whether a body has a `select` to be kept apart from what is before it.
pub(super) fn any(ops: &[Operator<'_>]) -> bool {
    ops.iter().zip(ops.iter().skip(1)).any(|(before, op)| is_select(op) && may_end_in_comparison(before))
}
