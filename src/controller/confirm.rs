//! Confirms that a resource is denied, before its Secret is removed. The caches may be behind: the grant, the labels of the
//! namespace, or the spec may be as they were again.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tempcred_core::api::TemporaryCredential;
use tempcred_core::desired::Desired;
use tempcred_core::grant::Grants;
use tempcred_core::observed::KnownSecret;
use tempcred_core::plan::while_unconfirmed;
use tempcred_core::problem::{Problem, Reason};
use tempcred_core::status::Outcome;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::action::Action;
use super::reconcile::Step;
use super::shared::Shared;
use crate::cluster::{Failed, Undecodable};

/// How long a list is used. One revocation may remove thousands of Secrets, and one list is enough for all of them.
const SHARED_FOR: Duration = Duration::from_secs(1);

/// Longest time for the reads after the list. The list must not be old when the Secret is removed.
const READS: Duration = Duration::from_secs(5);

/// Wait before an unconfirmed denial is confirmed again, if the caches do not change before.
const UNCONFIRMED: Duration = Duration::from_secs(10);

/// The grants that the API server lists, and the namespaces that were read since.
type Current = Arc<RwLock<Grants>>;

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

    async fn get(&self, shared: &Shared) -> Result<Current, Failed> {
        // A list that was requested before the last change in the cache may be older than the denial.
        let least = shared.indexes.grants.count_changes();
        let mut last = self.last.lock().await;
        if let Some(list) = &*last
            && list.changes >= least
            && list.is_recent()
        {
            return list.grants.clone();
        }
        *last = None;
        let changes = shared.indexes.grants.count_changes();
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
        let listed = shared.parts.cluster.current_grants(|grant| {
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

impl Step<'_> {
    /// Confirms a denial, unless the credentials have expired. If that fails, reports it, and returns when to try again.
    pub(super) async fn unconfirmed(
        &mut self,
        desired: &Desired,
        known: &KnownSecret,
        denial: &Problem,
        expired: bool,
    ) -> Option<Action> {
        if expired {
            return None;
        }
        match self.is_denied_now().await {
            Ok(true) => None,
            // Without their CustomResourceDefinition, the grants are lost. That revokes nothing.
            Ok(false) | Err(Failed::Conflict) => {
                let stays = while_unconfirmed(denial, &desired.secret_name);
                let next = self.report(desired, known, Outcome::Denied(stays)).await;
                Some(next.at_most(UNCONFIRMED))
            }
            Err(failed) => {
                Some(self.could_not_remove(desired, known.clone(), denial, failed).await)
            }
        }
    }

    /// Whether the grants, the labels of the namespace and the resource that the API server shows lead to a denial, too.
    async fn is_denied_now(&self) -> Result<bool, Failed> {
        let shared = self.shared();
        let grants = shared.indexes.current_grants.get(shared).await?;
        timeout(READS, self.is_denied_by(&grants)).await.unwrap_or_else(|_| {
            let reason = Reason::ApiServerUnavailable;
            let why = "The API server did not show in time whether this is still so.";
            Err(Failed::Problem(Problem::new(reason, format!("{why} {}", reason.advice()))))
        })
    }

    async fn is_denied_by(&self, grants: &RwLock<Grants>) -> Result<bool, Failed> {
        let cluster = &self.shared().parts.cluster;
        let denied = |resource: &TemporaryCredential| {
            let grants = grants.read().unwrap_or_else(PoisonError::into_inner);
            Desired::compile(resource, &grants).map(|desired| desired.denied.is_some())
        };
        // The spec in the cache first: most often, nothing but the grants has changed.
        let mut is_denied = denied(self.resource);
        if is_denied.is_none() {
            let name = &self.key.namespace;
            let Some(namespace) = cluster.current_namespace(name).await? else { return Ok(false) };
            let labels = namespace.metadata.labels.unwrap_or_default();
            grants.write().unwrap_or_else(PoisonError::into_inner).set_namespace(name, &labels);
            is_denied = denied(self.resource);
        }
        if is_denied != Some(true) {
            return Ok(false);
        }
        let Some(now) = cluster.current_credential(self.key).await? else { return Ok(false) };
        // The name of a resource that was deleted may be in use again.
        let is_same = now.metadata.uid == self.resource.metadata.uid;
        Ok(is_same && denied(&now) == Some(true))
    }
}
