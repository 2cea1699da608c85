//! The world around the process: the API server, the watch, STS, the grants and the clock.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use jiff::Timestamp;

use super::actions::Fault;
use super::process::Process;
use super::properties::Rule;
use super::secret::StoredSecret;
use super::snapshot::Snapshot;
use super::spec::Spec;
use crate::api::CredentialStatus;
use crate::credentials::Credentials;
use crate::desired::Desired;
use crate::observed::{Memory, PendingWrite};
use crate::plan::IssueCause;
use crate::problem::Reason;
use crate::schedule::CALL_INTERVAL;
use crate::testing::{at, credentials};

/// Lifetime of credentials, in seconds.
pub(super) const LIFETIME: i64 = 3600;

/// Everything there is at one moment.
#[derive(Clone)]
pub(super) struct World {
    /// The clock, in seconds.
    pub(super) now: i64,
    /// The Secret in the API server.
    pub(super) secret: Option<Snapshot<StoredSecret>>,
    /// The Secret in the cache of the watch, which may be behind.
    pub(super) watched: Option<Snapshot<StoredSecret>>,
    /// Whether the watches, which may be behind, show a Secret of the name.
    pub(super) watched_name: bool,
    /// The last resource version that was given to a Secret.
    pub(super) version: u32,
    /// The status in the API server.
    pub(super) status: Snapshot<CredentialStatus>,
    /// The status in the cache of the watch, which may be behind.
    pub(super) watched_status: Snapshot<CredentialStatus>,
    /// The spec.
    pub(super) spec: Spec,
    /// What the spec asks for under the grants of now.
    pub(super) desired: Arc<Desired>,
    /// What STS has issued so far.
    pub(super) issued: Arc<Vec<Issued>>,
    /// The process that leads.
    pub(super) process: Process,
    /// Pending credentials of the process that does not lead.
    pub(super) standby: Option<Snapshot<PendingWrite>>,
    /// How much may still happen.
    pub(super) budget: Budget,
    /// What the properties need to know and no program does.
    pub(super) ghost: Ghost,
    /// The requests of the last reconciliation. No part of the state.
    pub(super) requests: u32,
    /// What could have gone wrong in the last reconciliation. No part of the state.
    pub(super) could_fail: Vec<Fault>,
}

/// What STS issued, by number, whatever annotations say of it.
#[derive(Clone, PartialEq, Hash)]
pub(super) struct Issued {
    pub(super) request_hash: String,
    pub(super) renew_request: Option<String>,
    pub(super) at: i64,
}

impl Issued {
    pub(super) fn expires(&self) -> i64 {
        self.at + LIFETIME
    }
}

/// How many events of each kind may still happen. It keeps the state space finite.
#[derive(Clone, Copy, Debug, PartialEq, Hash)]
pub(super) struct Budget {
    pub(super) faults: u8,
    pub(super) users: u8,
    pub(super) ticks: u8,
}

/// What the properties need to know.
#[derive(Clone, Default, PartialEq, Hash)]
pub(super) struct Ghost {
    /// The rules that were violated.
    pub(super) violated: BTreeSet<Rule>,
    /// The credentials that the process holds and that were never written.
    pub(super) unwritten: Option<u32>,
    /// Until when an attempt would be too early.
    pub(super) backoff_until: Option<Timestamp>,
    /// The credentials that a process issued because its watch did not show those of another process yet. They may
    /// replace those.
    pub(super) extra: Option<u32>,
    /// When the process last called STS.
    called_at: Option<i64>,
}

impl World {
    pub(super) fn new(sole: bool, budget: Budget) -> Self {
        let spec = Spec::default();
        let status = Snapshot::status(CredentialStatus::default());
        Self {
            now: 0,
            secret: None,
            watched: None,
            watched_name: false,
            version: 10,
            process: Process::new(Memory::of(&spec.resource(None)), status.clone(), sole),
            status: status.clone(),
            watched_status: status,
            desired: spec.desired(),
            spec,
            issued: Arc::default(),
            standby: None,
            budget,
            ghost: Ghost::default(),
            requests: 0,
            could_fail: Vec::new(),
        }
    }

