//! The state that reconciliations share.

use std::sync::{Arc, Mutex, PoisonError};

use tempcred_core::api::{CachedCredential, TemporaryCredential};
use tempcred_core::plan::WithdrawnSecrets;
use tempcred_core::secret::KeyPrefixes;

use super::current_grants::CurrentGrants;
use super::grants::GrantCache;
use super::memories::Memories;
use super::queue::TurnQueue;
use super::references::References;
use super::targets::Targets;
use super::waker::Waker;
use crate::aws::Sts;
use crate::cluster::Cluster;
use crate::cluster::lease::Leadership;
use crate::cluster::watch::{Key, Names, Resources, Secrets, Synced};
use crate::telemetry::metrics::Metrics;

/// The components that the controller uses.
pub struct Parts {
    /// The Kubernetes API.
    pub cluster: Cluster,
    /// AWS STS.
    pub sts: Sts,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Whether this process is the leader. If it is not, it only keeps its caches synced.
    pub leadership: Leadership,
}

/// The state that all reconciliations share.
pub(super) struct Shared {
    pub(super) parts: Parts,
    /// The turns at STS.
    pub(super) queue: Arc<TurnQueue>,
    /// The reconciliations without a turn at STS.
    pub(super) slots: Arc<TurnQueue>,
    pub(super) indexes: Indexes,
    /// The labels and annotations that resources may put on Secrets.
    pub(super) key_prefixes: KeyPrefixes,
    pub(super) withdrawn_secrets: WithdrawnSecrets,
}

impl Shared {
    /// Removes a resource from the queues.
    pub(super) fn leave_queues(&self, key: &Key) {
        self.queue.remove(key);
        self.slots.remove(key);
    }
}

/// The indexes of watched objects, and the memory of the process.
pub(super) struct Indexes {
    pub(super) memories: Memories,
    pub(super) references: References,
    pub(super) targets: Targets,
    pub(super) grants: GrantCache,
    pub(super) current_grants: CurrentGrants,
    wakers: Mutex<Vec<Waker>>,
}

impl Indexes {
    /// Empty indexes. `cluster` is the name of the cluster for grants, or empty if it is not set.
    pub(super) fn new(cluster: String) -> Self {
        Self {
            memories: Memories::default(),
            references: References::default(),
            targets: Targets::default(),
            grants: GrantCache::new(cluster.clone()),
            current_grants: CurrentGrants::new(cluster),
            wakers: Mutex::default(),
        }
    }

    /// Adds the waker of a scope.
    pub(super) fn add_waker(&self, waker: Waker) {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner).push(waker);
    }

    /// Requeues a resource.
    pub(super) fn wake(&self, key: &Key) {
        let wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        wakers
            .iter()
            .filter(|waker| waker.serves(&key.namespace))
            .for_each(|waker| waker.wake(key));
    }

    /// The wakers of all scopes.
    pub(super) fn wakers(&self) -> Vec<Waker> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The state that the reconciliations of one scope share. A scope is one namespace, or all namespaces.
pub(super) struct Scope {
    pub(super) shared: Arc<Shared>,
    pub(super) resources: Resources,
    pub(super) secrets: Secrets,
    /// The names of the Secrets that are not in `secrets`.
    pub(super) other_secrets: Names,
    pub(super) secrets_synced: Synced,
    pub(super) other_secrets_synced: Synced,
    pub(super) namespaces_synced: Synced,
}

impl Scope {
    /// Whether the caches that a resource depends on are synced. Before that, every Secret would seem to be missing, and
    /// every grant to be withdrawn. Once they are synced, the resource is requeued.
    pub(super) fn is_synced(&self, resource: &CachedCredential) -> bool {
        let grants = &self.shared.indexes.grants.synced;
        self.secrets_synced.initialized()
            && self.other_secrets_synced.initialized()
            && (!resource.is_signed_by_operator
                || (self.namespaces_synced.initialized() && grants.initialized()))
    }

    /// The current version of a resource in the cache. `None` if the resource was deleted, or created again.
    pub(super) fn current(&self, resource: &TemporaryCredential) -> Option<Arc<CachedCredential>> {
        let now = self.resources.get(&Key::of(&resource.metadata))?;
        now.is_same(resource).then_some(now)
    }
}
