//! A parameter's type together with the names of its fields.

use alloy_dyn_abi::{DynSolType, Specifier};
use alloy_json_abi::Param;

/// The type of a value; tuples know their fields' names, which [`DynSolType`] drops.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// A value without parts.
    Scalar(DynSolType),
    /// An array of one type, of a fixed length or any.
    List(Box<Shape>, Option<usize>),
    /// A struct or tuple.
    Tuple(Vec<(String, Shape)>),
}

impl Shape {
    /// The shape of a parameter of an ABI.
    pub(super) fn new(param: &Param) -> Result<Self, alloy_dyn_abi::Error> {
        Ok(Self::of(param.resolve()?, &param.components))
    }

    fn of(ty: DynSolType, components: &[Param]) -> Self {
        match ty {
            DynSolType::Array(item) => Self::List(Box::new(Self::of(*item, components)), None),
            DynSolType::FixedArray(item, len) => Self::List(Box::new(Self::of(*item, components)), Some(len)),
            DynSolType::Tuple(fields) => Self::Tuple(
                fields
                    .into_iter()
                    .enumerate()
                    .map(|(i, field)| match components.get(i) {
                        Some(param) => (param.name.clone(), Self::of(field, &param.components)),
                        None => (String::new(), Self::of(field, &[])),
                    })
                    .collect(),
            ),
            scalar => Self::Scalar(scalar),
        }
    }

    /// The type as people write it: `uint8[]`, `(address to,uint256 amount)`.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Scalar(ty) => ty.to_string(),
            Self::List(item, Some(len)) => format!("{}[{len}]", item.describe()),
            Self::List(item, None) => format!("{}[]", item.describe()),
            Self::Tuple(fields) => {
                let fields: Vec<_> = fields
                    .iter()
                    .map(|(name, field)| format!("{} {name}", field.describe()).trim_end().to_owned())
                    .collect();
                format!("({})", fields.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_nested_fields_are_kept() {
        let json = r#"{"name":"orders","type":"tuple[]","components":[
            {"name":"to","type":"address"},
            {"name":"range","type":"tuple","components":[{"name":"low","type":"uint8"},{"name":"high","type":"uint8[2]"}]}]}"#;
        let shape = Shape::new(&serde_json::from_str(json).unwrap()).unwrap();
        assert_eq!(shape.describe(), "(address to,(uint8 low,uint8[2] high) range)[]");
    }
}
