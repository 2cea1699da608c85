//! What a turn used, and what it tells about the limit of STS.

use crate::credentials::Credentials;
use crate::problem::{Class, Problem};

/// The calls that were made in a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Number of calls. Only these are charged.
    pub made: u32,
    /// The reply to the last one.
    pub reply: Reply,
}

/// What the reply to a call tells about the limit of STS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reply {
    /// STS issued credentials, or refused the request: it takes calls at this rate.
    Answered,
    /// STS throttled the call.
    Throttled,
    /// STS did not reply, or failed.
    #[default]
    Missing,
}

impl Reply {
    /// The reply that ended a request. `None` if the request was cancelled.
    pub fn of(issued: Option<&Result<Credentials, Problem>>) -> Self {
        match issued {
            Some(Ok(_)) => Self::Answered,
            Some(Err(problem)) => match problem.class() {
                Class::Blocked | Class::Refused => Self::Answered,
                Class::Throttled => Self::Throttled,
                Class::Transient => Self::Missing,
            },
            None => Self::Missing,
        }
    }
}
