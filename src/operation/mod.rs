//! The requests that tempcred makes to STS: one file each, and one line in the table here.

mod assume_role;

use serde::Serialize;

use crate::api::TemporaryCredentialSpec;
use crate::failure::Problem;
use crate::minted::Minted;
use crate::sts::Session;

/// A validated request.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    /// AssumeRole, directly or through other roles.
    AssumeRole(assume_role::Request),
}

/// Why a spec makes no request.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
pub enum Invalid {
    /// No request is set.
    #[error("spec sets no request: set assumeRole")]
    NoRequest,
    /// An ARN is no role's.
    #[error("{0:?} is not the ARN of an IAM role: write it as arn:aws:iam::123456789012:role/NAME")]
    RoleArn(String),
}

impl Operation {
    /// The request of a spec; `session` is the name of the session where the spec gives none.
    ///
    /// # Errors
    /// [`Invalid`] says what to change in the spec.
    pub fn of(spec: &TemporaryCredentialSpec, session: &str) -> Result<Self, Invalid> {
        match &spec.assume_role {
            Some(request) => assume_role::Request::new(request, session).map(Self::AssumeRole),
            None => Err(Invalid::NoRequest),
        }
    }

    /// How many calls to STS it takes.
    pub fn calls(&self) -> u32 {
        match self {
            Self::AssumeRole(request) => request.calls(),
        }
    }

    /// The principal that is asked for, for messages.
    pub fn target(&self) -> &str {
        match self {
            Self::AssumeRole(request) => request.role().as_str(),
        }
    }

    /// Asks STS.
    ///
    /// # Errors
    /// A [`Problem`] without any value of the request or the reply.
    pub async fn call(&self, session: &Session) -> Result<Minted, Problem> {
        match self {
            Self::AssumeRole(request) => request.call(session).await,
        }
    }
}
