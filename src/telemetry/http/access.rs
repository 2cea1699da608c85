//! Requires a token for `/metrics` whose user may read it.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tempcred_core::text::one_line;

use super::decisions::{Decision, Decisions, Denied};
use super::reviewer::{Review, Reviewer};

/// The path that the user of a token must be allowed to read.
const PATH: &str = "/metrics";

/// Longest name of a user in a reply.
const LONGEST_USER: usize = 256;

/// How often a failed review is logged, at most.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Requires a token, and asks a reviewer about it.
pub struct Access {
    reviewer: Arc<dyn Reviewer>,
    decisions: Mutex<Decisions>,
    logged_at: Mutex<Option<Instant>>,
}

/// Why a request is not answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Denial {
    /// It has no token.
    NoToken,
    /// The token is denied.
    Denied(Denied),
    /// There were too many unknown tokens.
    TooMany,
    /// The API server gave no answer.
    NoAnswer,
}

impl Access {
    /// Asks this reviewer.
    pub fn new(reviewer: Arc<dyn Reviewer>) -> Self {
        let decisions = Mutex::new(Decisions::new(Instant::now()));
        Self { reviewer, decisions, logged_at: Mutex::default() }
    }

    /// Checks the token of a request.
    pub(super) async fn check(&self, peer: IpAddr, headers: &HeaderMap) -> Result<(), Denial> {
        let token = bearer(headers).ok_or(Denial::NoToken)?;
        let digest = Sha256::digest(token.expose_secret()).into();
        let decision = self.decisions().decide(&digest, peer, Instant::now());
        match decision {
            Decision::Allow => return Ok(()),
            Decision::Deny(denied) => return Err(Denial::Denied(denied)),
            Decision::TooMany => return Err(Denial::TooMany),
            Decision::Review => {}
        }
        let review = self.reviewer.review(token, PATH).await;
        let now = Instant::now();
        let denied = match review {
            Ok(Review::Allowed) => {
                self.decisions().allowed(digest, now);
                return Ok(());
            }
            Ok(Review::Unauthenticated) => Denied::Unauthenticated,
            Ok(Review::Forbidden { user }) => {
                Denied::Forbidden { user: one_line(&user, LONGEST_USER) }
            }
            Err(failed) => {
                self.log(&failed.0, now);
                let allowed = self.decisions().allowed_without_answer(&digest, now);
                return if allowed { Ok(()) } else { Err(Denial::NoAnswer) };
            }
        };
        self.decisions().denied(digest, denied.clone(), now);
        Err(Denial::Denied(denied))
    }

    fn decisions(&self) -> MutexGuard<'_, Decisions> {
        self.decisions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs a failed review, unless one was logged a short time ago: any peer can cause reviews.
    fn log(&self, message: &str, now: Instant) {
        let mut logged_at = self.logged_at.lock().unwrap_or_else(PoisonError::into_inner);
        if logged_at.is_none_or(|at| now.saturating_duration_since(at) >= LOG_EVERY) {
            *logged_at = Some(now);
            tracing::warn!("{message}");
        }
    }
}

/// The token in `Authorization: Bearer TOKEN`.
fn bearer(headers: &HeaderMap) -> Option<SecretString> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.into())
}

impl IntoResponse for Denial {
    fn into_response(self) -> Response {
        let bearer = [(WWW_AUTHENTICATE, "Bearer")];
        match self {
            Self::NoToken => {
                let text = "unauthorized: send the token of a Kubernetes user, for example of a ServiceAccount, in the \
                            header \"Authorization: Bearer TOKEN\"\n";
                (StatusCode::UNAUTHORIZED, bearer, text).into_response()
            }
            Self::Denied(Denied::Unauthenticated) => {
                let text = "unauthorized: the API server does not accept this token; it may have expired\n";
                (StatusCode::UNAUTHORIZED, bearer, text).into_response()
            }
            Self::Denied(Denied::Forbidden { user }) => {
                let text = format!(
                    "forbidden: {user} may not get {PATH}; bind it to a ClusterRole with the verb get and the \
                     nonResourceURL {PATH}\n"
                );
                (StatusCode::FORBIDDEN, text).into_response()
            }
            Self::TooMany => {
                let text = "too many requests with unknown tokens: try again in a few seconds\n";
                (StatusCode::TOO_MANY_REQUESTS, text).into_response()
            }
            Self::NoAnswer => {
                let text = "unavailable: the API server could not review the token; the log of the operator says why\n";
                (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn reads_a_bearer_token_and_nothing_else() {
        for (header, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Bearer", None),
            ("Bearer ", None),
            ("Basic abc", None),
            ("abc", None),
            ("", None),
        ] {
            let value = HeaderValue::from_static(header);
            let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
            let found = bearer(&headers);
            assert_eq!(found.as_ref().map(ExposeSecret::expose_secret), token, "{header:?}");
        }
        assert!(bearer(&HeaderMap::new()).is_none());
    }
}
