//! Checks the metadata of an object, as the API server does for every object.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value};

use super::finding::child;
use super::rule::Rule;
use super::structural::Flaw;

/// Most bytes of all annotations of an object.
const ANNOTATION_BYTES: usize = 256 << 10;

/// The fields that users set.
const SET_BY_USERS: [&str; 7] =
    ["annotations", "finalizers", "generateName", "labels", "name", "namespace", "ownerReferences"];

/// The fields that the API server sets.
const SET_BY_SERVER: [&str; 8] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// The names in the metadata of an object, and what is wrong with it.
pub fn check(object: &Value) -> Vec<Flaw> {
    let mut flaws = Flaws::default();
    match object.get("metadata") {
        Some(Value::Object(metadata)) => flaws.check(metadata),
        Some(Value::Null) | None => flaws.add("name", "this field is required"),
        Some(_) => flaws.add("", "this field must be a mapping"),
    }
    flaws.0
}

#[derive(Default)]
struct Flaws(Vec<Flaw>);

impl Flaws {
    fn add(&mut self, path: &str, message: &str) {
        let keys = path.split('\0').filter(|key| !key.is_empty());
        let field = keys.fold("/metadata".to_owned(), |field, key| child(&field, key));
        self.0.push(Flaw { rule: Rule::Metadata, field, message: message.to_owned() });
    }

    fn check(&mut self, metadata: &Map<String, Value>) {
        for (key, value) in metadata {
            if SET_BY_SERVER.contains(&key.as_str()) {
                if !value.is_null() {
                    let message = "only the API server sets this field: remove it";
                    let field = child("/metadata", key);
                    let message = message.to_owned();
                    self.0.push(Flaw { rule: Rule::ServerField, field, message });
                }
            } else if !SET_BY_USERS.contains(&key.as_str()) {
                self.add(key, "metadata has no such field: correct its name, or move it to spec");
                if let Some(flaw) = self.0.last_mut() {
                    flaw.rule = Rule::UnknownField;
                }
            }
        }
        for field in ["labels", "annotations"] {
            let entries = metadata.get(field).and_then(Value::as_object);
            for (key, value) in entries.into_iter().flatten() {
                if !(value.is_string() || value.is_null()) {
                    let message = "the value must be a string: quote it";
                    self.add(&format!("{field}\0{key}"), message);
                }
            }
        }
        for field in ["name", "generateName", "namespace"] {
            if metadata.get(field).is_some_and(|value| !(value.is_string() || value.is_null())) {
                self.add(field, "the value must be a string: quote it");
            }
        }
        if !self.0.iter().all(|flaw| flaw.rule == Rule::ServerField) {
            return;
        }
        match serde_json::from_value::<ObjectMeta>(metadata.clone().into()) {
            Ok(metadata) => self.values(&metadata),
            Err(error) => self.add("", &format!("the metadata cannot be decoded: {error}")),
        }
    }

    fn values(&mut self, metadata: &ObjectMeta) {
        self.names(metadata);
        let empty = BTreeMap::new();
        for (key, value) in metadata.labels.as_ref().unwrap_or(&empty) {
            let path = format!("labels\0{key}");
            if !is_qualified_name(key) {
                self.add(&path, KEY);
            }
            if !is_label_value(value) {
                self.add(&path, "the value of a label must have at most 63 letters, digits and -_., and begin and end with a letter or digit");
            }
        }
        let annotations = metadata.annotations.as_ref().unwrap_or(&empty);
        for key in annotations.keys() {
            if !is_qualified_name(&key.to_lowercase()) {
                self.add(&format!("annotations\0{key}"), KEY);
            }
        }
        let bytes: usize = annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes > ANNOTATION_BYTES {
            self.add("annotations", "all annotations together must have at most 256 KiB");
        }
        for (index, finalizer) in metadata.finalizers.iter().flatten().enumerate() {
            if !is_qualified_name(finalizer) {
                self.add(&format!("finalizers\0{index}"), KEY);
            }
        }
        let owners = metadata.owner_references.as_deref().unwrap_or_default();
        for (index, owner) in owners.iter().enumerate() {
            let required = [
                ("apiVersion", &owner.api_version),
                ("kind", &owner.kind),
                ("name", &owner.name),
                ("uid", &owner.uid),
            ];
            for (field, _) in required.iter().filter(|(_, value)| value.is_empty()) {
                self.add(&format!("ownerReferences\0{index}\0{field}"), "this field is required");
            }
        }
        if owners.iter().filter(|owner| owner.controller == Some(true)).count() > 1 {
            self.add("ownerReferences", "at most one owner may be the controller");
        }
    }

