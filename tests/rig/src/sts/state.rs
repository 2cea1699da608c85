//! What the responder's handles and its thread share.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::callers::Callers;
use super::fault::Rules;
use super::form::Received;
use super::issued::IssuedRecord;
use crate::strict::Strict;

/// What answers in place of this responder.
pub(super) enum Peer {
    None,
    /// Another STS.
    Forward(SocketAddr),
    /// The STS that judges like AWS.
    Strict(Strict),
}

pub(super) struct State {
    pub(super) peer: Peer,
    rules: Mutex<Rules>,
    log: Mutex<Log>,
}

#[derive(Default)]
pub(super) struct Log {
    pub(super) requests: Vec<Received>,
    pub(super) issued: Vec<IssuedRecord>,
    /// The role and the request ID of each reply.
    pub(super) replies: Vec<(Option<String>, String)>,
    pub(super) connections: usize,
    /// The principal of an issued key, by its id.
    pub(super) principals: HashMap<String, String>,
    /// The keys that may sign.
    pub(super) callers: Callers,
}

impl State {
    pub(super) fn new(peer: Peer) -> Self {
        Self { peer, rules: Mutex::default(), log: Mutex::default() }
    }

    pub(super) fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ARN of the caller of a request.
    pub(super) fn caller(&self, request: &Received) -> String {
        let known = request
            .signer
            .as_ref()
            .and_then(|signer| self.log().principals.get(&signer.access_key_id).cloned());
        known.unwrap_or_else(|| format!("arn:aws:iam::{}:user/rig", super::reply::ACCOUNT))
    }
}
