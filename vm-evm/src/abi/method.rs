//! Which function of an ABI a text names, and its call data.

use alloy_dyn_abi::{DynSolType, DynSolValue, Specifier};
use alloy_json_abi::{Function, JsonAbi, Param, StateMutability};
use vm_core::{Argument, ArgumentError};

use super::{shape::Shape, upgrade, value};

/// The longest signature and the longest type, in bytes: a type is as deep as it is long, and is walked through by recursion.
pub(super) const LONGEST: usize = 4096;

/// The length of the longest type in a type.
pub(super) fn longest(of: &str, components: &[Param]) -> usize {
    components.iter().map(|part| longest(&part.ty, &part.components)).fold(of.len(), usize::max)
}

/// What a method is where no ABI completes its name.
const SIGNATURE: &str = "Solidity signature, such as transfer(address,uint256)";

/// Finds the one function that `method` and the arguments mean.
///
/// A bare name picks among overloads by the arguments' count (and names, when named); a signature such as
/// `transfer(address,uint256)` picks exactly, and works without an ABI too. `arguments` is `None` when they are encoded
/// already.
pub(super) fn find(
    abi: Option<&JsonAbi>,
    method: &str,
    arguments: Option<&[Argument]>,
) -> Result<Function, ArgumentError> {
    if method.contains('(') {
        return by_signature(abi, method);
    }
    let abi = abi.ok_or_else(|| ArgumentError::Value {
        signature: "call".to_owned(),
        parameter: "method".to_owned(),
        expected: SIGNATURE.to_owned(),
        found: value::short(method),
        why: "is a bare name, and no ABI tells its types".to_owned(),
    })?;
    let overloads = abi.function(method).map(Vec::as_slice).unwrap_or_default();
    if overloads.is_empty() {
        return Err(unknown(abi, method));
    }
    let fitting: Vec<_> =
        overloads.iter().filter(|f| arguments.is_none_or(|arguments| fits(&f.inputs, arguments))).collect();
    match (fitting.as_slice(), overloads) {
        // With one candidate, its own complaint about the arguments says more than "none fits".
        ([function], _) => Ok((*function).clone()),
        ([], [function]) => Ok(function.clone()),
        _ => Err(ArgumentError::Overload {
            method: method.to_owned(),
            found: arguments.map_or(0, <[_]>::len),
            candidates: overloads.iter().map(signature).collect(),
        }),
    }
}

fn by_signature(abi: Option<&JsonAbi>, method: &str) -> Result<Function, ArgumentError> {
    let value = |why: String| ArgumentError::Value {
        signature: "call".to_owned(),
        parameter: "method".to_owned(),
        expected: SIGNATURE.to_owned(),
        found: value::short(method),
        why,
    };
    if method.len() > LONGEST {
        return Err(value(format!("has {} bytes, above the limit of {LONGEST}", method.len())));
    }
    // The parser's own words are a drawing of several lines.
    let function = Function::parse(method).map_err(|_| value("cannot be read as one".to_owned()))?;
    let mut params = function.inputs.iter().chain(&function.outputs);
    if let Some(error) = params.find_map(|p| Specifier::<DynSolType>::resolve(p).err()) {
        return Err(value(format!("has an unknown type: {error}")));
    }
    let Some(abi) = abi else {
        return Ok(function);
    };
    let wanted = signature(&function);
    let mut overloads = abi.function(&function.name).into_iter().flatten();
    match overloads.find(|known| signature(known) == wanted) {
        Some(known) => match (types(&function.outputs), types(&known.outputs)) {
            (told, has) if told.is_empty() || told == has => Ok(known.clone()),
            (_, has) => Err(value(format!("has other results than the ABI, which are ({})", has.join(",")))),
        },
        // A proxy answers for more than its own functions.
        None if abi.fallback.is_some() => Ok(function),
        None => Err(unknown(abi, method)),
    }
}

/// `transfer(address,uint256)`: what the selector is the hash of.
pub(super) fn signature(function: &Function) -> String {
    format!("{}({})", function.name, types(&function.inputs).join(","))
}

fn types(params: &[Param]) -> Vec<String> {
    let spelt_out = |param: &Param| match Specifier::<DynSolType>::resolve(param) {
        // `uint256` where it says `uint`.
        Ok(of) => of.to_string(),
        Err(_) => param.selector_type().into_owned(),
    };
    params.iter().map(spelt_out).collect()
}

