//! Validates objects against the CRDs, as the API server does.

use anyhow::Context;
use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use kube_cel::{CompiledSchema, compile_schema};
use serde_json::{Map, Value, json};
use tempcred_core::text::one_line;

use super::finding::{child, pointer};
use super::rule::Rule;
use super::structural::{Flaw, prepare, without_nulls};

/// Longest value that a message repeats, in characters.
const LONGEST_VALUE: usize = 100;

/// Longest part of a description that a message repeats, in bytes, unless its first sentence is longer.
const LONGEST_DESCRIPTION: usize = 160;

/// The keywords of a schema that JSON Schema and Kubernetes share.
const SHARED: [&str; 12] = [
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "required",
    "uniqueItems",
];

/// The schema of one kind.
pub struct KindSchema {
    schema: Value,
    values: Validator,
    rules: CompiledSchema,
}

/// The schemas of both kinds.
pub struct Schemas {
    /// `TemporaryCredential`.
    pub credential: KindSchema,
    /// `RoleGrant`.
    pub grant: KindSchema,
    engine: kube_cel::Validator,
}

impl Schemas {
    /// The schemas in the CRDs of this version.
    ///
    /// # Errors
    /// If a CRD contains a schema that cannot be compiled. A test compiles them.
    pub fn new() -> anyhow::Result<Self> {
        let mut kinds = Vec::new();
        for crd in tempcred_core::api::crds() {
            let crd = serde_json::to_value(crd)?;
            let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            kinds.push(KindSchema::new(schema.clone())?);
        }
        let mut kinds = kinds.into_iter();
        let mut next = || kinds.next().context("a CRD is missing");
        Ok(Self { credential: next()?, grant: next()?, engine: kube_cel::Validator::new() })
    }

    /// Validates an object. Returns what the API server rejects, and the object with defaults.
    ///
    /// Like the API server, it evaluates the validation rules only if the values match the schema.
    pub fn check(&self, kind: &KindSchema, object: &Value) -> (Vec<Flaw>, Value) {
        let mut value = object.clone();
        let mut envelope = Map::new();
        if let Some(fields) = value.as_object_mut() {
            for key in ["apiVersion", "kind", "metadata"] {
                envelope.extend(fields.remove(key).map(|value| (key.to_owned(), value)));
            }
        }
        let mut flaws = prepare(&mut value, &kind.schema);
        let errors = kind.values.iter_errors(&value);
        let invalid: Vec<_> = errors.map(|error| kind.flaw(&error)).collect();
        let is_valid = invalid.is_empty();
        flaws.extend(invalid);
        if let Some(fields) = value.as_object_mut() {
            fields.extend(envelope);
        }
        if is_valid {
            let rejected = self.engine.validate_compiled(&kind.rules, &without_nulls(&value), None);
            let rejected = rejected.err().into_iter().flatten();
            flaws.extend(rejected.map(|error| Flaw {
                rule: Rule::Validation,
                field: pointer(&error.field_path),
                message: error.message,
            }));
        }
        (flaws, value)
    }
}

impl KindSchema {
    fn new(schema: Value) -> anyhow::Result<Self> {
        let options = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex())
            .offline();
        let values = options.build(&to_json_schema(&schema)).map_err(|error| {
            anyhow::anyhow!("the schema of the CRD cannot be compiled: {error}")
        })?;
        let rules = compile_schema(&schema);
        if rules.has_errors() {
            let errors = rules.compilation_errors();
            anyhow::bail!("a validation rule of the CRD cannot be compiled: {errors:?}");
        }
        Ok(Self { schema, values, rules })
    }

    fn flaw(&self, error: &ValidationError<'_>) -> Flaw {
        let at = error.instance_path().as_str();
        let (field, message) = match error.kind() {
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                (child(at, name), "this field is required".to_owned())
            }
            kind => (at.to_owned(), message(kind, error)),
        };
        let message = match self.description(&field) {
            Some(about) => format!("{message}. {about}"),
            None => message,
        };
        Flaw { rule: Rule::Schema, field, message }
    }

    /// The first sentences of the description of a field.
    fn description(&self, field: &str) -> Option<&str> {
        let schema = super::finding::segments(field).try_fold(&self.schema, |schema, segment| {
            let named = schema["properties"].get(&segment);
            named.or_else(|| schema.get("items")).or_else(|| schema.get("additionalProperties"))
        });
        schema?.get("description")?.as_str().map(first_sentences)
    }
}

/// The sentences of a text that fit into a message, at least one.
fn first_sentences(text: &str) -> &str {
    let text = text.split_once("\n\n").map_or(text, |(first, _)| first);
    let ends = text.match_indices(". ").map(|(at, _)| at + 1).chain([text.len()]);
    let fitting = ends.clone().take_while(|end| *end <= LONGEST_DESCRIPTION).last();
    let end = fitting.or_else(|| ends.clone().next()).unwrap_or(text.len());
    &text[..end]
}

