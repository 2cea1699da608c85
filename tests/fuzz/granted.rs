//! A resource as the operator sees it, with a grant for everything.

use serde_json::{Value, json};
use tempcred_core::desired::Desired;
use tempcred_core::grant::Grants;

/// The namespace of all resources here.
const NAMESPACE: &str = "analytics";

/// The desired state of a resource with this spec; `metadata` is added to its name and namespace.
pub fn desired(mut metadata: Value, spec: Value) -> Desired {
    let grant = json!({
        "apiVersion": "tempcred.dev/v1alpha1", "kind": "RoleGrant", "metadata": {"name": "any"},
        "spec": {
            "namespaces": {"names": ["*"]}, "roleArns": ["arn:aws:iam::123456789012:role/*"],
            "session": {"tenantMaySet": ["externalId", "sourceIdentity", "sessionName", "tags"]},
        },
    });
    let mut grants = Grants::default();
    grants.set(&serde_json::from_value(grant).unwrap());
    grants.set_namespace(NAMESPACE, &Default::default());
    metadata["name"] = json!("reports");
    metadata["namespace"] = json!(NAMESPACE);
    let resource = json!({
        "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
        "metadata": metadata, "spec": spec,
    });
    Desired::compile(&serde_json::from_value(resource).unwrap(), &grants).unwrap()
}
