//! What a request is made with besides its spec: tokens, assertions and keys from the cluster.

use std::collections::HashMap;

use secrecy::SecretString;

use crate::api::SecretKeyRef;
use crate::failure::Problem;
use crate::reason::Reason;

/// Where a value comes from, in the namespace of the resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A key of a Secret.
    SecretKey(SecretKeyRef),
    /// A token for a ServiceAccount, requested for this one use and never stored.
    Token {
        /// Name of the ServiceAccount.
        service_account: String,
        /// Audience that the token is for.
        audience: String,
    },
}

/// The values of the sources of one request, fetched right before it.
#[derive(Default)]
pub struct Materials(HashMap<Source, SecretString>);

impl Materials {
    /// Adds a value.
    pub fn insert(&mut self, source: Source, value: SecretString) {
        self.0.insert(source, value);
    }

    /// The value of a source.
    ///
    /// # Errors
    /// `SourceMissing` if it was not fetched.
    pub fn get(&self, source: &Source) -> Result<&SecretString, Problem> {
        self.0.get(source).ok_or_else(|| missing(&format!("{source:?} was not fetched")))
    }
}

/// The problem that a source is missing.
pub fn missing(what: &str) -> Problem {
    Problem::new(Reason::SourceMissing, format!("{what}. {}", Reason::SourceMissing.advice()))
}
