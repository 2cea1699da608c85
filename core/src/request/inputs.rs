//! The inputs of a request: keys of Secrets, and ServiceAccount tokens.

use std::collections::HashMap;

use secrecy::{ExposeSecret, SecretString};

use super::invalid::InvalidRequest;
use super::tokens::{DEFAULT_AUDIENCE, check_audience};
use crate::fields::{SecretKeyRef, TokenFrom};
use crate::problem::{Problem, Reason};

/// A value that a request needs, from the namespace of the resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A key of a Secret.
    SecretKey(SecretKeyRef),
    /// A token for a ServiceAccount. It is requested for one call to STS and is not stored.
    ServiceAccountToken {
        /// Name of the ServiceAccount.
        service_account: String,
        /// Audience of the token.
        audience: String,
    },
}

impl Input {
    /// The web identity token that a request uses.
    ///
    /// # Errors
    /// [`InvalidRequest::Missing`] unless exactly one of the two fields of `from` is set, and
    /// [`InvalidRequest::Audience`] for an audience of the API server.
    pub(super) fn token(from: &TokenFrom) -> Result<Self, InvalidRequest> {
        match (&from.service_account_name, &from.token_secret_ref) {
            (Some(name), None) => {
                let audience = from.audience.as_deref().unwrap_or(DEFAULT_AUDIENCE);
                check_audience(audience)?;
                Ok(Self::ServiceAccountToken {
                    service_account: name.clone(),
                    audience: audience.to_owned(),
                })
            }
            (None, Some(key)) => Ok(Self::SecretKey(key.clone())),
            _ => Err(InvalidRequest::Missing("serviceAccountName and tokenSecretRef")),
        }
    }
}

/// The values of the inputs of one request. They are fetched immediately before the request.
#[derive(Default)]
pub struct Inputs(HashMap<Input, SecretString>);

impl Inputs {
    /// Adds a value.
    pub fn insert(&mut self, input: Input, value: SecretString) {
        self.0.insert(input, value);
    }

    /// The value of an input.
    ///
    /// # Errors
    /// `InputMissing` if the input was not fetched.
    pub fn get(&self, input: &Input) -> Result<&SecretString, Problem> {
        self.0.get(input).ok_or_else(|| input_missing(&format!("{input:?} was not fetched")))
    }

    /// Replaces each value in `text` with `…`, and also each prefix of a value: an error reply may quote the request.
    pub fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for value in self.0.values() {
            let value = value.expose_secret().trim();
            let Some((end, _)) = value.char_indices().nth(MIN_REDACTED_PREFIX) else { continue };
            while let Some(at) = text.find(&value[..end]) {
                let quoted = text[at..].chars().zip(value.chars()).take_while(|(a, b)| a == b);
                let length: usize = quoted.map(|(c, _)| c.len_utf8()).sum();
                text.replace_range(at..at + length, "…");
            }
        }
        text
    }
}

/// Shortest prefix of a value that is redacted, in characters. Shorter prefixes occur in ordinary text.
const MIN_REDACTED_PREFIX: usize = 8;

/// The problem `InputMissing`. `what` is a clause that names the input.
pub fn input_missing(what: &str) -> Problem {
    Problem::new(Reason::InputMissing, format!("{what}. {}", Reason::InputMissing.advice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redacts_values_and_their_prefixes() {
        let mut inputs = Inputs::default();
        for (name, value) in
            [("token", "eyJhbGciOiJub25lIn0.b"), ("pin", "1234"), ("é", "ééééééééé\n")]
        {
            let key = SecretKeyRef { name: name.to_owned(), key: "k".to_owned() };
            inputs.insert(Input::SecretKey(key), value.to_owned().into());
        }
        for (text, expected) in [
            ("the token eyJhbGciOiJub25lIn0.b is bad", "the token … is bad"),
            ("the token eyJhbGciOiJu", "the token …"),
            ("eyJhbGciOiJub25lIn0.b, eyJhbGciOiJub25lIn0.b", "…, …"),
            ("ééééééééé", "…"),
            ("HTTP 400 of 1234: eyJ", "HTTP 400 of 1234: eyJ"),
        ] {
            assert_eq!(inputs.redact(text), expected);
        }
    }
}
