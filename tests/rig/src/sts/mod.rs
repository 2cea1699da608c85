//! An STS responder with faults on demand.
//!
//! It speaks the AWS Query protocol over HTTP/1.1, issues credentials that a test
//! can check, counts calls, and applies the injected [`Fault`]s.
//! It writes the bytes itself: an HTTP library would not send a reset or half a
//! body.

mod callers;
mod fault;
mod form;
mod hold;
mod http;
mod issued;
mod reply;
mod serve;
mod state;
pub(crate) mod xml;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::{Context, Result};
use jiff::Timestamp;

use crate::background::Background;
use crate::strict::Strict;

pub use fault::{Fault, FaultId, Field, Matching};
pub use form::{Received, Signer};
pub use hold::Hold;
pub use issued::{IssuedRecord, secret_for, token_for};

pub(crate) use http::{HttpRequest, read_request};
pub(crate) use issued::{jwt, key_id};

use state::{Peer, State};

/// A handle to a running STS; it ends when the last is dropped.
///
/// On a thread of its own, so neither tied to nor slowed by a test's runtime.
///
/// ```
/// use rig::sts::{Fault, Responder};
///
/// let sts = Responder::start()?;
/// sts.inject(Fault::throttling().for_role("role/busy").times(3));
/// assert_eq!(sts.calls("AssumeRole"), 0);
/// # anyhow::Ok(())
/// ```
#[derive(Clone)]
pub struct Responder {
    state: Arc<State>,
    address: SocketAddr,
    _thread: Arc<Background>,
}

impl Responder {
    /// Starts one that issues its own credentials.
    pub fn start() -> Result<Self> {
        Self::with(State::new(Peer::None))
    }

    /// Starts one that judges like AWS. [`Fault`]s that shape credentials have no effect then.
    pub fn judging(strict: &Strict) -> Result<Self> {
        Self::with(State::new(Peer::Strict(strict.clone())))
    }

    /// Starts one that passes what no fault stops to another STS, such as
    /// [`Rig::moto`](crate::Rig::moto), and returns its reply.
    ///
    /// [`Fault::empty`], [`Fault::expired`], [`Fault::lifetime`] have no effect then,
    /// and [`Fault::clock_skew`] moves only the `Date`.
    pub fn forwarding_to(url: &str) -> Result<Self> {
        let host = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
        let peer = host.parse().with_context(|| format!("{url} is not http://ADDRESS:PORT"))?;
        Self::with(State::new(Peer::Forward(peer)))
    }

    fn with(state: State) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let state = Arc::new(state);
        let theirs = Arc::clone(&state);
        let thread = Background::start("rig-sts", move || serve::serve(listener, theirs))?;
        Ok(Self { state, address, _thread: Arc::new(thread) })
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Applies a fault from now on, as often as it is set to.
    ///
    /// Of several that decide the reply, the first injected one counts, and the others
    /// are not used up. Delays, holds and skews combine with other faults.
    pub fn inject(&self, fault: Fault) -> FaultId {
        self.state.rules().add(fault)
    }

    /// Ends a fault. Does nothing if it has ended.
    pub fn remove(&self, id: FaultId) {
        self.state.rules().remove(id);
    }

    /// Ends all faults. Requests that are held stay so until their [`Hold`] is released.
    pub fn clear(&self) {
        self.state.rules().clear();
    }

    /// Blocks matching requests after their arrival, until released.
    #[must_use = "requests are let go when the hold is dropped"]
    pub fn hold(&self, matching: Matching) -> Hold {
        let hold = Hold::new();
        self.state.rules().add(Fault::hold(matching, &hold));
        hold
    }

    /// From now on, `GetCallerIdentity` must be signed with an unexpired key: one that was issued here, or one of
    /// [`Responder::know`]. Without this, any signature is accepted.
    pub fn check_callers(&self) {
        self.state.log().callers.checked = true;
    }

    /// Sets the expiration of a key. Its secret and its token are [`secret_for`] and [`token_for`] it.
    pub fn know(&self, access_key_id: &str, expiration: Timestamp) {
        self.state.log().callers.known.insert(access_key_id.to_owned(), expiration);
    }

    /// All requests, faulted ones included, in the order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Received> {
        self.state.log().requests.clone()
    }

    /// How many requests there were for an action, such as `AssumeRole`.
    #[must_use]
    pub fn calls(&self, action: &str) -> usize {
        self.state.log().requests.iter().filter(|request| request.action == action).count()
    }

    /// How many requests there were for a role, by its full ARN.
    #[must_use]
    pub fn calls_for_role(&self, role_arn: &str) -> usize {
        let log = self.state.log();
        log.requests.iter().filter(|request| request.role_arn() == Some(role_arn)).count()
    }

    /// How many requests there were.
    #[must_use]
    pub fn calls_total(&self) -> usize {
        self.state.log().requests.len()
    }

    /// The request IDs of the replies to requests for a role, by a part of its ARN.
    #[must_use]
    pub fn request_ids(&self, role: &str) -> Vec<String> {
        let log = self.state.log();
        let about = |arn: &Option<String>| arn.as_ref().is_some_and(|arn| arn.contains(role));
        log.replies.iter().filter(|(arn, _)| about(arn)).map(|(_, id)| id.clone()).collect()
    }

    /// How many connections there were.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.state.log().connections
    }

    /// All issued credentials, including those that a fault damaged in the reply.
    #[must_use]
    pub fn issued(&self) -> Vec<IssuedRecord> {
        self.state.log().issued.clone()
    }
}
