//! The values that a request needs from the cluster: keys of Secrets and ServiceAccount tokens.

use std::collections::HashMap;

use secrecy::{ExposeSecret, SecretString};

use super::invalid::InvalidRequest;
use crate::fields::{SecretKeyRef, TokenFrom};
use crate::problem::{Problem, Reason};

/// A value that a request needs, in the namespace of the resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A key of a Secret.
    SecretKey(SecretKeyRef),
    /// A token for a ServiceAccount, requested for this one use and never stored.
    ServiceAccountToken {
        /// Name of the ServiceAccount.
        service_account: String,
        /// NamespaceMatcher of the token.
        audience: String,
    },
}

/// NamespaceMatcher that AWS expects unless its identity provider lists another one.
const DEFAULT_AUDIENCE: &str = "sts.amazonaws.com";

impl Input {
    /// The web identity token of a request.
    ///
    /// # Errors
    /// [`InvalidRequest`] unless exactly one field of `from` says where the token comes from.
    pub(super) fn token(from: &TokenFrom) -> Result<Self, InvalidRequest> {
        match (&from.service_account_name, &from.token_secret_ref) {
            (Some(name), None) => Ok(Self::ServiceAccountToken {
                service_account: name.clone(),
                audience: from.audience.clone().unwrap_or_else(|| DEFAULT_AUDIENCE.to_owned()),
            }),
            (None, Some(key)) => Ok(Self::SecretKey(key.clone())),
            _ => Err(InvalidRequest::Missing("serviceAccountName and tokenSecretRef")),
        }
    }
}

/// The values of the inputs of one request, fetched immediately before it.
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
    /// `InputMissing` if it was not fetched.
    pub fn get(&self, input: &Input) -> Result<&SecretString, Problem> {
        self.0.get(input).ok_or_else(|| input_missing(&format!("{input:?} was not fetched")))
    }

    /// Removes each value, or the beginning of one, from `text`: an error reply may quote the request.
    pub fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for value in self.0.values() {
            let value = value.expose_secret().trim();
            let Some((end, _)) = value.char_indices().nth(LEAST_QUOTE) else { continue };
            while let Some(at) = text.find(&value[..end]) {
                let quoted = text[at..].chars().zip(value.chars()).take_while(|(a, b)| a == b);
                let length: usize = quoted.map(|(c, _)| c.len_utf8()).sum();
                text.replace_range(at..at + length, "…");
            }
        }
        text
    }
}

/// Shortest beginning of a value that is taken for a quotation, in characters.
const LEAST_QUOTE: usize = 8;

/// The problem that an input is missing; `what` names it.
pub fn input_missing(what: &str) -> Problem {
    Problem::new(Reason::InputMissing, format!("{what}. {}", Reason::InputMissing.advice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redacts_whole_values_and_beginnings_of_values() {
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