/// The first four bytes of the call data of a signature.
pub(super) fn selector(signature: &str) -> [u8; 4] {
    let [a, b, c, d, ..] = alloy_primitives::keccak256(signature).0;
    [a, b, c, d]
}

fn unknown(abi: &JsonAbi, method: &str) -> ArgumentError {
    let name = method.split('(').next().unwrap_or(method);
    let names = abi.functions().map(|f| f.name.as_str());
    ArgumentError::UnknownMethod {
        method: value::short(method),
        suggestion: Some(name)
            .filter(|name| !name.is_empty())
            .and_then(|name| vm_core::closest(name, names))
            .map(str::to_owned),
        methods: describe_all(abi),
    }
}

/// Every function of the ABI that can be called, for people.
pub(super) fn describe_all(abi: &JsonAbi) -> Vec<String> {
    abi.functions().filter(|function| !upgrade::is(function)).map(describe).collect()
}

/// `view balanceOf(address owner) -> uint256`.
pub(super) fn describe(function: &Function) -> String {
    let view = matches!(function.state_mutability, StateMutability::Pure | StateMutability::View);
    let outputs = list(&function.outputs);
    let result = match function.outputs.as_slice() {
        [] => String::new(),
        [_] => format!(" -> {outputs}"),
        _ => format!(" -> ({outputs})"),
    };
    format!("{}{}({}){result}", if view { "view " } else { "" }, function.name, list(&function.inputs))
}

fn list(params: &[Param]) -> String {
    let list: Vec<_> = params.iter().map(|p| format!("{} {}", described(p), p.name).trim_end().to_owned()).collect();
    list.join(", ")
}

/// The type, with the names of a struct's fields: JSON needs them.
fn described(param: &Param) -> String {
    Shape::new(param).map_or_else(|_| param.selector_type().into_owned(), |shape| shape.describe())
}

fn fits(inputs: &[Param], arguments: &[Argument]) -> bool {
    inputs.len() == arguments.len()
        && arguments.iter().all(|a| a.name.as_ref().is_none_or(|name| inputs.iter().any(|p| p.name == *name)))
}

/// ABI-encodes arguments for `inputs`; `name` is the function's, for messages.
pub(super) fn encode(name: &str, inputs: &[Param], arguments: &[Argument]) -> Result<Vec<u8>, ArgumentError> {
    let described = || format!("{name}({})", list(inputs));
    let ordered = arrange(&described, inputs, arguments)?;
    let mut values = Vec::with_capacity(inputs.len());
    for (position, (param, argument)) in inputs.iter().zip(ordered).enumerate() {
        let error = |why: String| ArgumentError::Value {
            signature: described(),
            parameter: match param.name.as_str() {
                "" => (position + 1).to_string(),
                name => name.to_owned(),
            },
            expected: param.selector_type().into_owned(),
            found: value::short(&argument.value),
            why,
        };
        let shape = Shape::new(param).map_err(|e| error(format!("cannot be encoded: {e}")))?;
        let text = match shape {
            Shape::Scalar(DynSolType::String) => argument.text().map_err(|why| error(why.to_owned()))?,
            _ => argument.value.as_str(),
        };
        values.push(value::from_text(&shape, text).map_err(error)?);
    }
    Ok(DynSolValue::Tuple(values).abi_encode_params())
}

/// The arguments in the order of the parameters: positional ones fill their position, named ones their parameter.
fn arrange<'a>(
    described: &impl Fn() -> String,
    inputs: &[Param],
    arguments: &'a [Argument],
) -> Result<Vec<&'a Argument>, ArgumentError> {
    let count = || ArgumentError::Count { signature: described(), expected: inputs.len(), found: arguments.len() };
    let mut slots: Vec<Option<&Argument>> = vec![None; inputs.len()];
    for (position, argument) in arguments.iter().enumerate() {
        let Some(name) = &argument.name else {
            *slots.get_mut(position).ok_or_else(count)? = Some(argument);
            continue;
        };
        let wrong = |why| ArgumentError::Name { signature: described(), name: name.clone(), why };
        let slot = inputs
            .iter()
            .position(|param| param.name == *name)
            .and_then(|n| slots.get_mut(n))
            .ok_or_else(|| wrong("is not one of its parameters"))?;
        if slot.replace(argument).is_some() {
            return Err(wrong("is given twice"));
        }
    }
    slots.into_iter().collect::<Option<_>>().ok_or_else(count)
}