    fn names(&mut self, metadata: &ObjectMeta) {
        let set = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
        match (set(&metadata.name), set(&metadata.generate_name)) {
            (None, None) => self.add("name", "this field is required"),
            (name, generated) => {
                if name.is_some_and(|name| !is_subdomain(&name)) {
                    self.add("name", NAME);
                }
                let prefix = generated.map(|prefix| match prefix.strip_suffix('-') {
                    Some(rest) => format!("{rest}a"),
                    None => prefix,
                });
                if prefix.is_some_and(|prefix| !is_subdomain(&prefix)) {
                    self.add("generateName", NAME);
                }
            }
        }
        if set(&metadata.namespace).is_some_and(|namespace| !is_label(&namespace)) {
            self.add("namespace", "the name of a namespace must have at most 63 lower-case letters, digits and -, and begin and end with a letter or digit");
        }
    }
}

/// Message for an invalid name.
const NAME: &str = "a name must have at most 253 lower-case letters, digits, - and ., and each part between dots must begin and end with a letter or digit";

/// Message for an invalid key.
const KEY: &str = "a key must have at most 63 letters, digits and -_., and begin and end with a letter or digit; it may have a domain and / before it";

/// Whether this is a label of DNS (RFC 1123).
fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len()) && is_part(text)
}

/// Whether this is a subdomain (RFC 1123). Its parts may be longer than 63 characters.
fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_part)
}

fn is_part(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.bytes().all(inside) && !text.starts_with('-') && !text.ends_with('-')
}

/// Whether this is a key of labels and annotations.
fn is_qualified_name(text: &str) -> bool {
    let name_ok = |name: &str| !name.is_empty() && is_label_value(name);
    match text.split_once('/') {
        Some((domain, name)) => is_subdomain(domain) && name_ok(name),
        None => name_ok(text),
    }
}

fn is_label_value(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let end = |b: Option<u8>| b.is_none_or(|b| b.is_ascii_alphanumeric());
    text.len() <= 63
        && text.bytes().all(inside)
        && end(text.bytes().next())
        && end(text.bytes().last())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_metadata_of_every_object_is_checked() {
        let long = "a".repeat(64);
        for (row, metadata, field) in [
            ("good", json!({"name": "a.b-c"}), None),
            ("generated", json!({"generateName": "a-"}), None),
            ("a long part", json!({"name": long}), None),
            ("nulls", json!({"name": "a", "labels": null, "creationTimestamp": null}), None),
            ("keys", json!({"name": "a", "labels": {"b.c/d": "", "e": "F_g.h"}}), None),
            (
                "an upper-case annotation",
                json!({"name": "a", "annotations": {"B.C/D": "x y"}}),
                None,
            ),
            ("no name", json!({}), Some("/metadata/name")),
            ("an empty name", json!({"name": ""}), Some("/metadata/name")),
            ("upper case", json!({"name": "A"}), Some("/metadata/name")),
            ("a trailing dot", json!({"name": "a."}), Some("/metadata/name")),
            ("a number", json!({"name": 1}), Some("/metadata/name")),
            ("a bad prefix", json!({"generateName": "A"}), Some("/metadata/generateName")),
            (
                "a bad namespace",
                json!({"name": "a", "namespace": "b.c"}),
                Some("/metadata/namespace"),
            ),
            (
                "a number as label",
                json!({"name": "a", "labels": {"b": 1}}),
                Some("/metadata/labels/b"),
            ),
            (
                "a bad label",
                json!({"name": "a", "labels": {"b": "c d"}}),
                Some("/metadata/labels/b"),
            ),
            (
                "a bad key",
                json!({"name": "a", "labels": {"b/c/d": ""}}),
                Some("/metadata/labels/b~1c~1d"),
            ),
            (
                "a bad annotation",
                json!({"name": "a", "annotations": {"b c": ""}}),
                Some("/metadata/annotations/b c"),
            ),
            (
                "a bad finalizer",
                json!({"name": "a", "finalizers": ["b c"]}),
                Some("/metadata/finalizers/0"),
            ),
            ("an unknown field", json!({"name": "a", "label": {}}), Some("/metadata/label")),
            ("a field of the server", json!({"name": "a", "uid": "b"}), Some("/metadata/uid")),
            (
                "an owner without UID",
                json!({"name": "a", "ownerReferences": [{"apiVersion": "v1", "kind": "b", "name": "c", "uid": ""}]}),
                Some("/metadata/ownerReferences/0/uid"),
            ),
        ] {
            let flaws = check(&json!({"metadata": metadata}));
            let found: Vec<_> = flaws.iter().map(|flaw| flaw.field.as_str()).collect();
            assert_eq!(found, field.into_iter().collect::<Vec<_>>(), "{row}: {flaws:?}");
        }
        assert_eq!(check(&json!({})).len(), 1);
        assert_eq!(check(&json!({"metadata": []})).len(), 1);
    }
}
