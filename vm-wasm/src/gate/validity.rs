//! The third pass: validation with exactly the features that contracts may use, and the stack units of each function.

use wasmparser::{FuncValidatorAllocations, OperatorsReader, Parser, ValidPayload, Validator, WasmFeatures};

use super::preamble::undecodable;
use super::{Checked, GateConfig, Rejection, Rule, Violation};
use crate::meter::stack;

/// The features beyond WebAssembly 1.0 that contracts may use: those that compilers enable by default, without floats unless
/// the configuration admits them.
fn features(floats: bool) -> WasmFeatures {
    let numbers =
        if floats { WasmFeatures::FLOATS | WasmFeatures::SATURATING_FLOAT_TO_INT } else { WasmFeatures::empty() };
    numbers
        | WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::REFERENCE_TYPES
}

/// Validates a surveyed module and returns the stack units of its defined functions.
pub(super) fn validate(bytes: &[u8], checked: &Checked<'_>, config: &GateConfig) -> Result<Vec<u64>, Rejection> {
    let mut validator = Validator::new_with_features(features(config.floats));
    let mut allocations = FuncValidatorAllocations::default();
    let mut units = Vec::new();
    let invalid = |error: wasmparser::Error| Rejection::from(violation(bytes, &error));
    // What later proposals encode differently counts as they do not: overlong sizes of memories, bytes that must be zero.
    let mut parser = Parser::new(0);
    parser.set_features(features(config.floats));
    for payload in parser.parse_all(bytes) {
        let payload = payload.map_err(invalid)?;
        let ValidPayload::Func(function, body) = validator.payload(&payload).map_err(invalid)? else { continue };
        let mut function = function.into_validator(allocations);
        let needed = function_units(&mut function, &body).map_err(|error| {
            let index = checked.imports.len().saturating_add(units.len());
            Rejection::from(violation(bytes, &error).of_function(u32::try_from(index).unwrap_or(u32::MAX)))
        })?;
        if needed > config.stack_units {
            let index = checked.imports.len().saturating_add(units.len());
            let why = format!("a call needs {needed} units of stack, there are {}", config.stack_units);
            let violation = Violation::new(Rule::StackSize, why).at(body.range().start);
            return Err(violation.of_function(u32::try_from(index).unwrap_or(u32::MAX)).into());
        }
        units.push(needed);
        allocations = function.into_allocations();
    }
    Ok(units)
}

fn function_units(
    function: &mut wasmparser::FuncValidator<wasmparser::ValidatorResources>,
    body: &wasmparser::FunctionBody<'_>,
) -> Result<u64, wasmparser::Error> {
    let mut reader = body.get_binary_reader();
    function.read_locals(&mut reader)?;
    let mut ops = OperatorsReader::new(reader);
    let (mut height, mut kept) = (0, 0u32);
    while !ops.eof() {
        let (op, offset) = ops.read_with_offset()?;
        function.op(offset, &op)?;
        height = height.max(function.operand_stack_height());
        kept = kept.saturating_add(stack::may_be_kept(&op).into());
    }
    ops.finish()?;
    Ok(stack::units(function.len_locals(), height, kept))
}

/// A validator's error as a violation. What a missing feature explains gets that feature's rule.
fn violation(bytes: &[u8], error: &wasmparser::Error) -> Violation {
    const RULES: [(WasmFeatures, Rule); 13] = [
        (WasmFeatures::FLOATS, Rule::Float),
        (WasmFeatures::SATURATING_FLOAT_TO_INT, Rule::Float),
        (WasmFeatures::SIMD, Rule::Simd),
        (WasmFeatures::THREADS, Rule::Threads),
        (WasmFeatures::MEMORY64, Rule::Memory64),
        (WasmFeatures::GC, Rule::Gc),
        (WasmFeatures::FUNCTION_REFERENCES, Rule::Gc),
        (WasmFeatures::GC_TYPES, Rule::Externref),
        (WasmFeatures::EXCEPTIONS, Rule::Exceptions),
        (WasmFeatures::TAIL_CALL, Rule::TailCall),
        (WasmFeatures::MULTI_MEMORY, Rule::MultiMemory),
        (WasmFeatures::EXTENDED_CONST, Rule::Proposal),
        (WasmFeatures::CUSTOM_PAGE_SIZES, Rule::Proposal),
    ];
    let rule = error.missing_wasm_feature().map(|missing| {
        RULES.iter().find(|(feature, _)| missing.intersects(*feature)).map_or(Rule::Proposal, |(_, rule)| *rule)
    });
    match rule {
        Some(rule) => Violation::new(rule, error.message()).at(error.offset()),
        None if error.message().contains("unexpected end") => undecodable(bytes, error),
        None => Violation::new(Rule::Invalid, format!("the module is invalid: {}", error.message())).at(error.offset()),
    }
}
