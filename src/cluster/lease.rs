//! Leader election with a Lease: only the leader issues credentials, and the other replicas are on standby with synced
//! caches.
//!
//! A leader that cannot renew its Lease stops leading before the Lease expires. It does not exit: credentials that it
//! has in memory are still available when it becomes the leader again.

use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use futures::stream::unfold;
use kube::{Api, Client, Config};
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder, LeaseManagerError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::abandoned_lease::SeenLease;
use crate::planted::Bug;
use crate::telemetry::metrics::Metrics;

/// Duration of the Lease after its last renewal, in seconds. The components of Kubernetes use the same duration.
const LEASE_DURATION: u64 = 15;

/// How long before its expiration the Lease is renewed, in seconds. A renewal makes two requests. Even if both time
/// out, the renewal fails before the Lease expires, and the failure ends the term.
const RENEW_BEFORE_EXPIRY: u64 = 10;

/// Timeouts of a request for the Lease: for the connection, and for the reply.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const READ_TIMEOUT: Duration = Duration::from_secs(4);

/// Timeout for releasing the Lease.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(3);

/// How often a standby replica checks the Lease: another replica may release it, or a user may delete it.
const CHECK_INTERVAL: Duration = Duration::from_secs(LEASE_DURATION);

/// Shortest time between two warnings that the Lease is not available.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// Wait after an error before the next attempt.
const RETRY_PERIOD: Duration = Duration::from_millis(500);

/// A leadership term: an uninterrupted time during which this process is the leader. In a new term, the process does
/// not know what other leaders wrote in the meantime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term(u64);

impl Term {
    /// The term of a process without leader election.
    pub(crate) const SOLE: Self = Self(0);
}

/// Whether this process is the leader.
#[derive(Clone)]
pub enum Leadership {
    /// Leader election is disabled: the only replica is always the leader.
    ElectionDisabled,
    /// The process is the leader while it holds the Lease.
    Elected(watch::Receiver<Option<Term>>),
}

impl Leadership {
    /// The current term. `None` if this process is not the leader.
    pub fn term(&self) -> Option<Term> {
        match self {
            Self::ElectionDisabled => Some(Term::SOLE),
            Self::Elected(_) if Bug::ActsWithoutLease.is_planted() => Some(Term(1)),
            Self::Elected(term) => *term.borrow(),
        }
    }

    /// Yields an item when a new term begins, and also if a term is current at the first poll.
    pub fn new_terms(&self) -> impl Stream<Item = ()> + Send + use<> {
        let elected = match self {
            Self::ElectionDisabled => None,
            Self::Elected(term) => Some((term.clone(), None)),
        };
        unfold(elected, |elected| async {
            let (mut terms, last) = elected?;
            // An error means that the leader election has ended.
            let next = terms.wait_for(|term| term.is_some() && *term != last).await;
            let next = *next.ok()?;
            Some(((), Some((terms, next))))
        })
    }
}

/// Configuration of the leader election.
pub struct ElectionConfig {
    /// Name of the Lease.
    pub lease: String,
    /// Namespace of the Lease.
    pub namespace: String,
    /// Unique identity of this replica.
    pub identity: String,
}

/// The leader election of this process, which runs in a task.
pub struct LeaderElector {
    released: CancellationToken,
    task: JoinHandle<()>,
}

impl LeaderElector {
    /// Starts the leader election. When its task ends, also by a panic, `stop` is cancelled: without the task, the
    /// process could never become the leader.
    ///
    /// # Errors
    /// If no client can be created from `config`.
    pub fn start(
        election: ElectionConfig,
        mut config: Config,
        stop: CancellationToken,
        metrics: Arc<Metrics>,
    ) -> kube::Result<(Self, Leadership)> {
        // A separate client, because requests of other clients may take longer than the duration of the Lease.
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.read_timeout = Some(READ_TIMEOUT);
        // With hidden retries, a renewal could take longer than the duration of the Lease.
        config.default_retry = false;
        let client = Client::try_from(config)?;
        let (current_term, term) = watch::channel(None);
        let task = ElectionTask {
            election,
            client,
            current_term,
            terms: 0,
            metrics,
            warned_at: None,
            seen: None,
        };
        let released = CancellationToken::new();
        let release = released.clone();
        let task = tokio::spawn(async move {
            let _stop_when_ended = stop.drop_guard();
            task.run(&release).await;
        });
        Ok((Self { released, task }, Leadership::Elected(term)))
    }

    /// Ends the leader election and releases the Lease, so that another replica can acquire it before it expires.
    pub async fn release(self) {
        self.released.cancel();
        // If the task panicked, the Lease expires.
        let _ = self.task.await;
    }
}

struct ElectionTask {
    election: ElectionConfig,
    client: Client,
    current_term: watch::Sender<Option<Term>>,
    terms: u64,
    metrics: Arc<Metrics>,
    /// When the last warning that the Lease is not available was logged.
    warned_at: Option<Instant>,
    /// The Lease of another replica.
    seen: Option<SeenLease>,
}

