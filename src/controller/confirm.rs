//! Confirms that a resource is denied, before its Secret is removed. The caches may be behind: the grant, the labels of the
//! namespace, or the spec may be as they were again.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tempcred_core::desired::Desired;
use tempcred_core::grant::Grants;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::reconcile::Step;
use super::shared::Shared;
use crate::cluster::{Failed, Undecodable};

/// How long a list is used. One revocation may remove thousands of Secrets, and one list is enough for all of them.
const SHARED_FOR: Duration = Duration::from_secs(1);

/// The grants that the API server lists, and the namespaces that were read since.
type Current = Arc<RwLock<Grants>>;

/// Lists the grants once for all removals of a short time.
pub(super) struct CurrentGrants {
    cluster: String,
    last: Arc<Mutex<Option<List>>>,
}

struct List {
    /// The number of changes in the cache before the request. After another one, the list may be older than the cache.
    changes: u64,
    completed: Instant,
    grants: Result<Current, Failed>,
}

impl CurrentGrants {
    /// `cluster` is the name of the cluster, or empty if it is not set.
    pub(super) fn new(cluster: String) -> Self {
        Self { cluster, last: Arc::default() }
    }

    async fn get(&self, shared: &Shared) -> Result<Current, Failed> {
        let mut last = self.last.lock().await;
        let changes = shared.indexes.grants.count_changes();
        if let Some(list) = &*last
            && list.changes == changes
            && list.is_recent()
        {
            return list.grants.clone();
        }
        *last = None;
        let grants = self.list(shared).await;
        *last = Some(List { changes, completed: Instant::now(), grants: grants.clone() });
        let forgotten = Arc::clone(&self.last);
        tokio::spawn(async move {
            sleep(SHARED_FOR).await;
            forgotten.lock().await.take_if(|list| !list.is_recent());
        });
        grants
    }

    async fn list(&self, shared: &Shared) -> Result<Current, Failed> {
        let mut grants = Grants::new(self.cluster.clone());
        for grant in shared.parts.cluster.current_grants().await? {
            match grant {
                Ok(grant) => grants.set(&grant),
                Err(Undecodable { name, error }) => grants.set_undecodable(&name, &error),
            };
        }
        Ok(Arc::new(RwLock::new(grants)))
    }
}

impl List {
    fn is_recent(&self) -> bool {
        self.completed.elapsed() < SHARED_FOR
    }
}

impl Step<'_> {
    /// Whether the API server, not only the caches, shows that this resource exists with this spec, and that the grants
    /// deny it.
    ///
    /// # Errors
    /// [`Failed`] if a request fails, or if there are no grants because their CustomResourceDefinition does not exist.
    pub(super) async fn is_denied_now(&self) -> Result<bool, Failed> {
        let (shared, cluster) = (self.shared(), &self.shared().parts.cluster);
        let grants = shared.indexes.current_grants.get(shared).await?;
        let denied = || {
            let grants = grants.read().unwrap_or_else(PoisonError::into_inner);
            Desired::compile(self.resource, &grants).map(|desired| desired.denied.is_some())
        };
        let mut is_denied = denied();
        if is_denied.is_none() {
            let name = &self.key.namespace;
            let Some(namespace) = cluster.current_namespace(name).await? else { return Ok(false) };
            let labels = namespace.metadata.labels.unwrap_or_default();
            grants.write().unwrap_or_else(PoisonError::into_inner).set_namespace(name, &labels);
            is_denied = denied();
        }
        if is_denied != Some(true) {
            return Ok(false);
        }
        // The name of a resource that was deleted may be in use again.
        let (known, now) = (&self.resource.metadata, cluster.current_metadata(self.key).await?);
        Ok(now.is_some_and(|now| (&now.uid, now.generation) == (&known.uid, known.generation)))
    }
}
