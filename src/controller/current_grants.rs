//! The grants as the API server lists them now, unlike the cache, which may be behind.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use tempcred_core::grant::Grants;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::grants::GrantCache;
use crate::cluster::{Cluster, Failed, Undecodable};

/// How long a list is used. One revocation may remove thousands of Secrets, and one list is enough for all of them.
const SHARED_FOR: Duration = Duration::from_secs(1);

/// The grants that the API server lists, and the namespaces that were read since.
pub(super) type Current = Arc<RwLock<Grants>>;

/// Lists the grants once for all removals of a short time.
pub(super) struct CurrentGrants {
    cluster: String,
    last: Arc<Mutex<Option<List>>>,
}

struct List {
    /// The number of changes in the cache before the request.
    changes: u64,
    completed: Instant,
    grants: Result<Current, Failed>,
}

impl CurrentGrants {
    /// `cluster` is the name of the cluster, or empty if it is not set.
    pub(super) fn new(cluster: String) -> Self {
        Self { cluster, last: Arc::default() }
    }

    /// The grants as the API server lists them, not before the last change in the cache.
    ///
    /// # Errors
    /// [`Failed`] if the list fails.
    pub(super) async fn get(
        &self,
        cluster: &Cluster,
        cache: &GrantCache,
    ) -> Result<Current, Failed> {
        // A list that was requested before the last change in the cache may be older than the denial.
        let least = cache.count_changes();
        let mut last = self.last.lock().await;
        if let Some(list) = &*last
            && list.changes >= least
            && list.is_recent()
        {
            return list.grants.clone();
        }
        *last = None;
        let changes = cache.count_changes();
        let grants = self.list(cluster).await;
        *last = Some(List { changes, completed: Instant::now(), grants: grants.clone() });
        let forgotten = Arc::clone(&self.last);
        tokio::spawn(async move {
            sleep(SHARED_FOR).await;
            forgotten.lock().await.take_if(|list| !list.is_recent());
        });
        grants
    }

    async fn list(&self, cluster: &Cluster) -> Result<Current, Failed> {
        let mut grants = Grants::new(self.cluster.clone());
        let listed = cluster.current_grants(|grant| {
            match grant {
                Ok(grant) => grants.set(&grant),
                Err(Undecodable { name, error }) => grants.set_undecodable(&name, &error),
            };
        });
        listed.await?;
        Ok(Arc::new(RwLock::new(grants)))
    }
}

impl List {
    fn is_recent(&self) -> bool {
        self.completed.elapsed() < SHARED_FOR
    }
}
