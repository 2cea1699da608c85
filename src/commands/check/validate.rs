//! Validates each object of the input.

use serde::de::DeserializeOwned;
use serde_json::Value;
use tempcred_core::api::{RoleGrant, StoredGrant, TemporaryCredential};

use super::finding::{Finding, child};
use super::metadata;
use super::object::{Kind, Object};
use super::rule::{Level, Rule};
use super::schema::{KindSchema, Schemas};

/// A `TemporaryCredential` that the API server accepts.
pub struct Credential<'a> {
    /// Where it is.
    pub object: &'a Object,
    /// The resource, with defaults and with its namespace.
    pub resource: TemporaryCredential,
}

/// A `RoleGrant` that the API server accepts.
pub struct Grant<'a> {
    /// Where it is.
    pub object: &'a Object,
    /// The grant, as it will be stored.
    pub stored: StoredGrant,
    /// The grant.
    pub grant: RoleGrant,
}

/// What the validation found.
#[derive(Default)]
pub struct Validated<'a> {
    /// The resources that the API server accepts.
    pub credentials: Vec<Credential<'a>>,
    /// The grants that the API server accepts.
    pub grants: Vec<Grant<'a>>,
    /// The findings.
    pub findings: Vec<Finding>,
}

impl<'a> Validated<'a> {
    /// Validates all objects of the kinds of tempcred.
    pub fn of(objects: &'a [Object], schemas: &Schemas) -> Self {
        let mut validated = Self::default();
        for object in objects {
            match object.kind {
                Kind::Credential => {
                    if let Some(mut resource) = validated.decode::<TemporaryCredential>(
                        object,
                        schemas,
                        &schemas.credential,
                    ) {
                        resource.metadata.namespace = Some(object.key.namespace.clone());
                        validated.credentials.push(Credential { object, resource });
                    }
                }
                Kind::Grant => validated.grant(object, schemas),
                Kind::UnknownOfGroup => {
                    let message = "tempcred defines only TemporaryCredential and RoleGrant, in tempcred.dev/v1alpha1: correct kind or apiVersion";
                    validated.findings.push(object.finding(Rule::UnknownKind, "/kind", message));
                }
                Kind::Namespace | Kind::Secret | Kind::Workload | Kind::Other => {}
            }
        }
        validated
    }

    fn grant(&mut self, object: &'a Object, schemas: &Schemas) {
        if object.sets_namespace() {
            let message = "a RoleGrant belongs to no namespace, so Kubernetes ignores this field: remove it; namespaces.names and namespaces.selector say where the grant applies";
            let field = "/metadata/namespace";
            self.findings.push(object.finding(Rule::NamespaceIgnored, field, message));
        }
        let Some(mut grant) = self.decode::<RoleGrant>(object, schemas, &schemas.grant) else {
            return;
        };
        grant.metadata.namespace = None;
        // As the API server stores it.
        let stored = serde_json::to_value(&grant).and_then(serde_json::from_value);
        match stored {
            Ok(stored) => self.grants.push(Grant { object, stored, grant }),
            Err(error) => self.undecodable(object, &error),
        }
    }

    /// Validates and decodes an object. `None` if the API server rejects it.
    fn decode<T: DeserializeOwned>(
        &mut self,
        object: &Object,
        schemas: &Schemas,
        kind: &KindSchema,
    ) -> Option<T> {
        let mut json = object.node.to_json();
        if let Some(fields) = json.as_object_mut() {
            // The API server ignores the status of new objects.
            if fields.remove("status").is_some_and(|status| !status.is_null()) {
                let message = "only the operator writes the status: remove it";
                self.findings.push(object.finding(Rule::StatusSet, "/status", message));
            }
        }
        let (flaws, value) = schemas.check(kind, &json);
        let flaws = metadata::check(&json).into_iter().chain(flaws);
        let findings: Vec<_> = flaws.map(|flaw| object.flaw(&flaw)).collect();
        let is_rejected = findings.iter().any(|finding| finding.rule.level() == Level::Error);
        self.findings.extend(findings);
        if is_rejected {
            return None;
        }
        match serde_json::from_value(cleaned(value)) {
            Ok(decoded) => Some(decoded),
            Err(error) => {
                self.undecodable(object, &error);
                None
            }
        }
    }

    fn undecodable(&mut self, object: &Object, error: &serde_json::Error) {
        self.findings.push(object.finding(Rule::Schema, &child("", "spec"), &error.to_string()));
    }
}

/// The object without the metadata that only the API server sets: it says nothing about the new object.
fn cleaned(mut value: Value) -> Value {
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        let kept = ["name", "generateName", "namespace", "labels", "annotations"];
        metadata.retain(|key, _| kept.contains(&key.as_str()));
    }
    value
}
