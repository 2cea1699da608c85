//! The rate of STS calls of one identity in one region, as a token bucket.

use std::time::Duration;

use crate::desired::{Desired, SignedRequest};
use crate::request::identity::Caller;
use crate::request::inputs::Input;
use crate::request::{Signer, StsRequest};

/// What AWS counts calls by: the identity that signs them, and the region.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BudgetKey {
    /// The identity that signs the calls.
    pub signer: BudgetSigner,
    /// The region of the STS endpoint. `None` for the operator's region.
    pub region: Option<String>,
}

/// An identity that signs calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BudgetSigner {
    /// The operator.
    Operator,
    /// An identity of a namespace, or none: the name of a Secret with a key, or the ARN of a role.
    Own {
        /// The namespace.
        namespace: String,
        /// The Secret that contains a key, or the role that a token is exchanged for.
        identity: String,
    },
}

impl BudgetKey {
    /// The budget of the calls of a request.
    pub fn of(desired: &Desired, request: &SignedRequest) -> Self {
        let own = |identity: &str| BudgetSigner::Own {
            namespace: desired.namespace.clone(),
            identity: identity.to_owned(),
        };
        let signer = match &request.caller {
            Caller::Operator if request.operation.signer() == Signer::Unsigned => {
                own(request.operation.target())
            }
            Caller::Operator => BudgetSigner::Operator,
            Caller::AccessKey { id: Input::SecretKey(key), .. } => own(&key.name),
            Caller::AccessKey {
                id: Input::ServiceAccountToken { service_account, .. }, ..
            } => own(service_account),
            Caller::WebIdentity(exchange) => own(exchange.target()),
        };
        Self { signer, region: desired.region.clone() }
    }
}

/// A token bucket. Each call takes a token. Tokens are added at the rate, up to as many as the rate adds in one second.
/// Calls that a turn made beyond its first one may leave a debt.
///
/// Times are durations since the start of the process.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: f64,
    tokens: f64,
    updated: Duration,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(rate: f64, now: Duration) -> Self {
        Self { rate, tokens: rate.max(1.0), updated: now }
    }

    fn update(&mut self, now: Duration) {
        let added = now.saturating_sub(self.updated).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + added).min(self.rate.max(1.0));
        self.updated = self.updated.max(now);
    }

    /// When the next token is available. `None` if one is available now.
    pub(super) fn next_token(&mut self, now: Duration) -> Option<Duration> {
        self.update(now);
        let missing = 1.0 - self.tokens;
        // Rounded up by a microsecond, so that a timer that ends at that time finds the token.
        (missing > 0.0)
            .then(|| now + Duration::from_secs_f64(missing / self.rate) + Duration::from_micros(1))
    }

    /// Takes tokens, or gives them back if `count` is negative.
    pub(super) fn take(&mut self, count: f64, now: Duration) {
        self.update(now);
        self.tokens = (self.tokens - count).min(self.rate.max(1.0));
    }

    /// Whether the bucket is full. It is then equal to a new one.
    pub(super) fn is_full(&mut self, now: Duration) -> bool {
        self.update(now);
        self.tokens >= self.rate.max(1.0)
    }
}
