//! A simulation of the queue, of resources with their backoff, and of STS with a limit.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use jiff::SignedDuration;

use super::*;
use crate::api::FailureStatus;
use crate::backoff;
use crate::problem::{Class, Problem, Reason};

/// Half of a round trip to STS.
const HALF_TRIP: Duration = Duration::from_millis(50);

/// A token bucket that holds the calls of one second, like the one that AWS documents for its APIs.
struct Bucket {
    limit: f64,
    tokens: f64,
    updated: Duration,
}

impl Bucket {
    fn take(&mut self, now: Duration) -> bool {
        let added = (now - self.updated).as_secs_f64() * self.limit;
        (self.tokens, self.updated) = ((self.tokens + added).min(self.limit), now);
        let allowed = self.tokens >= 1.0;
        self.tokens -= f64::from(u8::from(allowed));
        allowed
    }
}

/// A resource.
#[derive(Default)]
struct Resource {
    /// When its credentials expire, since the start.
    expires: Duration,
    /// How urgent it is.
    due: Timestamp,
    always_refused: bool,
    failure: Option<FailureStatus>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Issued,
    Refused,
    Throttled,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Due(Key),
    Arrival(usize),
    Reply(usize, Verdict),
}

/// What happened.
#[derive(Default)]
pub(super) struct Log {
    pub(super) calls: usize,
    pub(super) throttled: usize,
    pub(super) refused: usize,
    /// When each credential was issued.
    pub(super) issued: Vec<(Key, Duration)>,
    /// The credentials that expired before they were issued again.
    pub(super) late: Vec<Key>,
}

pub(super) struct Simulation {
    queue: Queue,
    sts: Bucket,
    pub(super) now: Duration,
    resources: HashMap<Key, Resource>,
    /// What waits and was not refused, by namespace and urgency.
    waiting: BTreeMap<String, BTreeSet<(Timestamp, String)>>,
    turns: Vec<Option<Turn>>,
    events: BinaryHeap<Reverse<(Duration, Event)>>,
    pub(super) log: Log,
}

fn timestamp(at: Duration) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::try_from(at).unwrap()
}

fn since_start(at: Timestamp) -> Duration {
    at.duration_since(Timestamp::UNIX_EPOCH).try_into().unwrap()
}

impl Simulation {
    /// STS allows `limit` calls per second, and the operator has the default settings.
    pub(super) fn new(limit: f64) -> Self {
        Self {
            queue: Queue::new(96, 300.0),
            sts: Bucket { limit, tokens: limit, updated: START },
            now: START,
            resources: HashMap::new(),
            waiting: BTreeMap::new(),
            turns: vec![],
            events: BinaryHeap::new(),
            log: Log::default(),
        }
    }

    /// From now on, STS allows `limit` calls per second.
    pub(super) fn set_limit(&mut self, limit: f64) {
        self.sts.limit = limit;
    }

    pub(super) fn rate(&self) -> f64 {
        self.queue.operator_rate(self.now)
    }

    /// A resource that is due now, with credentials that expire at this time.
    pub(super) fn renew(&mut self, name: &str, expires: Duration) {
        let resource = Resource { expires, ..Resource::default() };
        self.add(name, resource);
    }

    /// A resource that is due now, and that STS always refuses. It was refused `before` times.
    pub(super) fn refuse(&mut self, name: &str, before: u32, expires: Duration) {
        let mut failure = None;
        for _ in 0..before {
            failure = Some(failed(Reason::AccessDenied, failure.as_ref(), None, name, self.now));
        }
        self.add(name, Resource { expires, always_refused: true, failure, ..Resource::default() });
    }

    fn add(&mut self, name: &str, resource: Resource) {
        let key = key(name);
        self.resources.insert(key.clone(), resource);
        self.due(key);
    }

