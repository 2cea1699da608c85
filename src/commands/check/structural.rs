//! What the API server does with an object of a CRD beside validating it: it removes nulls, applies defaults, and
//! rejects unknown fields and lists that contain an entry twice.
//!
//! Schemas and documents are bounded in depth, so recursion over them is bounded.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::finding::child;
use super::rule::Rule;

/// A field that the API server rejects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The rule that rejects it.
    pub rule: Rule,
    /// JSON pointer to the field.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

/// Removes nulls and unknown fields from a value and applies the defaults of its schema. Returns the unknown fields,
/// and the entries that lists contain twice.
pub fn prepare(value: &mut Value, schema: &Value) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    prepare_at(value, schema, "", &mut flaws);
    flaws
}

fn prepare_at(value: &mut Value, schema: &Value, pointer: &str, flaws: &mut Vec<Flaw>) {
    match value {
        Value::Object(fields) => {
            remove_unknown(fields, schema, pointer, flaws);
            fields.retain(|key, value| {
                let of_field = field(schema, key);
                !value.is_null() || is_nullable(of_field) || of_field.get("default").is_some()
            });
            for (key, of_field) in schema["properties"].as_object().into_iter().flatten() {
                let is_missing =
                    fields.get(key).is_none_or(|value| value.is_null() && !is_nullable(of_field));
                if let (true, Some(default)) = (is_missing, of_field.get("default")) {
                    fields.insert(key.clone(), default.clone());
                }
            }
            for (key, value) in fields {
                prepare_at(value, field(schema, key), &child(pointer, key), flaws);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                prepare_at(item, &schema["items"], &child(pointer, &index.to_string()), flaws);
            }
            find_duplicates(items, schema, pointer, flaws);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn remove_unknown(
    fields: &mut Map<String, Value>,
    schema: &Value,
    pointer: &str,
    flaws: &mut Vec<Flaw>,
) {
    let preserves = schema["x-kubernetes-preserve-unknown-fields"] == true;
    if preserves || schema["additionalProperties"].is_object() || schema["type"] != "object" {
        return;
    }
    let known = schema["properties"].as_object();
    fields.retain(|key, _| {
        let is_known = known.is_some_and(|known| known.contains_key(key));
        if !is_known {
            flaws.push(Flaw {
                rule: Rule::UnknownField,
                field: child(pointer, key),
                message: unknown(key, known),
            });
        }
        is_known
    });
}

/// The message for an unknown field, which names the field that it was probably meant to be.
fn unknown(key: &str, known: Option<&Map<String, Value>>) -> String {
    let names = || known.into_iter().flat_map(Map::keys);
    let folded = |text: &str| text.to_lowercase().replace(['-', '_'], "");
    let similar = names().find(|name| folded(name) == folded(key));
    match similar {
        Some(name) => format!("there is no such field: write {name}"),
        None => {
            let all: Vec<_> = names().map(String::as_str).collect();
            format!("there is no such field: use one of {}, or remove it", all.join(", "))
        }
    }
}

fn find_duplicates(items: &[Value], schema: &Value, pointer: &str, flaws: &mut Vec<Flaw>) {
    let identity = |item: &Value| match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => Some(item.to_string()),
        Some("map") => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
            let values: Vec<_> = keys.map(|key| &item[key.as_str().unwrap_or_default()]).collect();
            Some(json!(values).to_string())
        }
        Some(_) | None => None,
    };
    let mut seen = HashSet::new();
    for (index, item) in items.iter().enumerate() {
        if identity(item).is_some_and(|identity| !seen.insert(identity)) {
            flaws.push(Flaw {
                rule: Rule::DuplicateItem,
                field: child(pointer, &index.to_string()),
                message: "the list contains this entry twice: remove one of them".to_owned(),
            });
        }
    }
}

/// The schema of a field. Null if there is none.
fn field<'a>(schema: &'a Value, key: &str) -> &'a Value {
    match schema["properties"].get(key) {
        Some(found) => found,
        None => &schema["additionalProperties"],
    }
}

fn is_nullable(schema: &Value) -> bool {
    schema["nullable"] == true
}

/// The same value without fields that are null: validation rules treat them as absent.
pub fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(fields.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        scalar => scalar.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Value {
        json!({"type": "object", "properties": {
            "name": {"type": "string"},
            "region": {"type": "string", "nullable": true},
            "profile": {"type": "string", "default": "default"},
            "nested": {"type": "object", "default": {}, "properties": {
                "policy": {"type": "string", "default": "Delete"},
            }},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "formats": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "restart": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["kind", "name"],
                "items": {"type": "object", "properties": {"kind": {"type": "string"}, "name": {"type": "string"}}},
            },
        }})
    }

    #[test]
    fn nulls_and_defaults_are_those_of_the_api_server() {
        let defaulted = json!({"profile": "default", "nested": {"policy": "Delete"}});
        for (row, value, changed) in [
            ("nothing", json!({}), json!({})),
            ("null that is not nullable", json!({"name": null}), json!({})),
            ("null that is nullable", json!({"region": null}), json!({"region": null})),
            ("null with a default", json!({"profile": null}), json!({})),
            (
                "null in a map",
                json!({"labels": {"a": null, "b": "c"}}),
                json!({"labels": {"b": "c"}}),
            ),
            ("a part", json!({"nested": {}}), json!({})),
            ("set", json!({"profile": "x"}), json!({"profile": "x"})),
        ] {
            let mut value = value;
            assert_eq!(prepare(&mut value, &schema()), [], "{row}");
            let mut expected = defaulted.clone();
            expected.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
            assert_eq!(value, expected, "{row}");
        }
    }

    #[test]
    fn unknown_fields_and_duplicates_are_found_where_they_are() {
        let both =
            json!({"restart": [{"kind": "a", "name": "b"}, {"kind": "a", "name": "b", "x": 1}]});
        for (row, value, field) in [
            ("unknown", json!({"nam": 1}), "/nam"),
            ("unknown in a field", json!({"nested": {"x": 1}}), "/nested/x"),
            ("twice", json!({"formats": ["a", "b", "a"]}), "/formats/2"),
            ("twice in a map", both, "/restart/1"),
        ] {
            let mut value = value;
            let flaws = prepare(&mut value, &schema());
            assert!(flaws.iter().any(|flaw| flaw.field == field), "{row}: {flaws:?}");
        }
        let mut value = json!({"Profile": "x"});
        let flaws = prepare(&mut value, &schema());
        assert!(flaws[0].message.ends_with("write profile"), "{flaws:?}");
    }
}
