//! The CustomResourceDefinitions, made from the types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::json;

use super::TemporaryCredential;
use crate::reason::Reason;

/// Every CustomResourceDefinition of tempcred, as `tempcred crds` prints them.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut crd = TemporaryCredential::crd();
    for version in &mut crd.spec.versions {
        let status = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
            .and_then(|root| root.properties.as_mut())
            .and_then(|properties| properties.get_mut("status"));
        if let Some(status) = status {
            // From its first second a resource says that it waits, and kstatus sees it in progress;
            // if it stays so, no operator is running.
            status.default = Some(serde_json::from_value(pending_status()).unwrap_or_default());
        }
    }
    vec![crd]
}

fn pending_status() -> serde_json::Value {
    json!({
        "observedGeneration": 0,
        "conditions": [{
            "type": "Ready",
            "status": "Unknown",
            "reason": Reason::Pending.as_str(),
            "message": Reason::Pending.advice(),
            "lastTransitionTime": "1970-01-01T00:00:00Z",
            "observedGeneration": 0,
        }],
    })
}