    pub(super) fn violate(&mut self, rule: Rule) {
        self.ghost.violated.insert(rule);
    }

    /// Takes a resource version for a Secret.
    pub(super) fn next_version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    /// The watch catches up.
    pub(super) fn deliver(&mut self) {
        self.watched = self.secret.clone().filter(|secret| secret.is_in_watch());
        self.watched_name = self.secret.is_some();
        self.watched_status = self.status.clone();
        self.process.saved = self.status.clone();
    }

    pub(super) fn is_delivered(&self) -> bool {
        let visible = self.secret.as_ref().filter(|secret| secret.is_in_watch());
        self.watched.as_ref() == visible
            && self.watched_name == self.secret.is_some()
            && self.watched_status == self.status
    }

    /// The process stops, and starts again: what it remembered is gone, and the watch begins with a new list.
    pub(super) fn restart(&mut self) {
        self.deliver();
        self.begin(None);
        self.ghost.unwritten = None;
    }

    /// Another process leads. Its watch may be behind, and it may have pending credentials of an earlier term.
    pub(super) fn fail_over(&mut self) {
        let pending = self.standby.take().map(|pending| (*pending).clone());
        self.standby = self.process.memory.pending().cloned().map(Snapshot::pending);
        self.begin(pending);
        let number = |pending: &PendingWrite| number(pending.credentials.access_key_id()?);
        let held = self.secret.as_ref().and_then(|secret| secret.number);
        let pending = self.process.memory.pending().and_then(number);
        self.ghost.unwritten = pending.filter(|pending| held.is_none_or(|held| held < *pending));
    }

    /// What the process remembers begins with its first reconciliation, with the status of that moment.
    pub(super) fn begin_reconciliation(&mut self) {
        if self.process.fresh {
            let pending = self.process.memory.pending().cloned();
            self.begin(pending);
            self.process.fresh = false;
        }
        // Credentials that may not be written any more are dropped.
        let unwritten = self.ghost.unwritten.and_then(|number| self.issued(number));
        let usable = unwritten.is_some_and(|u| u.request_hash == self.desired.request_hash);
        if !self.spec.granted || !usable {
            self.ghost.unwritten = None;
        }
    }

    fn begin(&mut self, pending: Option<PendingWrite>) {
        let (status, sole) = (self.watched_status.clone(), self.process.sole);
        let resource = self.spec.resource(Some((*status).clone()));
        let mut memory = Memory::of(&resource).with_pending(pending);
        memory.drop_outdated(Some(&status), at(self.now));
        let current = status.observed_generation == Some(self.spec.generation);
        let failure = status.failure.as_ref().filter(|_| current && self.spec.granted);
        self.ghost.backoff_until = failure
            .filter(|failure| !failure.reason().is_some_and(Reason::is_denial))
            .map(|failure| failure.next_attempt.0);
        self.ghost.called_at = None;
        self.process = Process::new(memory, status, sole);
    }

    /// Checks an attempt: a call to STS, or a write of pending credentials.
    pub(super) fn attempt(&mut self) {
        if self.ghost.backoff_until.is_some_and(|until| at(self.now) < until) {
            self.violate(Rule::NoAttemptBeforeItsTime);
        }
    }

