//! What a request is made with besides its spec: tokens, assertions and keys from the cluster.

use std::collections::HashMap;

use secrecy::{ExposeSecret, SecretString};

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

impl Materials {
    /// A text without any of the values, or the beginning of one: whoever answers may quote what it was
    /// asked with.
    pub fn hide(&self, text: &str) -> String {
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

/// How many characters of a value show that it is quoted.
const LEAST_QUOTE: usize = 8;

/// The problem that a source is missing.
pub fn missing(what: &str) -> Problem {
    Problem::new(Reason::SourceMissing, format!("{what}. {}", Reason::SourceMissing.advice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_what_is_quoted_whole_or_cut_short() {
        let mut materials = Materials::default();
        for (name, value) in
            [("token", "eyJhbGciOiJub25lIn0.b"), ("pin", "1234"), ("é", "ééééééééé\n")]
        {
            let key = SecretKeyRef { name: name.to_owned(), key: "k".to_owned() };
            materials.insert(Source::SecretKey(key), value.to_owned().into());
        }
        for (text, expected) in [
            ("the token eyJhbGciOiJub25lIn0.b is bad", "the token … is bad"),
            ("the token eyJhbGciOiJu", "the token …"),
            ("eyJhbGciOiJub25lIn0.b, eyJhbGciOiJub25lIn0.b", "…, …"),
            ("ééééééééé", "…"),
            ("HTTP 400 of 1234: eyJ", "HTTP 400 of 1234: eyJ"),
        ] {
            assert_eq!(materials.hide(text), expected);
        }
    }
}
