//! Leader election by a Lease: of several replicas one works, the others watch and wait.
//!
//! A leader that cannot renew its Lease steps down before that runs out, and stays a candidate: what it
//! holds in memory is still there when it leads again.

use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use futures::stream::unfold;
use kube::{Client, Config};
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder, LeaseManagerError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::telemetry::metrics::Metrics;

/// How long a Lease lasts after its last renewal, in seconds. Kubernetes' own components use as much.
const LEASE_DURATION: u64 = 15;

/// How long before its end a Lease is renewed, in seconds. A renewal is two requests: even if both hang,
/// they have failed before the Lease runs out, and a failure ends the term.
const RENEWED_BEFORE: u64 = 10;

/// How long a request about the Lease may take to connect, and then to be answered.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const READ_TIMEOUT: Duration = Duration::from_secs(4);

/// How long giving the Lease back may take.
const RELEASED_WITHIN: Duration = Duration::from_secs(3);

/// How long a Lease that another holds goes unseen at most: it may be given back, or deleted.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(LEASE_DURATION);

/// How often people are told that the Lease is out of reach.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// How long to wait after an error before the next attempt.
const PAUSE: Duration = Duration::from_millis(500);

/// One time in a row during which this process leads. In a new one it knows nothing of what others did
/// in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term(u64);

impl Term {
    /// The only one, of a process that has no replicas.
    pub(crate) const SOLE: Self = Self(0);

    /// Whether nobody else has ever led.
    pub fn is_sole(self) -> bool {
        self == Self::SOLE
    }
}

/// Whether this process leads.
#[derive(Clone)]
pub enum Leadership {
    /// It does, for ever: there is only one replica.
    Alone,
    /// It does for as long as it holds the Lease.
    Elected(watch::Receiver<Option<Term>>),
}

impl Leadership {
    /// The term that goes on, if this process leads.
    pub fn term(&self) -> Option<Term> {
        match self {
            Self::Alone => Some(Term::SOLE),
            Self::Elected(term) => *term.borrow(),
        }
    }

    /// Tells of each term that begins.
    pub fn begins(&self) -> impl Stream<Item = ()> + Send + use<> {
        let elected = match self {
            Self::Alone => None,
            Self::Elected(term) => Some((term.clone(), None)),
        };
        unfold(elected, |elected| async {
            let (mut terms, last) = elected?;
            // An error means that nobody elects any more.
            let next = terms.wait_for(|term| term.is_some() && *term != last).await;
            let next = *next.ok()?;
            Some(((), Some((terms, next))))
        })
    }
}

/// Which Lease to hold, and as whom.
pub struct Candidacy {
    /// Name of the Lease.
    pub lease: String,
    /// Namespace of the Lease.
    pub namespace: String,
    /// What no other replica calls itself.
    pub identity: String,
}

/// A candidate for leadership.
pub struct Candidate {
    withdrawn: CancellationToken,
    campaign: JoinHandle<()>,
}

impl Candidate {
    /// Stands for election from now on. `stop` is cancelled if the campaign breaks off by itself: nobody
    /// would notice a process that can never lead again.
    ///
    /// # Errors
    /// If no client can be made from `config`.
    pub fn stand(
        candidacy: Candidacy,
        mut config: Config,
        stop: CancellationToken,
        metrics: Arc<Metrics>,
    ) -> kube::Result<(Self, Leadership)> {
        // A client of its own: elsewhere a request may take longer than a Lease lasts.
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.read_timeout = Some(READ_TIMEOUT);
        // A retry that is not seen here would let the Lease run out.
        config.default_retry = false;
        let client = Client::try_from(config)?;
        let (announce, term) = watch::channel(None);
        let campaign = Campaign { candidacy, client, announce, terms: 0, metrics, told: None };
        let withdrawn = CancellationToken::new();
        let withdraw = withdrawn.clone();
        let campaign = tokio::spawn(async move {
            let _broken_off = stop.drop_guard();
            campaign.run(&withdraw).await;
        });
        Ok((Self { withdrawn, campaign }, Leadership::Elected(term)))
    }

