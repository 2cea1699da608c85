//! The CustomResourceDefinitions, generated from the types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube_core::CustomResourceExt;
use serde_json::json;

use super::condition::READY;
use super::credential::TemporaryCredential;
use super::grant::RoleGrant;
use crate::problem::Reason;

/// The CustomResourceDefinitions of tempcred, as `tempcred crds` prints them.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut crds = vec![TemporaryCredential::crd(), RoleGrant::crd()];
    crds.iter_mut().flat_map(schemas).for_each(unwrap_descriptions);
    let specs = crds.iter_mut().flat_map(schemas);
    specs.filter_map(|root| root.properties.as_mut()?.get_mut("spec")).for_each(make_atomic);
    for root in schemas(&mut crds[0]) {
        if let Some(status) = root.properties.as_mut().and_then(|fields| fields.get_mut("status")) {
            // With `Ready=Unknown`, kstatus reports a new resource as in progress until the first reconciliation.
            // Without a status it would be reported as finished.
            status.default = Some(JSON(pending_status()));
        }
    }
    crds
}

fn schemas(crd: &mut CustomResourceDefinition) -> impl Iterator<Item = &mut JSONSchemaProps> {
    let schemas = crd.spec.versions.iter_mut().filter_map(|version| version.schema.as_mut());
    schemas.filter_map(|schema| schema.open_api_v3_schema.as_mut())
}

/// Fields whose own fields may have different managers.
const GRANULAR: &[&str] = &["namespaces", "secret"];

/// Lets server-side apply replace each object of a spec as a whole. It would otherwise store `null` for an object that is
/// applied as `{}` after one with fields. Then `labels: {}` is refused, and `getSessionToken: {}` is no request.
fn make_atomic(schema: &mut JSONSchemaProps) {
    for (name, field) in schema.properties.iter_mut().flatten() {
        if GRANULAR.contains(&name.as_str()) {
            make_atomic(field);
        } else if field.type_.as_deref() == Some("object") {
            field.x_kubernetes_map_type = Some("atomic".to_owned());
        }
    }
}

/// Joins the lines of each description. The lines are wrapped as in the source file, and `kubectl explain` wraps them
/// again.
fn unwrap_descriptions(schema: &mut JSONSchemaProps) {
    if let Some(text) = &mut schema.description {
        let paragraphs: Vec<_> =
            text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect();
        *text = paragraphs.join("\n\n");
    }
    for field in schema.properties.iter_mut().flat_map(|fields| fields.values_mut()) {
        unwrap_descriptions(field);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        unwrap_descriptions(items);
    }
}

fn pending_status() -> serde_json::Value {
    json!({
        "observedGeneration": 0,
        "conditions": [{
            "type": READY,
            "status": "Unknown",
            "reason": Reason::Pending.as_str(),
            "message": Reason::Pending.advice(),
            "lastTransitionTime": "1970-01-01T00:00:00Z",
            "observedGeneration": 0,
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_of_a_spec_are_replaced_as_a_whole() {
        let crds = json!(crds());
        let spec = |crd: usize, field: &str| {
            let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
            crds[crd].pointer(&format!("{spec}/{field}")).unwrap()["x-kubernetes-map-type"].clone()
        };
        for (crd, field, expected) in [
            (0, "getSessionToken", json!("atomic")),
            (0, "renewal", json!("atomic")),
            (0, "secret", json!(null)),
            (0, "secret/properties/labels", json!("atomic")),
            (0, "secret/properties/formats", json!(null)),
            (1, "session", json!("atomic")),
            (1, "namespaces", json!(null)),
            (1, "namespaces/properties/selector", json!("atomic")),
        ] {
            assert_eq!(spec(crd, field), expected, "{field}");
        }
    }

    #[test]
    fn descriptions_have_paragraphs_but_no_line_breaks() {
        let mut schema = JSONSchemaProps {
            description: Some("one\ntwo\n\nthree\nfour".to_owned()),
            ..JSONSchemaProps::default()
        };
        unwrap_descriptions(&mut schema);
        assert_eq!(schema.description.as_deref(), Some("one two\n\nthree four"));
        let text = json!(crds()).to_string();
        assert!(
            text.contains("and at most the maximum session duration of the role. AWS limits it")
        );
    }
}
