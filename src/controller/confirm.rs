//! Confirms that a resource is denied, before its Secret is removed. The caches may be behind: the grant, the labels of the
//! namespace, or the spec may be as they were again.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use tempcred_core::api::TemporaryCredential;
use tempcred_core::desired::Desired;
use tempcred_core::grant::Grants;
use tempcred_core::observed::KnownSecret;
use tempcred_core::plan::{CONFIRM_AGAIN, while_unconfirmed};
use tempcred_core::problem::{Problem, Reason};
use tempcred_core::status::Outcome;
use tokio::time::timeout;

use super::action::Action;
use super::reconcile::Step;
use crate::cluster::Failed;

/// Longest time for the reads after the list. The list must not be old when the Secret is removed.
const READS: Duration = Duration::from_secs(5);

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
                Some(next.at_most(CONFIRM_AGAIN))
            }
            Err(failed) => {
                Some(self.could_not_remove(desired, known.clone(), denial, failed).await)
            }
        }
    }

    /// Whether the grants, the labels of the namespace and the resource that the API server shows lead to a denial, too.
    async fn is_denied_now(&self) -> Result<bool, Failed> {
        let (indexes, cluster) = (&self.shared().indexes, &self.shared().parts.cluster);
        let grants = indexes.current_grants.get(cluster, &indexes.grants).await?;
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
