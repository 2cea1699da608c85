//! Compares the schema of a CustomResourceDefinition with the one in the cluster.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// How the schema in the cluster differs. Fields are paths such as `spec.assumeRole.roleArn`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Fields that only this binary knows.
    pub missing: Vec<String>,
    /// Fields that only the cluster knows.
    pub unknown: Vec<String>,
    /// Fields with other limits or rules.
    pub changed: Vec<String>,
}

impl Difference {
    /// Whether both accept the same objects.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What the API server adds to the schema of each type, or declares elsewhere.
const OF_API_SERVER: &[&str] = &["apiVersion", "kind", "metadata"];

/// Keywords that do not restrict what is accepted, or that are compared by path.
const NOT_COMPARED: &[&str] = &[
    "description",
    "properties",
    "items",
    "additionalProperties",
    "x-kubernetes-group-version-kind",
];

/// Compares two schemas of a type.
pub fn compare(ours: &Value, theirs: &Value) -> Difference {
    let mut difference = Difference::default();
    fields("", ours, theirs, &mut difference);
    difference
}

fn fields(path: &str, ours: &Value, theirs: &Value, into: &mut Difference) {
    if keywords(ours) != keywords(theirs) {
        into.changed.push(if path.is_empty() { "the object".to_owned() } else { path.to_owned() });
    }
    let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let names = |schema: &Value| {
        let names = schema["properties"].as_object().into_iter().flat_map(Map::keys).cloned();
        let is_ours = |name: &String| !path.is_empty() || !OF_API_SERVER.contains(&name.as_str());
        names.filter(is_ours).collect::<BTreeSet<_>>()
    };
    let (own, other) = (names(ours), names(theirs));
    into.missing.extend(own.difference(&other).map(|name| at(name)));
    into.unknown.extend(other.difference(&own).map(|name| at(name)));
    for name in own.intersection(&other) {
        fields(&at(name), &ours["properties"][name], &theirs["properties"][name], into);
    }
    for (keyword, suffix) in [("items", "[]"), ("additionalProperties", "{}")] {
        match (&ours[keyword], &theirs[keyword]) {
            (Value::Object(_), Value::Object(_)) => {
                let inner = format!("{path}{suffix}");
                fields(&inner, &ours[keyword], &theirs[keyword], into);
            }
            (own, other) if own != other => into.changed.push(path.to_owned()),
            _ => {}
        }
    }
}

/// The keywords that are compared, in a form that does not depend on how they were written.
fn keywords(schema: &Value) -> Map<String, Value> {
    let keywords = schema.as_object().into_iter().flatten();
    let compared = keywords.filter(|(name, _)| !NOT_COMPARED.contains(&name.as_str()));
    compared
        .map(|(name, value)| {
            let mut value = normalized(value);
            if let ("required" | "enum", Value::Array(names)) = (name.as_str(), &mut value) {
                names.sort_by_key(Value::to_string);
            }
            (name.clone(), value)
        })
        .collect()
}

/// Numbers as floating-point numbers: `1` and `1.0` are the same limit.
fn normalized(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(value.clone(), Value::from),
        Value::Array(items) => items.iter().map(normalized).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), normalized(value))).collect()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        json!({
            "type": "object", "required": ["spec"],
            "properties": {
                "spec": {
                    "type": "object", "required": ["b", "a"], "description": "ours",
                    "properties": {
                        "a": {"type": "string", "maxLength": 10},
                        "b": {"type": "array", "items": {"type": "object", "properties": {"c": {"type": "string"}}}},
                        "d": {"type": "object", "additionalProperties": {"type": "string"}},
                    },
                },
            },
        })
    }

    #[test]
    fn what_the_api_server_adds_and_writes_differently_is_no_difference() {
        let mut theirs = schema();
        theirs["x-kubernetes-group-version-kind"] = json!([{"kind": "A"}]);
        theirs["properties"]["metadata"] = json!({"$ref": "ObjectMeta"});
        theirs["properties"]["kind"] = json!({"type": "string"});
        let spec = &mut theirs["properties"]["spec"];
        spec["required"] = json!(["a", "b"]);
        spec["description"] = "theirs".into();
        spec["properties"]["a"]["maxLength"] = json!(10.0);
        assert_eq!(compare(&schema(), &theirs), Difference::default());
    }

    #[test]
    fn every_kind_of_difference_is_found_where_it_is() {
        let paths = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        let edit = |edit: fn(&mut Value)| {
            let mut theirs = schema();
            edit(&mut theirs["properties"]["spec"]);
            compare(&schema(), &theirs)
        };
        let missing = edit(|spec| {
            spec["properties"].as_object_mut().unwrap().remove("d");
            spec["properties"]["b"]["items"]["properties"] = json!({});
        });
        let expected =
            Difference { missing: paths(&["spec.d", "spec.b[].c"]), ..Difference::default() };
        assert_eq!(missing, expected);
        let unknown = edit(|spec| spec["properties"]["e"] = json!({"type": "string"}));
        let expected = Difference { unknown: paths(&["spec.e"]), ..Difference::default() };
        assert_eq!(unknown, expected);
        for (row, changed, path) in [
            ("a limit", edit(|spec| spec["properties"]["a"]["maxLength"] = 11.into()), "spec.a"),
            (
                "a rule",
                edit(|spec| spec["x-kubernetes-validations"] = json!([{"rule": "true"}])),
                "spec",
            ),
            (
                "the values of a map",
                edit(|spec| {
                    spec["properties"]["d"]["additionalProperties"]["type"] = "integer".into()
                }),
                "spec.d{}",
            ),
            (
                "no more a map",
                edit(|spec| spec["properties"]["d"]["additionalProperties"] = Value::Null),
                "spec.d",
            ),
        ] {
            let expected = Difference { changed: paths(&[path]), ..Difference::default() };
            assert_eq!(changed, expected, "{row}");
        }
    }
}
