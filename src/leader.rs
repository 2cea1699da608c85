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
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// How long a Lease lasts after its last renewal, in seconds. Kubernetes' own components use as much.
const LEASE_DURATION: u64 = 15;

/// How long before its end a Lease is renewed, in seconds: room for two requests that hang.
const RENEWED_BEFORE: u64 = 10;

/// How long a request about the Lease may take to connect, and then to be answered.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const READ_TIMEOUT: Duration = Duration::from_secs(4);

/// How long giving the Lease back may take.
const RELEASED_WITHIN: Duration = Duration::from_secs(3);

/// How long to wait after an error before the next attempt.
const PAUSE: Duration = Duration::from_millis(500);

/// One time in a row during which this process leads. In a new one it knows nothing of what others did
/// in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term(u64);

impl Term {
    /// The only one, of a process that has no replicas.
    const SOLE: Self = Self(0);

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
        let client = Client::try_from(config)?;
        let (announce, term) = watch::channel(None);
        let campaign = Campaign { candidacy, client, announce, terms: 0, metrics, told: false };
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
    /// Whether people were told that the Lease is out of reach.
    told: bool,
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
                    let Some(error) = withdrawn.run_until_cancelled(self.hold(&manager)).await
                    else {
                        return self.give_back(&manager).await;
                    };
                    error
                }
                Err(error) => error,
            };
            if self.leads() {
                self.end(&format!("the Lease could not be renewed: {error}"));
            } else if !self.told {
                self.told = true;
                tracing::warn!(%error, "the Lease is out of reach; trying on");
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

    /// Takes the Lease as soon as it is free and renews it, until that fails.
    async fn hold(&mut self, manager: &LeaseManager) -> LeaseManagerError {
        loop {
            match manager.changed().await {
                Ok(true) => self.begin(),
                Ok(false) => self.end("another replica holds the Lease"),
                Err(error) => return error,
            }
        }
    }

    fn leads(&self) -> bool {
        self.announce.borrow().is_some()
    }

    fn begin(&mut self) {
        self.told = false;
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
        match timeout(RELEASED_WITHIN, manager.release()).await {
            Ok(Ok(())) => tracing::info!("gave the Lease back"),
            Ok(Err(error)) => tracing::warn!(%error, "could not give the Lease back; it runs out"),
            Err(_) => tracing::warn!("could not give the Lease back in time; it runs out"),
        }
    }
}