fn message(kind: &ValidationErrorKind, error: &ValidationError<'_>) -> String {
    let value = || one_line(&error.instance().to_string(), LONGEST_VALUE);
    match kind {
        ValidationErrorKind::Pattern { pattern } => {
            format!("{} does not match the pattern {pattern}", value())
        }
        ValidationErrorKind::Enum { options } => {
            format!("{} is not one of the supported values {options}", value())
        }
        ValidationErrorKind::MaxLength { limit } => {
            format!("must have at most {limit} characters")
        }
        ValidationErrorKind::MinLength { limit } => {
            format!("{} must have at least {limit} characters", value())
        }
        ValidationErrorKind::MaxItems { limit } => format!("must have at most {limit} items"),
        ValidationErrorKind::MinItems { limit } => format!("must have at least {limit} items"),
        ValidationErrorKind::MaxProperties { limit } => {
            format!("must have at most {limit} entries")
        }
        ValidationErrorKind::Maximum { limit } => format!("{} is more than {limit}", value()),
        ValidationErrorKind::Minimum { limit } => format!("{} is less than {limit}", value()),
        ValidationErrorKind::Type { .. } => match error.instance().as_ref() {
            Value::Number(_) | Value::Bool(_) => {
                format!("{} has the wrong type: quote it if it is text", value())
            }
            _ => format!("{} has the wrong type", value()),
        },
        _ => one_line(&error.to_string(), 2 * LONGEST_VALUE),
    }
}

/// Converts a schema of a CRD to JSON Schema.
fn to_json_schema(schema: &Value) -> Value {
    let mut converted = Map::new();
    for keyword in SHARED {
        converted.extend(schema.get(keyword).map(|value| (keyword.to_owned(), value.clone())));
    }
    let is_nullable = schema["nullable"] == true;
    if schema["x-kubernetes-int-or-string"] == true {
        converted.insert("type".to_owned(), json!(["integer", "string"]));
    } else if let Some(kind) = schema.get("type") {
        let kind = if is_nullable { json!([kind, "null"]) } else { kind.clone() };
        converted.insert("type".to_owned(), kind);
    }
    if let Some(properties) = schema["properties"].as_object() {
        let properties = properties.iter();
        let properties: Map<_, _> =
            properties.map(|(key, value)| (key.clone(), to_json_schema(value))).collect();
        converted.insert("properties".to_owned(), properties.into());
    }
    for keyword in ["items", "additionalProperties"] {
        let part = schema.get(keyword).filter(|part| part.is_object());
        converted.extend(part.map(|part| (keyword.to_owned(), to_json_schema(part))));
    }
    converted.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(spec: Value) -> Vec<(Rule, String, String)> {
        let schemas = Schemas::new().unwrap();
        let object = json!({
            "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
            "metadata": {"name": "a"}, "spec": spec,
        });
        let (flaws, _) = schemas.check(&schemas.credential, &object);
        flaws.into_iter().map(|flaw| (flaw.rule, flaw.field, flaw.message)).collect()
    }

    #[test]
    fn a_message_repeats_only_the_first_sentences_of_a_description() {
        let long = "x".repeat(200);
        for (text, expected) in [
            ("One. Two.", "One. Two."),
            ("One. Two.\n\nThree.", "One. Two."),
            (&format!("One. Two. {long}. Four."), "One. Two."),
            (&format!("{long}. Two."), &format!("{long}.")),
            ("", ""),
        ] {
            assert_eq!(first_sentences(text), expected);
        }
    }

    #[test]
    fn each_part_of_the_validation_finds_its_flaws() {
        let role = "arn:aws:iam::123456789012:role/reports";
        assert_eq!(check(json!({"assumeRole": {"roleArn": role}, "region": null})), []);
        for (row, spec, rule, field, text) in [
            (
                "a pattern",
                json!({"assumeRole": {"roleArn": "arn:aws:iam::123456789012:user/x"}}),
                Rule::Schema,
                "/spec/assumeRole/roleArn",
                "ARN of the role to assume",
            ),
            (
                "a required field",
                json!({"assumeRole": {}}),
                Rule::Schema,
                "/spec/assumeRole/roleArn",
                "this field is required",
            ),
            (
                "a type",
                json!({"assumeRole": {"roleArn": role}, "region": 3}),
                Rule::Schema,
                "/spec/region",
                "quote it if it is text",
            ),
            (
                "an unknown field",
                json!({"assumeRole": {"roleArn": role, "roleArns": []}}),
                Rule::UnknownField,
                "/spec/assumeRole/roleArns",
                "there is no such field",
            ),
            (
                "a rule",
                json!({"assumeRole": {"roleArn": role, "duration": "13h"}}),
                Rule::Validation,
                "/spec/assumeRole",
                "duration must be between 15m and 12h",
            ),
        ] {
            let found = check(spec);
            let expected = found.iter().find(|flaw| flaw.0 == rule && flaw.1 == field);
            assert!(expected.is_some_and(|flaw| flaw.2.contains(text)), "{row}: {found:?}");
        }
    }
}
