//! Which keys may sign `GetCallerIdentity`, and until when.

use std::collections::HashMap;

use jiff::Timestamp;

use super::form::Received;
use super::http::HttpRequest;
use super::issued::{secret_for, token_for};
use super::state::State;
use crate::strict::{Refusal, check_signature};

/// What is checked of a caller.
#[derive(Default)]
pub(super) struct Callers {
    /// Whether anything is.
    pub(super) checked: bool,
    /// Keys that a test names, with their expiration. They replace those that were issued.
    pub(super) known: HashMap<String, Timestamp>,
}

/// Checks the key, its session token, its expiration and the signature, with the errors of AWS.
pub(super) fn check(
    state: &State,
    http_request: &HttpRequest,
    request: &Received,
    now: Timestamp,
) -> Result<(), Refusal> {
    if !state.log().callers.checked {
        return Ok(());
    }
    let key = request.signer.as_ref().map_or("", |signer| signer.access_key_id.as_str());
    let expiration = expiration(state, key);
    let (Some(expiration), true) =
        (expiration, request.security_token.as_ref() == Some(&token_for(key)))
    else {
        let message = "The security token included in the request is invalid.";
        return Err(Refusal::new(403, "InvalidClientTokenId", message));
    };
    if expiration <= now {
        let message = "The security token included in the request is expired";
        return Err(Refusal::new(403, "ExpiredToken", message));
    }
    check_signature(http_request, &secret_for(key))
}

/// When a key expires; none if it is unknown.
fn expiration(state: &State, key: &str) -> Option<Timestamp> {
    let log = state.log();
    let issued = || {
        let record = log.issued.iter().rev().find(|record| record.access_key_id == key)?;
        Some(record.expiration)
    };
    log.callers.known.get(key).copied().or_else(issued)
}