    /// Gives the Lease back, so that another replica need not wait for its end.
    pub async fn withdraw(self) {
        self.withdrawn.cancel();
        // If it broke off, there is nothing to give back.
        let _ = self.campaign.await;
    }
}

struct Campaign {
    candidacy: Candidacy,
    client: Client,
    announce: watch::Sender<Option<Term>>,
    terms: u64,
    metrics: Arc<Metrics>,
    /// When people were last told that the Lease is out of reach.
    told: Option<Instant>,
}

impl Campaign {
    async fn run(mut self, withdrawn: &CancellationToken) {
        let Candidacy { lease, namespace, identity } = &self.candidacy;
        tracing::info!(lease, namespace, identity, "standing for election");
        loop {
            // After each error a new one: it looks at the Lease first, and takes nothing for granted.
            let Some(manager) = withdrawn.run_until_cancelled(self.manager()).await else { return };
            let error = match manager {
                Ok(manager) => {
                    match withdrawn.run_until_cancelled(self.hold(&manager)).await {
                        None => return self.give_back(&manager).await,
                        // Time to look again.
                        Some(None) => continue,
                        Some(Some(error)) => error,
                    }
                }
                Err(error) => error,
            };
            let error = why(&error);
            if self.leads() {
                self.end(&format!("the Lease could not be renewed: {error}"));
            } else if self.told.is_none_or(|at| at.elapsed() > TOLD_EVERY) {
                self.told = Some(Instant::now());
                tracing::warn!("the Lease is out of reach: {error}; trying on");
            }
            withdrawn.run_until_cancelled(sleep(PAUSE)).await;
        }
    }

    async fn manager(&self) -> Result<LeaseManager, LeaseManagerError> {
        let Candidacy { lease, namespace, identity } = &self.candidacy;
        LeaseManagerBuilder::new(self.client.clone(), lease)
            .with_namespace(namespace)
            .with_identity(identity)
            .with_field_manager(format!("tempcred-{identity}"))
            .with_duration(LEASE_DURATION)
            .with_grace(RENEWED_BEFORE)
            .build()
            .await
    }

    /// Takes the Lease as soon as it is free and renews it, until that fails. Ends without an error when
    /// it is time to look again at a Lease that another holds: the manager sleeps until that runs out, by
    /// what it saw at first.
    async fn hold(&mut self, manager: &LeaseManager) -> Option<LeaseManagerError> {
        loop {
            let changed = if self.leads() {
                manager.changed().await
            } else {
                timeout(LOOKED_AT_EVERY, manager.changed()).await.ok()?
            };
            match changed {
                Ok(true) => self.begin(),
                Ok(false) => self.end("another replica holds the Lease"),
                Err(error) => return Some(error),
            }
        }
    }

    fn leads(&self) -> bool {
        self.announce.borrow().is_some()
    }

    fn begin(&mut self) {
        self.told = None;
        self.terms += 1;
        tracing::info!("leading");
        self.announce.send_replace(Some(Term(self.terms)));
        self.metrics.leads(true);
    }

    fn end(&self, why: &str) {
        tracing::warn!("no longer leading: {why}");
        self.announce.send_replace(None);
        self.metrics.leads(false);
    }

    async fn give_back(&self, manager: &LeaseManager) {
        if !self.leads() {
            return;
        }
        self.announce.send_replace(None);
        self.metrics.leads(false);
        match timeout(RELEASED_WITHIN, manager.release()).await {
            Ok(Ok(())) => tracing::info!("gave the Lease back"),
            Ok(Err(error)) => {
                tracing::warn!("could not give the Lease back: {}; it runs out", why(&error));
            }
            Err(_) => tracing::warn!("could not give the Lease back in time; it runs out"),
        }
    }
}

/// What went wrong, in the words of the API server or in ours: errors of a client may quote what passed
/// through it.
fn why(error: &LeaseManagerError) -> String {
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
