//! Faults of STS: which requests they affect, and how often.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::form::Received;
use super::hold::{Gate, Hold};

/// A fault to [inject](super::Responder::inject): for all requests and until
/// removed, unless limited.
#[derive(Clone)]
pub struct Fault {
    what: What,
    matching: Matching,
    times: Option<usize>,
}

/// The handle of a fault, to remove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultId(u64);

/// Which requests match. All conditions must hold.
#[derive(Clone, Default)]
pub struct Matching {
    action: Option<String>,
    role: Option<String>,
}

/// A part of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `AccessKeyId`.
    AccessKeyId,
    /// `SecretAccessKey`.
    SecretAccessKey,
    /// `SessionToken`, or `WebIdentityToken`.
    SessionToken,
    /// `Expiration`.
    Expiration,
}

#[derive(Clone)]
enum What {
    Outcome(Outcome),
    Shape(Shape),
    Delay(Duration),
    Skew(i64),
    Hold(Arc<Gate>),
    Limit(Arc<Mutex<Bucket>>),
}

/// A token bucket that holds the calls of one second.
struct Bucket {
    per_second: f64,
    tokens: f64,
    updated: Instant,
}

impl Bucket {
    /// Whether a call exceeds the limit. Otherwise it is counted.
    fn is_exceeded(&mut self, now: Instant) -> bool {
        let added = now.saturating_duration_since(self.updated).as_secs_f64() * self.per_second;
        (self.tokens, self.updated) = ((self.tokens + added).min(self.per_second), now);
        let exceeded = self.tokens < 1.0;
        self.tokens -= if exceeded { 0.0 } else { 1.0 };
        exceeded
    }
}

/// Instead of credentials.
#[derive(Clone)]
pub(super) enum Outcome {
    Error { status: u16, code: String, message: String },
    AccessDenied,
    Reset,
    Garbage,
}

/// What is wrong with the credentials, or with their transport.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    Empty(Field),
    Expired,
    Lifetime(Duration),
    Truncated,
    CutXml,
}

impl Matching {
    /// All requests.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Only this action, such as `AssumeRole`.
    #[must_use]
    pub fn action(self, action: &str) -> Self {
        Self { action: Some(action.to_owned()), ..self }
    }

    /// Only role ARNs with this in them.
    #[must_use]
    pub fn role(self, part: &str) -> Self {
        Self { role: Some(part.to_owned()), ..self }
    }

    fn matches(&self, request: &Received) -> bool {
        self.action.as_ref().is_none_or(|action| *action == request.action)
            && self.role.as_ref().is_none_or(|part| {
                request.role_arn().is_some_and(|role| role.contains(part.as_str()))
            })
    }
}

impl Fault {
    fn new(what: What) -> Self {
        Self { what, matching: Matching::any(), times: None }
    }