    fn due(&mut self, key: Key) {
        let resource = self.resources.get_mut(&key).unwrap();
        let class = resource.failure.as_ref().map(|failure| failure.class);
        let expires = timestamp(resource.expires);
        // As in the plan.
        let due = match class {
            None | Some(Class::Throttled) => expires,
            Some(_) => expires.max(timestamp(self.now)),
        };
        resource.due = due;
        let refused = class == Some(Class::Refused);
        if !refused {
            self.waiting.entry(key.namespace.clone()).or_default().insert((due, key.name.clone()));
        }
        self.queue.add(&key, Demand { due, budget: operator(), calls: 1, refused }, self.now);
    }

    /// Runs until this number of credentials is issued, or until this time.
    pub(super) fn run(&mut self, issued: usize, until: Duration) {
        while self.log.issued.len() < issued && self.now < until {
            let timer = match self.queue.next(self.now) {
                Next::Turn(turn) => {
                    self.begin(turn);
                    continue;
                }
                Next::At(at) => at,
                Next::Idle => until,
            };
            match self.events.peek() {
                Some(Reverse((at, _))) if *at <= timer => {
                    let Some(Reverse((at, event))) = self.events.pop() else { break };
                    self.now = at;
                    self.happen(event);
                }
                Some(_) | None => self.now = timer,
            }
        }
    }

    fn begin(&mut self, turn: Turn) {
        let Key { namespace, name } = turn.key();
        let waiting = self.waiting.get_mut(namespace);
        if !turn.resource.refused {
            let (waiting, due) = (waiting.unwrap(), self.resources[turn.key()].due);
            assert_eq!(waiting.first().map(|(due, _)| *due), Some(due), "another was more urgent");
            waiting.remove(&(due, name.clone()));
        }
        self.turns.push(Some(turn));
        let arrival = Event::Arrival(self.turns.len() - 1);
        self.events.push(Reverse((self.now + HALF_TRIP, arrival)));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Due(key) => self.due(key),
            Event::Arrival(turn) => {
                self.log.calls += 1;
                let key = self.turns[turn].as_ref().unwrap().key();
                let verdict = if !self.sts.take(self.now) {
                    Verdict::Throttled
                } else if self.resources[key].always_refused {
                    Verdict::Refused
                } else {
                    Verdict::Issued
                };
                self.events.push(Reverse((self.now + HALF_TRIP, Event::Reply(turn, verdict))));
            }
            Event::Reply(turn, verdict) => {
                let turn = self.turns[turn].take().unwrap();
                let key = turn.key().clone();
                let reply = match verdict {
                    Verdict::Throttled => Reply::Throttled,
                    Verdict::Issued | Verdict::Refused => Reply::Answered,
                };
                self.queue.end(turn, Calls { made: 1, reply }, self.now);
                match verdict {
                    Verdict::Issued => self.issued(key),
                    Verdict::Throttled => {
                        self.log.throttled += 1;
                        self.failed(key, Reason::Throttled);
                    }
                    Verdict::Refused => {
                        self.log.refused += 1;
                        self.failed(key, Reason::AccessDenied);
                    }
                }
            }
        }
    }

    fn issued(&mut self, key: Key) {
        if self.now > self.resources[&key].expires {
            self.log.late.push(key.clone());
        }
        self.log.issued.push((key, self.now));
    }

    fn failed(&mut self, key: Key, reason: Reason) {
        let resource = self.resources.get_mut(&key).unwrap();
        let before = resource.failure.as_ref();
        let expires = Some(timestamp(resource.expires));
        let failure = failed(reason, before, expires, &key.name, self.now);
        let again = since_start(failure.next_attempt.0);
        resource.failure = Some(failure);
        self.events.push(Reverse((again, Event::Due(key))));
    }
}

fn failed(
    reason: Reason,
    before: Option<&FailureStatus>,
    expires: Option<Timestamp>,
    uid: &str,
    now: Duration,
) -> FailureStatus {
    backoff::after(&Problem::new(reason, "x"), before, expires, uid, timestamp(now))
}
