//! Caches of watched objects. There may be tens of thousands of objects, so they are kept as text.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use futures::StreamExt;
use futures::stream::{BoxStream, Stream};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PartialObjectMeta;
use tempcred_core::api::{CachedCredential, TemporaryCredential};
use tempcred_core::key::Key;

use super::changes::Change;

/// The metadata of a Secret.
pub type SecretMeta = PartialObjectMeta<Secret>;

/// A cache of resources.
#[derive(Clone, Default)]
pub struct Resources(Arc<RwLock<HashSet<ByKey>>>);

/// A resource, found by its key.
struct ByKey(Arc<CachedCredential>);

impl Borrow<Key> for ByKey {
    fn borrow(&self) -> &Key {
        &self.0.key
    }
}

impl Hash for ByKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key.hash(state);
    }
}

impl PartialEq for ByKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.key == other.0.key
    }
}

impl Eq for ByKey {}

impl Resources {
    /// A resource. `None` if there is no such resource.
    pub fn get(&self, key: &Key) -> Option<Arc<CachedCredential>> {
        let cache = self.0.read().unwrap_or_else(PoisonError::into_inner);
        cache.get(key).map(|found| Arc::clone(&found.0))
    }

    /// All resources.
    pub fn all(&self) -> Vec<Arc<CachedCredential>> {
        let cache = self.0.read().unwrap_or_else(PoisonError::into_inner);
        cache.iter().map(|found| Arc::clone(&found.0)).collect()
    }

    /// Number of resources.
    pub fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there are no resources.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn apply(&self, change: &Change<TemporaryCredential>) {
        // Encoded before the lock is taken.
        let applied = match change {
            Change::Applied(resource) => CachedCredential::of(resource.clone()),
            Change::Undecodable(..) | Change::Removed(..) | Change::Synced => None,
        };
        let mut cache = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(resource) = applied {
            cache.replace(ByKey(Arc::new(resource)));
        } else if let Change::Undecodable(key, _) | Change::Removed(key, _) = change {
            // An older version of an object that cannot be decoded must not be used.
            cache.remove(key);
        }
    }
}

/// A cache of resources, and the changes after they were applied to it.
pub struct Credentials {
    /// The cache.
    pub cache: Resources,
    /// The changes, which must be polled to update the cache.
    pub changes: BoxStream<'static, Change<TemporaryCredential>>,
}

impl Credentials {
    /// Applies changes to a new cache, and passes them on.
    pub(super) fn new(
        changes: impl Stream<Item = Change<TemporaryCredential>> + Send + 'static,
    ) -> Self {
        let cache = Resources::default();
        let applied = cache.clone();
        Self { cache, changes: changes.inspect(move |change| applied.apply(change)).boxed() }
    }
}

/// A cache of the metadata of Secrets.
#[derive(Clone, Default)]
pub struct Secrets(Arc<RwLock<HashMap<Key, Box<[u8]>>>>);

impl Secrets {
    /// The metadata of a Secret. `None` if there is no such Secret.
    pub fn get(&self, key: &Key) -> Option<ObjectMeta> {
        let cache = self.0.read().unwrap_or_else(PoisonError::into_inner);
        // What was encoded can be decoded.
        serde_json::from_slice(cache.get(key)?).ok()
    }

    fn apply(&self, change: &Change<SecretMeta>) {
        let text = |secret: &SecretMeta| serde_json::to_vec(&secret.metadata).ok();
        let mut cache = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match change {
            Change::Applied(secret) => {
                let key = Key::of(&secret.metadata);
                text(secret).map(|text| cache.insert(key, text.into_boxed_slice()));
            }
            Change::Undecodable(key, _) | Change::Removed(key, _) => {
                cache.remove(key);
            }
            Change::Synced => {}
        }
    }
}

/// A cache of the metadata of Secrets, and the changes after they were applied to it.
pub struct OwnedSecrets {
    /// The cache.
    pub cache: Secrets,
    /// The changes, which must be polled to update the cache.
    pub changes: BoxStream<'static, Change<SecretMeta>>,
}

impl OwnedSecrets {
    /// Applies changes to a new cache, and passes them on.
    pub(super) fn new(changes: impl Stream<Item = Change<SecretMeta>> + Send + 'static) -> Self {
        let cache = Secrets::default();
        let applied = cache.clone();
        Self { cache, changes: changes.inspect(move |change| applied.apply(change)).boxed() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use futures::stream::iter;
    use serde_json::json;

    fn key(name: &str) -> Key {
        Key { namespace: "n".to_owned(), name: name.to_owned() }
    }

    #[test]
    fn a_cache_has_the_last_version_of_what_was_not_removed() {
        let secret = |name: &str, version: &str| -> Change<SecretMeta> {
            let metadata = json!({"namespace": "n", "name": name, "resourceVersion": version});
            Change::Applied(serde_json::from_value(json!({"metadata": metadata})).unwrap())
        };
        let removed = Change::Removed(key("b"), String::new());
        let changes = [secret("a", "1"), secret("b", "2"), secret("a", "3"), removed];
        let secrets = OwnedSecrets::new(iter(changes));
        assert_eq!(secrets.changes.count().now_or_never(), Some(4));
        let version = |name| secrets.cache.get(&key(name)).map(|found| found.resource_version);
        assert_eq!(version("a"), Some(Some("3".to_owned())));
        assert_eq!(version("b"), None);
    }

    #[test]
    fn a_resource_that_cannot_be_decoded_any_more_leaves_the_cache() {
        let resource = |name: &str| -> Change<TemporaryCredential> {
            Change::Applied(
                serde_json::from_value(json!({
                    "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
                    "metadata": {"namespace": "n", "name": name}, "spec": {},
                }))
                .unwrap(),
            )
        };
        let undecodable = Change::Undecodable(key("b"), "no".to_owned());
        let changes = [resource("a"), resource("b"), resource("c"), undecodable];
        let removed = Change::Removed(key("c"), String::new());
        let credentials = Credentials::new(iter(changes.into_iter().chain([removed])));
        assert_eq!(credentials.changes.count().now_or_never(), Some(5));
        let cached: Vec<_> = credentials.cache.all().iter().map(|one| one.key.clone()).collect();
        assert_eq!(cached, [key("a")]);
    }
}
