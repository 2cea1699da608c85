//! Follows the grants. A grant that does not exist any more is removed only if a user deleted it. If it was deleted with
//! its CustomResourceDefinition (CRD), or if the grants cannot be listed, the last known grants stay in effect.

use std::collections::HashSet;
use std::pin::pin;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use kube::{Client, ResourceExt};
use tempcred_core::api::StoredGrant;
use tokio::time::{Duration, Instant, sleep, sleep_until};

use super::follow::wake_affected;
use super::grants::Affected;
use super::lineage::Lineage;
use super::shared::Shared;
use crate::cluster::watch::{self, Change, Key};
use crate::cluster::{Definition, Failed, GRANT_CRD};

/// Wait after the first deletion before the CRD is read: one request is enough for all deletions in this time.
const BURST: Duration = Duration::from_millis(100);

/// Shortest time between two equal warnings.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// Follows the grants. Never returns.
pub(super) async fn follow(shared: &Shared, client: &Client) {
    let mut watch = GrantWatch { shared, lineage: Lineage::default(), warnings: Warnings(None) };
    let mut backoff = watch::backoff();
    loop {
        let crd = watch.wait_for_definition().await;
        if watch.run(client, &crd).await {
            backoff = watch::backoff();
        }
        shared.parts.metrics.grants_watched(false);
        watch.warn("the RoleGrants cannot be watched");
        sleep(backoff.next().unwrap_or(BURST)).await;
    }
}

struct GrantWatch<'a> {
    shared: &'a Shared,
    lineage: Lineage,
    warnings: Warnings,
}

/// A request for the CRD.
struct Question<'a> {
    /// The grants that were gone before the request.
    about: HashSet<String>,
    /// Whether the list was complete before the request.
    listed: bool,
    answer: BoxFuture<'a, Definition>,
}

impl<'a> GrantWatch<'a> {
    /// Waits until the CRD exists, and returns its UID. All grants that are listed later were seen under this CRD, if it
    /// still exists then.
    async fn wait_for_definition(&mut self) -> String {
        let mut backoff = watch::backoff();
        loop {
            let now = definition(self.shared).await;
            let state = match now {
                Definition::Exists(uid) => return uid,
                Definition::Terminating => "is being deleted",
                Definition::Missing => "does not exist",
            };
            self.lineage.all_gone();
            let gone = self.lineage.undecided().clone();
            self.decide(&gone, &now);
            self.warn(&format!("{GRANT_CRD} {state}"));
            sleep(backoff.next().unwrap_or(BURST)).await;
        }
    }

    /// Lists and watches the grants until the watch fails or the CRD is another one. Returns whether the list was
    /// complete and confirmed.
    async fn run(&mut self, client: &Client, crd: &str) -> bool {
        self.lineage.begin(crd);
        let mut changes = pin!(watch::grants(client.clone()));
        let (mut listed, mut confirmed) = (false, false);
        let mut ask_at: Option<Instant> = None;
        let mut question: Option<Question<'a>> = None;
        loop {
            let asks = (listed && !confirmed) || !self.lineage.undecided().is_empty();
            if asks && question.is_none() {
                let wait = if confirmed { BURST } else { Duration::ZERO };
                ask_at.get_or_insert_with(|| Instant::now() + wait);
            } else {
                ask_at = None;
            }
            tokio::select! {
                change = changes.next() => {
                    let Some(change) = change else { return confirmed };
                    listed |= matches!(change, Change::Synced);
                    self.apply(change);
                }
                () = sleep_until(ask_at.unwrap_or_else(Instant::now)), if ask_at.is_some() => {
                    let (about, shared) = (self.lineage.undecided().clone(), self.shared);
                    question = Some(Question { about, listed, answer: definition(shared).boxed() });
                }
                now = answer(&mut question), if question.is_some() => {
                    let Some(Question { about, listed, .. }) = question.take() else { continue };
                    let same = now == Definition::Exists(crd.to_owned());
                    if !same && !is_synced(self.shared) {
                        self.forget();
                    }
                    self.decide(&about, &now);
                    if !same {
                        return confirmed;
                    }
                    if listed && !confirmed {
                        confirmed = true;
                        self.confirm();
                    }
                }
            }
        }
    }

