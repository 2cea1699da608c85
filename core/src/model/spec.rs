//! What users ask for, and whether a grant allows it.

use std::sync::Arc;

use serde_json::json;

use crate::api::{CredentialStatus, TemporaryCredential};
use crate::desired::Desired;
use crate::plan::WithdrawnSecrets;
use crate::testing::{desired_with_grant, resource};

/// The spec, the renewal request and the grant.
#[derive(Clone, Copy, Debug, PartialEq, Hash)]
pub(super) struct Spec {
    pub(super) generation: i64,
    /// Whether it asks for another role.
    pub(super) other_request: bool,
    /// Whether it asks for another shape of the Secret.
    pub(super) other_shape: bool,
    pub(super) suspended: bool,
    /// How often a renewal was requested.
    pub(super) renew_requests: u8,
    pub(super) granted: bool,
    /// What happens to the Secret while it is not granted.
    pub(super) withdrawn: WithdrawnSecrets,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            generation: 1,
            other_request: false,
            other_shape: false,
            suspended: false,
            renew_requests: 0,
            granted: true,
            withdrawn: WithdrawnSecrets::Expire,
        }
    }
}

impl Spec {
    /// Withdraws the grant with this setting, or grants again.
    pub(super) fn withdraw(&mut self, withdrawn: WithdrawnSecrets) {
        self.granted ^= true;
        // The setting matters only while nothing is granted.
        self.withdrawn = if self.granted { WithdrawnSecrets::Expire } else { withdrawn };
    }

    fn patch(&self) -> serde_json::Value {
        let role = if self.other_request { "other" } else { "reports" };
        let mut patch = json!({
            "metadata": {"generation": self.generation},
            "spec": {
                "assumeRole": {"roleArn": format!("arn:aws:iam::123456789012:role/{role}")},
                "suspend": self.suspended,
            },
        });
        if self.other_shape {
            patch["spec"]["secret"] = json!({"labels": {"team": "data"}});
        }
        if self.renew_requests > 0 {
            let request = self.renew_requests.to_string();
            let annotations = json!({"tempcred.dev/renew-requested-at": request});
            patch["metadata"]["annotations"] = annotations;
        }
        patch
    }

    /// The resource, with this status.
    pub(super) fn resource(&self, status: Option<CredentialStatus>) -> TemporaryCredential {
        let mut resource = resource(self.patch());
        resource.status = status;
        resource
    }

    /// What it asks for.
    pub(super) fn desired(&self) -> Arc<Desired> {
        let role = if self.granted { "*" } else { "of-another-team" };
        let arn = format!("arn:aws:iam::123456789012:role/{role}");
        let grant = json!({"spec": {"roleArns": [arn]}});
        Arc::new(desired_with_grant(grant, self.patch()).unwrap())
    }
}
