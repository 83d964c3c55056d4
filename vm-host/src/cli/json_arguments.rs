//! Arguments as JSON.

use serde_json::value::RawValue;
use vm_core::Argument;

/// Arguments that were given as JSON.
#[derive(Debug, Clone)]
pub(super) struct JsonArguments(pub(super) Vec<Argument>);

impl JsonArguments {
    /// Reads an array in the order of the parameters, or an object by their names.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        // Values stay as they are written: a number of 256 bits is no number of JSON's readers.
        let list = if text.starts_with('{') {
            serde_json::from_str(text).map(|Named(named)| named)
        } else {
            serde_json::from_str::<Vec<Box<RawValue>>>(text)
                .map(|list| list.into_iter().map(|value| (None, value)).collect())
        };
        let list: Vec<(Option<String>, Box<RawValue>)> =
            list.map_err(|error| format!("neither a JSON array nor an object: {error}"))?;
        let mut arguments: Vec<Argument> = Vec::with_capacity(list.len());
        for (name, value) in list {
            if serde_json::from_str(value.get()).is_ok_and(|value| has_null(&value)) {
                return Err("null is the value of no type; leave it out, or give a value".to_owned());
            }
            if let Some(name) =
                name.as_ref().filter(|name| arguments.iter().any(|known| known.name.as_ref() == Some(name)))
            {
                return Err(format!("argument '{name}' is given twice"));
            }
            let is_composite = value.get().starts_with(['[', '{']);
            arguments.push(Argument { name, value: plain(&value), is_composite });
        }
        Ok(Self(arguments))
    }
}

/// The fields of a JSON object as they are written, so that none hides another.
struct Named(Vec<(Option<String>, Box<RawValue>)>);

impl<'de> serde::Deserialize<'de> for Named {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> serde::de::Visitor<'de> for Fields {
    type Value = Named;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("arguments by their names")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Named, A::Error> {
        let mut fields = Vec::new();
        while let Some((name, value)) = map.next_entry()? {
            fields.push((Some(name), value));
        }
        Ok(Named(fields))
    }
}

fn has_null(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Null => true,
        serde_json::Value::Array(items) => items.iter().any(has_null),
        serde_json::Value::Object(fields) => fields.values().any(has_null),
        _ => false,
    }
}

/// A string without its quotes; anything else as it is written.
fn plain(value: &RawValue) -> String {
    serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned())
}