    fn apply(&mut self, change: Change<StoredGrant>) {
        let affected = match change {
            // A finalizer keeps it. The CRD may be being deleted, too.
            Change::Applied(grant) if grant.metadata.deletion_timestamp.is_some() => {
                self.lineage.gone(&grant.name_any());
                Affected::new()
            }
            Change::Applied(grant) => {
                self.lineage.seen(&grant.name_any());
                self.shared.indexes.grants.on_grant(Change::Applied(grant))
            }
            Change::Undecodable(key, error) => {
                self.lineage.seen(&key.name);
                self.shared.indexes.grants.on_grant(Change::Undecodable(key, error))
            }
            Change::Removed(key, _) => {
                self.lineage.gone(&key.name);
                Affected::new()
            }
            Change::Synced => {
                self.lineage.listed();
                Affected::new()
            }
        };
        self.after_change(&affected);
    }

    /// Removes those of these grants that were deleted. The others stay in effect. `now` was read after they were gone.
    fn decide(&mut self, gone: &HashSet<String>, now: &Definition) {
        let verdict = self.lineage.decide(gone, now);
        if !verdict.lost.is_empty() {
            tracing::warn!(
                grants = verdict.lost.len(),
                "RoleGrants were lost with {GRANT_CRD}, not deleted: they stay in effect until they are applied again, \
                 or this process ends"
            );
        }
        verdict.lost.iter().for_each(|name| self.shared.indexes.grants.lose(name));
        if !verdict.deleted.is_empty() {
            tracing::info!(grants = verdict.deleted.len(), "RoleGrants were deleted");
        }
        let affected = self.remove(verdict.deleted);
        self.after_change(&affected);
    }

    fn remove(&self, names: Vec<String>) -> Affected {
        let key = |name| Key { namespace: String::new(), name };
        let removed = names.into_iter().map(|name| Change::Removed(key(name), String::new()));
        removed.flat_map(|change| self.shared.indexes.grants.on_grant(change)).collect()
    }

    /// Drops the grants of a list that was requested while the CRD was being deleted: it may be incomplete. Nothing is
    /// issued yet.
    fn forget(&mut self) {
        let names = self.lineage.forget();
        self.remove(names);
    }

    fn after_change(&self, affected: &Affected) {
        self.shared.parts.metrics.grants_kept(self.lineage.kept());
        // Until the cache of the grants is synced, resources that need a grant are not reconciled.
        if is_synced(self.shared) {
            wake_affected(&self.shared.indexes, affected);
        }
    }

    /// The list is complete, and its grants are in effect.
    fn confirm(&mut self) {
        self.warnings = Warnings(None);
        self.shared.parts.metrics.grants_watched(true);
        self.shared.indexes.grants.on_grant(Change::Synced);
    }

    fn warn(&mut self, what: &str) {
        self.warnings.log(&format!("{what}. {}", effect(self.shared)));
    }
}

/// Whether a list of the grants was confirmed since the process started.
fn is_synced(shared: &Shared) -> bool {
    shared.indexes.grants.synced.initialized()
}

/// What it means that the grants are unknown.
fn effect(shared: &Shared) -> &'static str {
    if is_synced(shared) {
        "Until this changes, the last known RoleGrants stay in effect"
    } else {
        "Until this changes, nothing is issued that needs a RoleGrant, and no Secret is removed"
    }
}

/// Reads the CRD, and repeats that until it succeeds.
async fn definition(shared: &Shared) -> Definition {
    let (mut backoff, mut warnings) = (watch::backoff(), Warnings(None));
    loop {
        match shared.parts.cluster.grant_definition().await {
            Ok(definition) => return definition,
            // The request has no precondition.
            Err(Failed::Conflict) => {}
            Err(Failed::Problem(problem)) => {
                warnings.log(&format!("{} {}", problem.message, effect(shared)));
            }
        }
        sleep(backoff.next().unwrap_or(BURST)).await;
    }
}

async fn answer(question: &mut Option<Question<'_>>) -> Definition {
    match question {
        Some(question) => (&mut question.answer).await,
        None => std::future::pending().await,
    }
}

/// The last warning, and when it was logged.
struct Warnings(Option<(String, Instant)>);

impl Warnings {
    /// Logs a warning, unless the same one was logged a short time ago.
    fn log(&mut self, text: &str) {
        let recent =
            |(last, at): &(String, Instant)| last == text && at.elapsed() < WARNING_INTERVAL;
        if !self.0.as_ref().is_some_and(recent) {
            tracing::warn!("{text}");
            self.0 = Some((text.to_owned(), Instant::now()));
        }
    }
}
