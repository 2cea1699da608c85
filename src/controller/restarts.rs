//! Restarts the workloads of a resource after a rotation.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tempcred_core::api::{
    CachedCredential, CredentialStatus, RestartState, RestartStatus, RestartTarget,
};
use tempcred_core::desired::Desired;
use tempcred_core::observed::KnownSecret;
use tempcred_core::problem::{Class, Problem};
use tempcred_core::restart::{self, annotation, begin_at, check_at, in_state, is_finished};
use tempcred_core::secret::IssueRecord;

use super::reconcile::Step;
use crate::cluster::Failed;
use crate::cluster::watch::Key;

/// Wait after a request that the API server did not answer, or that came too late.
const RETRY: SignedDuration = SignedDuration::from_secs(2);

impl Step<'_> {
    /// Begins the restarts that are due, follows those that have begun, and updates their state in `status`. Returns
    /// when to do so again.
    pub(super) async fn restart(
        &mut self,
        desired: &Desired,
        known: &KnownSecret,
        status: &mut CredentialStatus,
        now: Timestamp,
    ) -> Option<Timestamp> {
        if status.restarts.iter().all(is_finished) || desired.denied.is_some() || desired.deleted {
            return None;
        }
        let fingerprint = fingerprint(known, status)?;
        // One time for all workloads: those that are due now are all requested now.
        let checked = self.entry.restarts_checked;
        let mut again = Vec::new();
        for number in 0..status.restarts.len() {
            let before = status.restarts[number].clone();
            if is_finished(&before) {
                continue;
            }
            let due = self.due(&before, status, checked, now);
            if due > now {
                again.push(due);
                continue;
            }
            let after = match self.follow(desired, &before, &fingerprint, now).await {
                Ok(after) => after,
                Err(Failed::Conflict) => before.clone(),
                Err(Failed::Problem(problem)) if problem.class() == Class::Transient => {
                    tracing::warn!(workload = before.name, "{}", problem.message);
                    before.clone()
                }
                Err(Failed::Problem(problem)) => {
                    in_state(&before, RestartState::Failed, Some(forbidden(&problem)), now)
                }
            };
            if after.state != before.state {
                self.report_restart(&after);
            }
            if !is_finished(&after) {
                again.push(check_at(&after, now).max(now + RETRY));
            }
            status.restarts[number] = after;
            self.entry.restarts_checked = Some(now);
        }
        again.into_iter().min()
    }

    /// When the workload is to be requested.
    fn due(
        &self,
        restart: &RestartStatus,
        status: &CredentialStatus,
        checked: Option<Timestamp>,
        now: Timestamp,
    ) -> Timestamp {
        let checked = checked.filter(|at| *at >= restart.since.0);
        let checked = checked.map(|checked| check_at(restart, checked));
        let begin = match restart.state {
            RestartState::Pending => {
                let others = self.others(&restart.target());
                let statuses = others.iter().filter_map(|other| other.status.as_deref());
                begin_at(status, statuses, now)
            }
            RestartState::Progressing
            | RestartState::Complete
            | RestartState::Stuck
            | RestartState::Missing
            | RestartState::Failed => now,
        };
        checked.map_or(begin, |checked| checked.max(begin))
    }

    /// The other resources that restart this workload.
    fn others(&self, target: &RestartTarget) -> Vec<std::sync::Arc<CachedCredential>> {
        let keys = self.shared().indexes.targets.others(self.key, target);
        keys.iter().filter_map(|key| self.scope.resources.get(key)).collect()
    }

    async fn follow(
        &self,
        desired: &Desired,
        restart: &RestartStatus,
        fingerprint: &str,
        now: Timestamp,
    ) -> Result<RestartStatus, Failed> {
        let cluster = &self.shared().parts.cluster;
        let (target, own) = (restart.target(), annotation(&desired.name));
        let workload = cluster.workload(&desired.namespace, &target).await?;
        match restart::step(restart, workload.as_ref(), &own, fingerprint, now) {
            restart::Step::Report(state, message) => Ok(in_state(restart, state, message, now)),
            restart::Step::Begin => {
                let Some(workload) = workload else { return Err(Failed::Conflict) };
                // The term may have ended while the workload was read.
                if !self.leads() {
                    return Err(Failed::Conflict);
                }
                let mut annotations = self.pending_elsewhere(&target);
                annotations.insert(own, fingerprint.to_owned());
                let version = &workload.metadata.resource_version;
                cluster
                    .annotate_template(&desired.namespace, &target, version, &annotations)
                    .await?;
                Ok(in_state(restart, RestartState::Progressing, None, now))
            }
        }
    }

    /// The annotations of the other resources whose credentials have rotated too, so that one rollout serves all.
    fn pending_elsewhere(&self, target: &RestartTarget) -> BTreeMap<String, String> {
        let pending = |status: &CredentialStatus| {
            let mut restarts = status.restarts.iter().filter(|one| one.is_of(target));
            restarts.any(|one| one.state == RestartState::Pending)
        };
        let fingerprint = |status: &CredentialStatus| {
            let name = status.secret.as_ref()?.name.clone();
            let secret = Key { namespace: self.key.namespace.clone(), name };
            let annotations = self.scope.secrets.get(&secret)?.annotations?;
            Some(IssueRecord::read(&annotations)?.fingerprint)
        };
        let others = self.others(target);
        let others = others.iter().filter_map(|other| {
            let status = other.status.as_deref().filter(|status| pending(status))?;
            Some((annotation(&other.key.name), fingerprint(status)?))
        });
        others.collect()
    }

    fn report_restart(&self, restart: &RestartStatus) {
        let (kind, state) = (restart.kind.as_str(), restart.state);
        let message = restart.message.as_deref();
        tracing::info!(kind, workload = restart.name, ?state, message, "workload restart");
        self.shared().parts.metrics.restarted(kind, state);
    }
}

/// The fingerprint of the credentials that the status describes. `None` if they are not known, or are being verified.
fn fingerprint(known: &KnownSecret, status: &CredentialStatus) -> Option<String> {
    let record = match known {
        KnownSecret::Holds { record, .. } => record,
        KnownSecret::Unread(Some(record)) => record,
        KnownSecret::Unread(None) | KnownSecret::Absent => return None,
    };
    let same = status.issued_at.as_ref().is_some_and(|time| time.0 == record.issued_at);
    same.then(|| record.fingerprint.clone())
}

fn forbidden(problem: &Problem) -> String {
    format!("enable features.workloadRestarts in the chart, if it is disabled: {}", problem.message)
}
