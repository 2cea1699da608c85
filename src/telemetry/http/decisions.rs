//! What the API server said about tokens, for a short time, and how many tokens it may be asked about.
//!
//! A peer can send any number of tokens. Neither what is remembered nor the number of reviews grows with them. A token
//! that the API server has allowed before needs no part of the budget, so peers that send invalid tokens do not keep
//! Prometheus from its scrapes.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;
use tempcred_core::allowance::{Allowance, Limit};

/// The digest of a token. The token itself is not kept.
pub(super) type TokenDigest = [u8; 32];

/// How long an allowed token is not reviewed again.
const ALLOWED_FOR: Duration = Duration::from_secs(60);

/// How long an allowed token stays allowed if the API server does not answer: the metrics of this time are those that
/// show why.
const ALLOWED_WITHOUT_ANSWER: Duration = Duration::from_secs(600);

/// How long to wait after a review of an allowed token before it is reviewed again.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// How long a denied token is not reviewed again. A new permission takes effect after this time.
const DENIED_FOR: Duration = Duration::from_secs(15);

/// How many allowed tokens are remembered.
const MOST_ALLOWED: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// How many denied tokens are remembered. They do not replace allowed ones.
const MOST_DENIED: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// How many peers are remembered.
const MOST_PEERS: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// Reviews of unknown tokens of one peer: this many at once, and one more each second.
const REVIEWS_OF_A_PEER: Limit = Limit { most: 5.0, each_second: 1.0 };

/// Reviews of unknown tokens of all peers: this many at once, and as many in ten seconds.
const REVIEWS: Limit = Limit { most: 50.0, each_second: 5.0 };

/// Why a token is denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    Unauthenticated,
    Forbidden { user: String },
}

/// What to do with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Allow,
    Deny(Denied),
    /// Ask the API server.
    Review,
    /// There were too many reviews.
    TooMany,
}

/// What is remembered.
pub(super) struct Decisions {
    allowed: LruCache<TokenDigest, Allowed>,
    denied: LruCache<TokenDigest, (Denied, Instant)>,
    peers: LruCache<IpAddr, Allowance<Instant>>,
    all: Allowance<Instant>,
}

struct Allowed {
    at: Instant,
    /// The last review, also if it failed.
    tried: Instant,
}