impl ElectionTask {
    async fn run(mut self, released: &CancellationToken) {
        let ElectionConfig { lease, namespace, identity } = &self.election;
        tracing::info!(lease, namespace, identity, "starting leader election");
        loop {
            if !self.leads() {
                let freed = released.run_until_cancelled(self.free_if_abandoned()).await;
                if let Some(Err(error)) = freed {
                    self.warn(&LeaseManagerError::KubeError(error));
                    released.run_until_cancelled(sleep(RETRY_PERIOD)).await;
                    continue;
                }
            }
            // A new manager after each error: it reads the Lease first, and so does not rely on an outdated state.
            let Some(manager) = released.run_until_cancelled(self.manager()).await else { return };
            let error = match manager {
                Ok(manager) => {
                    match released.run_until_cancelled(self.hold(&manager)).await {
                        None => return self.release(&manager).await,
                        // The Lease must be read again.
                        Some(None) => continue,
                        Some(Some(error)) => error,
                    }
                }
                Err(error) => error,
            };
            if self.leads() {
                let error = description(&error);
                self.end_term(&format!("the Lease could not be renewed: {error}"));
            } else {
                self.warn(&error);
            }
            released.run_until_cancelled(sleep(RETRY_PERIOD)).await;
        }
    }

    /// Logs why the Lease cannot be acquired, unless it did so a short time ago.
    fn warn(&mut self, error: &LeaseManagerError) {
        if self.warned_at.is_none_or(|at| at.elapsed() > WARNING_INTERVAL) {
            self.warned_at = Some(Instant::now());
            let error = description(error);
            tracing::warn!("the Lease cannot be acquired: {error}; retrying");
        }
    }

    /// Frees the Lease if its holder does not renew it any more, or if this replica would not renew it for long.
    async fn free_if_abandoned(&mut self) -> kube::Result<()> {
        let ElectionConfig { lease, namespace, identity } = &self.election;
        let api = Api::namespaced(self.client.clone(), namespace);
        let duration = Duration::from_secs(LEASE_DURATION);
        let before = self.seen.take();
        self.seen = SeenLease::look(&api, (lease, identity), duration, before).await?;
        Ok(())
    }

    async fn manager(&self) -> Result<LeaseManager, LeaseManagerError> {
        let ElectionConfig { lease, namespace, identity } = &self.election;
        LeaseManagerBuilder::new(self.client.clone(), lease)
            .with_namespace(namespace)
            .with_identity(identity)
            .with_field_manager(format!("tempcred-{identity}"))
            .with_duration(LEASE_DURATION)
            .with_grace(RENEW_BEFORE_EXPIRY)
            .build()
            .await
    }

    /// Acquires the Lease as soon as it is free, and renews it until a renewal fails. Returns `None` if another replica
    /// holds the Lease and it must be read again: the manager would sleep until the expiration that it read first.
    async fn hold(&mut self, manager: &LeaseManager) -> Option<LeaseManagerError> {
        loop {
            let changed = if self.leads() {
                manager.changed().await
            } else {
                timeout(CHECK_INTERVAL, manager.changed()).await.ok()?
            };
            match changed {
                Ok(true) => self.begin_term(),
                Ok(false) => self.end_term("another replica holds the Lease"),
                Err(error) => return Some(error),
            }
        }
    }

    fn leads(&self) -> bool {
        self.current_term.borrow().is_some()
    }

    fn begin_term(&mut self) {
        self.warned_at = None;
        self.terms += 1;
        tracing::info!("leading");
        self.current_term.send_replace(Some(Term(self.terms)));
        self.metrics.leads(true);
    }

    fn end_term(&self, why: &str) {
        tracing::warn!("no longer leading: {why}");
        self.current_term.send_replace(None);
        self.metrics.leads(false);
    }

    async fn release(&self, manager: &LeaseManager) {
        if !self.leads() {
            return;
        }
        self.current_term.send_replace(None);
        self.metrics.leads(false);
        match timeout(RELEASE_TIMEOUT, manager.release()).await {
            Ok(Ok(())) => tracing::info!("released the Lease"),
            Ok(Err(error)) => {
                tracing::warn!(
                    "the Lease could not be released and will expire: {}",
                    description(&error)
                );
            }
            Err(_) => tracing::warn!("the Lease could not be released in time and will expire"),
        }
    }
}

/// Describes an error. Errors of the client itself are not passed on, because they may quote requests or replies.
fn description(error: &LeaseManagerError) -> String {
    match error {
        LeaseManagerError::KubeError(kube::Error::Api(status)) => {
            format!("{} (HTTP {})", status.message, status.code)
        }
        LeaseManagerError::KubeError(_) => {
            "the API server could not be reached, or the connection broke".to_owned()
        }
        other => other.to_string(),
    }
}
