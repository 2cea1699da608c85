//! A `RoleGrant` as the API server stores it.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube_core::{ClusterResourceScope, Resource};
use serde::Deserialize;
use serde_json::Value;

use super::grant::{GrantStatus, RoleGrant};

/// A `RoleGrant` whose spec is not decoded yet.
///
/// A newer version of tempcred may have written fields that this version does not know. The grant must not be ignored
/// then: it limits what other grants allow.
#[derive(Deserialize, Clone, Debug)]
pub struct StoredGrant {
    /// The metadata.
    pub metadata: ObjectMeta,
    /// The spec, as it is stored.
    #[serde(default)]
    pub spec: Value,
    /// The status, as it is stored.
    #[serde(default)]
    status: Value,
}

impl StoredGrant {
    /// The status. Empty if it cannot be decoded: the operator then writes it again.
    pub fn status(&self) -> GrantStatus {
        GrantStatus::deserialize(&self.status).unwrap_or_default()
    }
}

impl Resource for StoredGrant {
    type DynamicType = ();
    type Scope = ClusterResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        RoleGrant::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        RoleGrant::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        RoleGrant::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        RoleGrant::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_grant_is_read_whatever_its_spec_and_status_are() {
        for (spec, status) in [
            (json!({}), json!({"credentials": 3})),
            (json!("text"), json!({"credentials": "three"})),
            (json!([[]]), json!(null)),
        ] {
            let expected = (status == json!({"credentials": 3})).then_some(3);
            let object = json!({"metadata": {"name": "g"}, "spec": spec, "status": status});
            let stored: StoredGrant = serde_json::from_value(object).unwrap();
            assert_eq!((&stored.spec, stored.status().credentials), (&spec, expected));
        }
        let bare: StoredGrant = serde_json::from_value(json!({"metadata": {}})).unwrap();
        assert_eq!((bare.spec.clone(), bare.status()), (Value::Null, GrantStatus::default()));
        assert_eq!(StoredGrant::api_version(&()), RoleGrant::api_version(&()));
        assert_eq!(StoredGrant::url_path(&(), None), RoleGrant::url_path(&(), None));
    }
}