    /// Checks a call to STS, whether or not it succeeds.
    pub(super) fn call_sts(&mut self, cause: IssueCause) {
        self.requests += 1;
        self.attempt();
        if !self.spec.granted {
            self.violate(Rule::NothingWhileDenied);
        }
        let secret = self.secret.clone();
        // A watch that is behind costs one call; the write then conflicts.
        let visible = secret.as_ref().filter(|secret| secret.is_in_watch());
        let in_sync = self.watched.as_ref() == visible && self.watched_name == secret.is_some();
        // Another process wrote a first Secret that the watch of this one does not show yet.
        let unseen = !self.watched_name && self.process.memory.status().secret.is_none();
        match &secret {
            Some(secret) if secret.is_foreign() && in_sync => {
                self.violate(Rule::NoCallForAForeignSecret);
            }
            Some(secret) if !secret.is_edited() && self.is_good(secret.number) => {
                if unseen {
                    self.ghost.extra = Some(self.issued.len() as u32 + 1);
                } else {
                    self.violate(Rule::IssuesOnce);
                }
            }
            Some(_) | None => {}
        }
        if self.spec.suspended {
            self.violate(Rule::IssuesOnce);
        }
        let unwritten = self.ghost.unwritten.and_then(|number| self.issued(number));
        if unwritten.is_some_and(|issued| issued.expires() > self.now) {
            self.violate(Rule::PendingIsWrittenFirst);
        }
        let is_scheduled = cause == IssueCause::Due || self.ghost.backoff_until.is_some();
        let last = self.ghost.called_at.replace(self.now);
        if !is_scheduled && last.is_some_and(|last| at(self.now) < at(last) + CALL_INTERVAL) {
            self.violate(Rule::CallsWait);
        }
    }

    /// STS issues credentials.
    pub(super) fn issue(&mut self, desired: &Desired) -> PendingWrite {
        let issued = Issued {
            request_hash: desired.request_hash.clone(),
            renew_request: desired.renew_request.clone(),
            at: self.now,
        };
        let expires = issued.expires();
        Arc::make_mut(&mut self.issued).push(issued);
        let number = self.issued.len() as u32;
        self.ghost.unwritten = Some(number);
        PendingWrite {
            request_hash: desired.request_hash.clone(),
            renew_request: desired.renew_request.clone(),
            credentials: credentials(number, self.now, expires),
        }
    }

    pub(super) fn issued(&self, number: u32) -> Option<&Issued> {
        self.issued.get(number as usize - 1)
    }

    /// Credentials that were pending also serve a renewal that was requested since they were issued.
    pub(super) fn serve(&mut self, credentials: &Credentials, renew_request: Option<&String>) {
        let issued = credentials.access_key_id().and_then(number);
        let issued =
            issued.and_then(|number| Arc::make_mut(&mut self.issued).get_mut(number as usize - 1));
        if let (Some(issued), Some(request)) = (issued, renew_request) {
            issued.renew_request = Some(request.clone());
        }
    }

    /// Whether credentials match the spec, have not expired, are not due, and no renewal of them is requested.
    pub(super) fn is_good(&self, number: Option<u32>) -> bool {
        let Some(issued) = number.and_then(|number| self.issued(number)) else { return false };
        let requested = self.desired.renew_request.is_some();
        let renew_at = self.desired.schedule(at(issued.at), at(issued.expires())).renew_at;
        issued.request_hash == self.desired.request_hash
            && issued.expires() > self.now
            && renew_at > at(self.now)
            && (!requested || issued.renew_request == self.desired.renew_request)
    }
}

/// The number of an access key ID.
pub(super) fn number(access_key_id: &str) -> Option<u32> {
    access_key_id.strip_prefix("ASIA")?.parse().ok()
}

impl World {
    fn parts(&self) -> impl PartialEq + Hash + '_ {
        let watched = (&self.watched, self.watched_name);
        let secrets = (&self.secret, watched, self.version, &self.standby);
        let statuses = (&self.status, &self.watched_status);
        let rest = (&self.issued, &self.process, self.budget, &self.ghost);
        (self.now, secrets, statuses, self.spec, rest)
    }
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = |secret: &Option<Snapshot<StoredSecret>>| {
            secret.as_ref().map(|secret| (secret.version().resource_version, secret.number))
        };
        f.debug_struct("World")
            .field("now", &self.now)
            .field("spec", &self.spec)
            .field("secret", &version(&self.secret))
            .field("watched", &version(&self.watched))
            .field("issued", &self.issued.len())
            .field("pending", &self.process.memory.pending().is_some())
            .field("failure", &self.process.memory.status().failure)
            .field("violated", &self.ghost.violated)
            .finish_non_exhaustive()
    }
}
