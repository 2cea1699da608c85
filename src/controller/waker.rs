//! Requeues resources for an immediate reconciliation.

use futures::channel::mpsc::UnboundedSender;
use tempcred_core::api::CachedCredential;

use crate::cluster::watch::{Key, Resources};

/// Requeues resources of one scope.
#[derive(Clone)]
pub(super) struct Waker {
    /// The namespace of the scope. `None` for all namespaces.
    pub(super) namespace: Option<String>,
    /// The cache of the resources.
    pub(super) resources: Resources,
    /// The channel for the resources to reconcile.
    pub(super) wake: UnboundedSender<Key>,
}

impl Waker {
    /// Whether resources of this namespace belong to the scope.
    pub(super) fn serves(&self, namespace: &str) -> bool {
        self.namespace.as_deref().is_none_or(|own| own == namespace)
    }

    /// Requeues a resource.
    pub(super) fn wake(&self, resource: &Key) {
        // The receiver is dropped only when the operator shuts down.
        let _ = self.wake.unbounded_send(resource.clone());
    }

    /// Requeues every resource that matches, and returns their keys.
    pub(super) fn wake_all(&self, matches: impl Fn(&CachedCredential) -> bool) -> Vec<Key> {
        let resources = self.resources.all();
        let matching = resources.iter().filter(|resource| matches(resource));
        let keys: Vec<_> = matching.map(|resource| resource.key.clone()).collect();
        keys.iter().for_each(|key| self.wake(key));
        keys
    }
}
