//! Names for what is refused.

use wasmparser::{HeapType, Operator, RefType, ValType};

use super::Rule;

macro_rules! define_origin {
    ($( @$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*) )*) => {
        /// The proposal that an operator comes from, and its name in the parser.
        fn origin(op: &Operator<'_>) -> (&'static str, &'static str) {
            match op {
                $( Operator::$op { .. } => (stringify!($proposal), stringify!($visit)), )*
                _ => ("unknown", "visit_unknown"),
            }
        }
    };
}
wasmparser::for_each_operator!(define_origin);

/// The proposal that an operator comes from, in the parser's spelling.
pub(crate) fn proposal(op: &Operator<'_>) -> &'static str {
    origin(op).0
}

/// An operator's name in the text format.
pub(super) fn name(op: &Operator<'_>) -> String {
    spelled(origin(op).1)
}

/// The rule against an operator that has no price, what to say about it, and its name in the text format.
pub(super) fn refusal(op: &Operator<'_>) -> (Rule, String, String) {
    let (proposal, visit) = origin(op);
    let (rule, why) = match proposal {
        "mvp" | "saturating_float_to_int" => (Rule::Float, "floating-point operator".into()),
        "simd" | "relaxed_simd" => (Rule::Simd, "vector operator".into()),
        "threads" | "shared_everything_threads" => (Rule::Threads, "atomic operator".into()),
        "gc" | "function_references" | "custom_descriptors" => (Rule::Gc, "operator on managed references".into()),
        "exceptions" | "legacy_exceptions" => (Rule::Exceptions, "exception operator".into()),
        "tail_call" => (Rule::TailCall, "tail call".into()),
        other => (Rule::Proposal, format!("operator of the proposal {}", other.replace('_', "-"))),
    };
    (rule, why, spelled(visit))
}

/// `visit_i32_trunc_f32_s` as `i32.trunc_f32_s`.
fn spelled(visit: &str) -> String {
    let name = visit.strip_prefix("visit_").unwrap_or(visit);
    let dotted = name.split_once('_').filter(|(head, _)| {
        let digits = head.starts_with(['i', 'f', 'v']) && head.contains(|c: char| c.is_ascii_digit());
        digits
            || matches!(
                *head,
                "local" | "global" | "memory" | "table" | "ref" | "struct" | "array" | "elem" | "data" | "cont"
            )
    });
    match dotted {
        Some((head, tail)) => format!("{head}.{tail}"),
        None => name.into(),
    }
}

/// The rule against a value type, and its name, if contracts may not use it.
pub(super) fn refused_type(ty: ValType, floats: bool) -> Option<(Rule, String)> {
    let rule = match ty {
        ValType::F32 | ValType::F64 if floats => return None,
        ValType::I32 | ValType::I64 => return None,
        ValType::F32 | ValType::F64 => Rule::Float,
        ValType::V128 => Rule::Simd,
        ValType::Ref(RefType::FUNCREF) => return None,
        ValType::Ref(RefType::EXTERNREF) => Rule::Externref,
        ValType::Ref(_) => Rule::Gc,
    };
    Some((rule, ty.to_string()))
}

/// The same for what `ref.null` refers to.
pub(super) fn refused_heap_type(ty: HeapType) -> Option<(Rule, String)> {
    match ty {
        HeapType::FUNC => None,
        HeapType::EXTERN => Some((Rule::Externref, "externref".into())),
        other => Some((Rule::Gc, format!("{other:?}"))),
    }
}

/// A list of value types in the text format's manner.
pub(crate) fn type_list(types: &[ValType]) -> String {
    let names: Vec<String> = types.iter().map(ToString::to_string).collect();
    format!("({})", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::spelled;

    #[test]
    fn operators_are_spelled_as_in_text() {
        for (visit, text) in [
            ("visit_i32_trunc_f32_s", "i32.trunc_f32_s"),
            ("visit_i8x16_add", "i8x16.add"),
            ("visit_v128_load", "v128.load"),
            ("visit_memory_atomic_wait32", "memory.atomic_wait32"),
            ("visit_return_call", "return_call"),
            ("visit_f64_add", "f64.add"),
        ] {
            assert_eq!(spelled(visit), text);
        }
    }
}