    /// Any error: HTTP status, code and message.
    #[must_use]
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let (code, message) = (code.to_owned(), message.to_owned());
        Self::new(What::Outcome(Outcome::Error { status, code, message }))
    }

    /// Too many calls: 400 `Throttling`.
    #[must_use]
    pub fn throttling() -> Self {
        Self::new(What::Outcome(throttled()))
    }

    /// A limit, like that of an account: calls beyond it get 400 `Throttling`. After a pause, the calls of one second
    /// are allowed at once.
    #[must_use]
    pub fn throttling_above(per_second: u16) -> Self {
        let per_second = f64::from(per_second);
        let bucket = Bucket { per_second, tokens: per_second, updated: Instant::now() };
        Self::new(What::Limit(Arc::new(Mutex::new(bucket))))
    }

    /// The trust policy does not allow the caller: 403 `AccessDenied`, with the
    /// message of AWS.
    #[must_use]
    pub fn access_denied() -> Self {
        Self::new(What::Outcome(Outcome::AccessDenied))
    }

    /// 500 `InternalFailure`.
    #[must_use]
    pub fn internal_failure() -> Self {
        let message = "The request processing has failed because of an unknown error.";
        Self::error(500, "InternalFailure", message)
    }

    /// 503 `ServiceUnavailable`.
    #[must_use]
    pub fn service_unavailable() -> Self {
        let message = "The request has failed due to a temporary failure of the server.";
        Self::error(503, "ServiceUnavailable", message)
    }

    /// No reply, and the connection is reset. Nothing is issued.
    #[must_use]
    pub fn reset() -> Self {
        Self::new(What::Outcome(Outcome::Reset))
    }

    /// 200 with something that is no XML.
    #[must_use]
    pub fn garbage() -> Self {
        Self::new(What::Outcome(Outcome::Garbage))
    }

    /// The reply comes later. Combines with other faults.
    #[must_use]
    pub fn delay(by: Duration) -> Self {
        Self::new(What::Delay(by))
    }

    /// Half the body, then the connection ends; `Content-Length` is that of the whole.
    #[must_use]
    pub fn truncated() -> Self {
        Self::new(What::Shape(Shape::Truncated))
    }

    /// Half the body with a `Content-Length` to match: XML that breaks off inside
    /// the credentials.
    #[must_use]
    pub fn cut_xml() -> Self {
        Self::new(What::Shape(Shape::CutXml))
    }

    /// A part of the reply is empty.
    #[must_use]
    pub fn empty(field: Field) -> Self {
        Self::new(What::Shape(Shape::Empty(field)))
    }

    /// The credentials expired a minute ago.
    #[must_use]
    pub fn expired() -> Self {
        Self::new(What::Shape(Shape::Expired))
    }

    /// The credentials are valid for this time instead of the requested one; in whole seconds.
    #[must_use]
    pub fn lifetime(lifetime: Duration) -> Self {
        Self::new(What::Shape(Shape::Lifetime(lifetime)))
    }

    /// The clock of STS is ahead by so many seconds, or behind: it shows in `Date`
    /// and `Expiration`.
    #[must_use]
    pub fn clock_skew(seconds: i64) -> Self {
        Self::new(What::Skew(seconds))
    }

    pub(super) fn hold(matching: Matching, hold: &Hold) -> Self {
        Self { matching, ..Self::new(What::Hold(hold.gate())) }
    }

    /// Only for this action, such as `AssumeRole`.
    #[must_use]
    pub fn for_action(mut self, action: &str) -> Self {
        self.matching = self.matching.action(action);
        self
    }

    /// Only for role ARNs with this in them.
    #[must_use]
    pub fn for_role(mut self, part: &str) -> Self {
        self.matching = self.matching.role(part);
        self
    }

    /// Only this many times.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }
}

fn throttled() -> Outcome {
    let (code, message) = ("Throttling".to_owned(), "Rate exceeded".to_owned());
    Outcome::Error { status: 400, code, message }
}

/// The faults in force, in the order of their injection.
#[derive(Default)]
pub(super) struct Rules {
    rules: Vec<(FaultId, Fault)>,
    last: u64,
}

/// The effect of the faults on one request.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) holds: Vec<Arc<Gate>>,
    pub(super) delay: Duration,
    pub(super) skew: i64,
    pub(super) outcome: Option<Outcome>,
    pub(super) shapes: Vec<Shape>,
}

impl Rules {
    pub(super) fn add(&mut self, fault: Fault) -> FaultId {
        self.last += 1;
        let id = FaultId(self.last);
        self.rules.push((id, fault));
        id
    }

    pub(super) fn remove(&mut self, id: FaultId) {
        self.rules.retain(|(other, _)| *other != id);
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    /// Selects the faults of a request, and counts the limited ones.
    pub(super) fn plan(&mut self, request: &Received) -> Plan {
        let mut plan = Plan::default();
        let applies = |fault: &Fault| fault.times != Some(0) && fault.matching.matches(request);
        // Without credentials, faults of credentials have no effect.
        let refused = self
            .rules
            .iter()
            .any(|(_, fault)| applies(fault) && matches!(fault.what, What::Outcome(_)));
        for (_, fault) in &mut self.rules {
            if !applies(fault) {
                continue;
            }
            match &fault.what {
                What::Outcome(_) | What::Limit(_) if plan.outcome.is_some() => continue,
                What::Limit(bucket) => {
                    let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
                    if !bucket.is_exceeded(Instant::now()) {
                        continue;
                    }
                    plan.outcome = Some(throttled());
                }
                What::Shape(_) if refused => continue,
                What::Outcome(outcome) => plan.outcome = Some(outcome.clone()),
                What::Shape(shape) => plan.shapes.push(*shape),
                What::Delay(by) => plan.delay += *by,
                What::Skew(seconds) => plan.skew += seconds,
                What::Hold(gate) => plan.holds.push(Arc::clone(gate)),
            }
            fault.times = fault.times.map(|times| times - 1);
        }
        self.rules.retain(|(_, fault)| fault.times != Some(0));
        plan
    }
}
