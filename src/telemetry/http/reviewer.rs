//! What decides whether a token may read `/metrics`. The API server does; `src/cluster` asks it.

use futures::future::BoxFuture;
use secrecy::SecretString;

/// What the API server says about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Review {
    /// The user of the token may read the path.
    Allowed,
    /// The token is valid, but its user may not read the path.
    Forbidden {
        /// Name of the user.
        user: String,
    },
    /// The token is not valid.
    Unauthenticated,
}

/// The API server gave no answer about a token.
#[derive(Debug)]
pub struct ReviewFailed(
    /// What failed, and what to do.
    pub String,
);

/// Asks whether the user of a token may read a path.
pub trait Reviewer: Send + Sync {
    /// Makes one review. It ends within a few seconds.
    fn review(
        &self,
        token: SecretString,
        path: &'static str,
    ) -> BoxFuture<'_, Result<Review, ReviewFailed>>;
}