impl Decisions {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            allowed: LruCache::new(MOST_ALLOWED),
            denied: LruCache::new(MOST_DENIED),
            peers: LruCache::new(MOST_PEERS),
            all: Allowance::full(REVIEWS, now),
        }
    }

    /// Decides about a token that a peer sent. `Review` uses the budget of the peer, unless the token was allowed
    /// before.
    pub(super) fn decide(&mut self, token: &TokenDigest, peer: IpAddr, now: Instant) -> Decision {
        if let Some(allowed) = self.allowed.get_mut(token) {
            let age = now.saturating_duration_since(allowed.at);
            let tried = now.saturating_duration_since(allowed.tried) < RETRY_AFTER;
            if age < ALLOWED_FOR || (tried && age < ALLOWED_WITHOUT_ANSWER) {
                return Decision::Allow;
            }
            if age < ALLOWED_WITHOUT_ANSWER {
                allowed.tried = now;
                return Decision::Review;
            }
        }
        if let Some((denied, at)) = self.denied.get(token)
            && now.saturating_duration_since(*at) < DENIED_FOR
        {
            return Decision::Deny(denied.clone());
        }
        let new = || Allowance::full(REVIEWS_OF_A_PEER, now);
        let own = self.peers.get_or_insert_mut(peer, new);
        if own.take(REVIEWS_OF_A_PEER, now) && self.all.take(REVIEWS, now) {
            Decision::Review
        } else {
            Decision::TooMany
        }
    }

    /// Remembers that the API server allowed a token.
    pub(super) fn allowed(&mut self, token: TokenDigest, now: Instant) {
        self.denied.pop(&token);
        self.allowed.put(token, Allowed { at: now, tried: now });
    }

    /// Remembers that the API server denied a token.
    pub(super) fn denied(&mut self, token: TokenDigest, denied: Denied, now: Instant) {
        self.allowed.pop(&token);
        self.denied.put(token, (denied, now));
    }

    /// Whether a token is allowed although the API server did not answer.
    pub(super) fn allowed_without_answer(&self, token: &TokenDigest, now: Instant) -> bool {
        let age = |allowed: &Allowed| now.saturating_duration_since(allowed.at);
        self.allowed.peek(token).is_some_and(|allowed| age(allowed) < ALLOWED_WITHOUT_ANSWER)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const PROMETHEUS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    const ATTACKER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

    fn token(number: u64) -> TokenDigest {
        let mut token = [0; 32];
        token[..8].copy_from_slice(&number.to_be_bytes());
        token
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn an_allowed_token_is_reviewed_once_a_minute_and_outlives_an_outage_for_ten() {
        let start = Instant::now();
        let mut decisions = Decisions::new(start);
        let mut decide = |at: u64| decisions.decide(&token(1), PROMETHEUS, start + seconds(at));
        assert_eq!(decide(0), Decision::Review);
        decisions.allowed(token(1), start);
        let mut decide = |at: u64| decisions.decide(&token(1), PROMETHEUS, start + seconds(at));
        for (at, wanted) in [
            (0, Decision::Allow),
            (59, Decision::Allow),
            (60, Decision::Review),
            // While that review is under way, or after it failed.
            (60, Decision::Allow),
            (69, Decision::Allow),
            (70, Decision::Review),
            (599, Decision::Review),
            (599, Decision::Allow),
        ] {
            assert_eq!(decide(at), wanted, "after {at} s");
        }
        let without = |at| decisions.allowed_without_answer(&token(1), start + seconds(at));
        assert!(without(599) && !without(600));
        decisions.denied(token(1), Denied::Unauthenticated, start + seconds(70));
        assert!(!decisions.allowed_without_answer(&token(1), start + seconds(71)));
    }

    #[test]
    fn a_denied_token_is_reviewed_again_after_a_while() {
        let start = Instant::now();
        let mut decisions = Decisions::new(start);
        let forbidden = Denied::Forbidden { user: "someone".to_owned() };
        decisions.denied(token(1), forbidden.clone(), start);
        let mut decide = |at: u64| decisions.decide(&token(1), PROMETHEUS, start + seconds(at));
        assert_eq!(decide(14), Decision::Deny(forbidden));
        assert_eq!(decide(15), Decision::Review);
        decisions.allowed(token(1), start + seconds(15));
        assert_eq!(decisions.decide(&token(1), PROMETHEUS, start + seconds(16)), Decision::Allow);
    }

    #[test]
    fn a_peer_with_a_thousand_tokens_gets_few_reviews_and_evicts_no_allowed_token() {
        let start = Instant::now();
        let mut decisions = Decisions::new(start);
        decisions.allowed(token(0), start);
        let mut reviews = 0;
        for number in 1..=10_000 {
            let now = start + Duration::from_millis(number);
            if decisions.decide(&token(number), ATTACKER, now) == Decision::Review {
                reviews += 1;
                decisions.denied(token(number), Denied::Unauthenticated, now);
            }
        }
        assert_eq!(reviews, 14, "5 at once, and 9 in less than 10 s");
        let now = start + seconds(10);
        assert_eq!(decisions.decide(&token(0), PROMETHEUS, now), Decision::Allow);
        assert_eq!(decisions.decide(&token(20_000), PROMETHEUS, now), Decision::Review);
    }

    #[test]
    fn many_peers_share_a_budget_and_what_is_remembered_is_bounded() {
        let start = Instant::now();
        let mut decisions = Decisions::new(start);
        let mut reviews = 0;
        for number in 0..100_000_u64 {
            let peer = Ipv4Addr::from(u32::try_from(number).unwrap()).into();
            if decisions.decide(&token(number), peer, start) == Decision::Review {
                reviews += 1;
            }
            decisions.denied(token(1_000_000 + number), Denied::Unauthenticated, start);
            decisions.allowed(token(2_000_000 + number), start);
        }
        assert_eq!(reviews, 50);
        let Decisions { allowed, denied, peers, .. } = decisions;
        assert_eq!((allowed.len(), denied.len(), peers.len()), (64, 256, 256));
    }
}
