//! A resource in a cache. There may be tens of thousands, so it takes little memory: the spec is kept as text, and the
//! status is shared.

use std::sync::Arc;

use jiff::Timestamp;

use super::credential::TemporaryCredential;
use super::status::CredentialStatus;
use crate::key::Key;

/// A resource in a cache.
#[derive(Debug)]
pub struct CachedCredential {
    /// Its namespace and name.
    pub key: Key,
    /// Its UID.
    pub uid: Box<str>,
    generation: Option<i64>,
    /// The resource as JSON, without its status.
    text: Box<[u8]>,
    /// When the resource was created.
    pub created: Option<Timestamp>,
    /// Whether the resource is being deleted.
    pub is_deleted: bool,
    /// Whether `spec.suspend` is set.
    pub is_suspended: bool,
    /// Whether the operator signs the request with its own identity.
    pub is_signed_by_operator: bool,
    /// The status. It is shared with the memory of the process.
    pub status: Option<Arc<CredentialStatus>>,
}

impl CachedCredential {
    /// Encodes a resource. `None` if it cannot be encoded, which happens for no resource that was decoded.
    pub fn of(mut resource: TemporaryCredential) -> Option<Self> {
        let status = resource.status.take().map(Arc::new);
        let metadata = &resource.metadata;
        Some(Self {
            text: serde_json::to_vec(&resource).ok()?.into_boxed_slice(),
            uid: metadata.uid.as_deref().unwrap_or_default().into(),
            generation: metadata.generation,
            created: metadata.creation_timestamp.as_ref().map(|at| at.0),
            is_deleted: metadata.deletion_timestamp.is_some(),
            is_suspended: resource.spec.suspend,
            is_signed_by_operator: resource.is_signed_by_operator(),
            key: Key::of(metadata),
            status,
        })
    }

    /// The resource. `None` if it cannot be decoded, which happens for no encoded resource.
    pub fn resource(&self) -> Option<TemporaryCredential> {
        let resource: TemporaryCredential = serde_json::from_slice(&self.text).ok()?;
        Some(TemporaryCredential { status: self.status.as_deref().cloned(), ..resource })
    }

    /// Whether this is the given resource, or a later version of it.
    pub fn is_same(&self, resource: &TemporaryCredential) -> bool {
        resource.metadata.uid.as_deref() == Some(&self.uid)
    }

    /// Whether the given resource still has the current generation, and is not being deleted.
    pub fn is_current(&self, resource: &TemporaryCredential) -> bool {
        self.is_same(resource)
            && self.generation == resource.metadata.generation
            && !self.is_deleted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_resource_is_the_same_after_it_was_cached() {
        let resource: TemporaryCredential = serde_json::from_value(json!({
            "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
            "metadata": {
                "name": "a", "namespace": "n", "uid": "u", "generation": 3, "resourceVersion": "7",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "annotations": {"tempcred.dev/renew-requested-at": "now"},
            },
            "spec": {
                "assumeRole": {
                    "roleArn": "arn:aws:iam::123456789012:role/reports", "duration": "1h30m",
                    "tags": {"team": "a"}, "policy": "{}", "via": [{"roleArn": "arn:aws:iam::123456789012:role/hub"}],
                },
                "identity": {"webIdentity": {"roleArn": "arn:aws:iam::123456789012:role/w", "serviceAccountName": "s"}},
                "renewal": {"before": "20m"}, "region": "eu-central-1", "suspend": true,
                "secret": {"name": "s", "formats": ["env"], "labels": {"a": "b"}, "deletionPolicy": "Retain"},
            },
            "status": {"observedGeneration": 3, "issuedAt": "2026-01-01T00:00:00Z"},
        }))
        .unwrap();
        let cached = CachedCredential::of(resource.clone()).unwrap();
        assert_eq!(cached.resource(), Some(resource.clone()));
        assert_eq!(cached.created, Some("2026-01-01T00:00:00Z".parse().unwrap()));
        assert!(cached.is_suspended && !cached.is_signed_by_operator && !cached.is_deleted);
        assert!(cached.is_current(&resource));
        let edit = |edit: fn(&mut TemporaryCredential)| {
            let mut resource = resource.clone();
            edit(&mut resource);
            resource
        };
        let earlier = edit(|resource| resource.metadata.generation = Some(2));
        assert!(cached.is_same(&earlier) && !cached.is_current(&earlier));
        let other = edit(|resource| resource.metadata.uid = Some("v".to_owned()));
        assert!(!cached.is_same(&other) && !cached.is_current(&other));
    }
}
