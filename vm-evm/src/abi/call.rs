//! Calls as values of type `bytes`, as proxies take them for their implementations: `initialize(address,uint256)(alice, 5)`.

use alloy_dyn_abi::DynSolValue;

use super::{literal, method, shape::Shape, value};

/// The call data of a signature with its arguments in parentheses; a signature without parameters needs none.
pub(super) fn encode(text: &str) -> Result<Vec<u8>, String> {
    let (signature, arguments) = split(text);
    let function = method::find(None, signature.trim(), None)
        .map_err(|_| "is neither hexadecimal nor a call such as initialize(address,uint256)(alice, 5)".to_owned())?;
    let fields = function.inputs.iter().map(|param| Ok((param.name.clone(), Shape::new(param)?)));
    let fields = fields.collect::<Result<_, alloy_dyn_abi::Error>>().map_err(|error| error.to_string())?;
    let arguments = if arguments.trim().is_empty() { "()" } else { arguments };
    let values = literal::parse(arguments)
        .and_then(|literal| value::from_literal(&Shape::Tuple(fields), &literal))
        .map_err(|why| format!("does not fit: {why}"))?;
    let mut data = method::selector(&method::signature(&function)).to_vec();
    match values {
        DynSolValue::Tuple(values) if values.is_empty() => {}
        values => data.extend(values.abi_encode_params()),
    }
    Ok(data)
}

/// The signature, up to the parenthesis that closes its parameters, and what follows.
fn split(text: &str) -> (&str, &str) {
    let mut open = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => open += 1,
            ')' if open == 1 => return text.split_at(at + 1),
            ')' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_their_call_data() {
        let add = format!("1003e2d2{:064x}", 7);
        for (text, want) in [
            ("add(uint256)(7)", add.as_str()),
            (" add( uint256 )  (0x7) ", add.as_str()),
            ("add(uint)(7)", add.as_str()),
            ("pause()", "8456cb59"),
            ("pause()()", "8456cb59"),
        ] {
            assert_eq!(encode(text).map(hex::encode).as_deref(), Ok(want), "{text}");
        }
        let nested = encode("f((address,bytes)[],string)([(contract:k, 0x01)], \"a b\")").unwrap();
        assert_eq!(nested.len() % 32, 4);
        let address = vm_core::ContractName::new("k").unwrap().address();
        assert!(nested.windows(20).any(|window| window == address.as_bytes()));
    }

    #[test]
    fn mistakes() {
        for (text, want) in [
            ("add(uint256)", "does not fit: (uint256) has not 0 fields"),
            ("add(uint256)(x)", "'x' is not a number"),
            ("add(uint257)(7)", "neither hexadecimal nor a call"),
            ("add(uint256", "neither hexadecimal nor a call"),
            ("add(uint256)7", "does not fit: expected (uint256) here"),
        ] {
            let error = encode(text).unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
