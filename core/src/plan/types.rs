//! The types of plans.

use jiff::Timestamp;

use crate::credentials::Credentials;
use crate::desired::SignedRequest;
use crate::observed::{KnownSecret, PendingWrite};
use crate::problem::Problem;
use crate::secret::{IssueRecord, SecretVersion, WriteTarget};

/// The next step of a reconciliation.
pub enum Plan<'a> {
    /// Do nothing: the resource is being deleted.
    Ignore,
    /// Read the Secret from the API server, and plan again.
    Read,
    /// Requeue at the next renewal: the Secret is as desired.
    UpToDate,
    /// Requeue at the next attempt: an earlier attempt failed.
    BackOff,
    /// Requeue at this time: new credentials are needed, and the last call to STS was only seconds ago.
    Delay(Timestamp),
    /// Request credentials from STS, then write them.
    Issue(Issue<'a>),
    /// Write credentials that were issued earlier.
    WritePending {
        /// The credentials.
        pending: PendingWrite,
        /// The object that the write replaces.
        target: WriteTarget,
    },
    /// Write the credentials of the Secret again, in the desired format.
    Rewrite(Box<Rewrite>),
    /// Remove the Secret, and report why.
    Remove {
        /// The version to remove.
        version: SecretVersion,
        /// The reason.
        problem: Problem,
        /// Whether its credentials are known to have expired. If they are not, confirm first that the API server shows the
        /// same denial: the caches may be behind.
        expired: bool,
    },
    /// Report a problem that prevents every other step.
    Report(Problem),
    /// Report that the grants deny the request.
    ReportDenied(Problem),
}

/// New credentials to request from STS.
pub struct Issue<'a> {
    /// Why new credentials are needed.
    pub cause: IssueCause,
    /// The request to make.
    pub request: &'a SignedRequest,
    /// How urgent the call is: when the credentials that are replaced expire, or since when new ones are needed.
    pub due: Timestamp,
    /// Whether the last attempt was refused, and nothing has changed since.
    pub refused: bool,
    /// The object that the write replaces.
    pub target: WriteTarget,
}

/// A Secret to write again, with the same credentials.
pub struct Rewrite {
    /// The record of the issue.
    pub record: IssueRecord,
    /// The credentials, as they were read from the Secret.
    pub credentials: Credentials,
    /// The version of the Secret that they were read from.
    pub version: SecretVersion,
}

impl Plan<'_> {
    /// The name in logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Ignore => "Ignore",
            Self::Read => "Read",
            Self::UpToDate => "UpToDate",
            Self::BackOff => "BackOff",
            Self::Delay(_) => "Delay",
            Self::Issue(_) => "Issue",
            Self::WritePending { .. } => "WritePending",
            Self::Rewrite(_) => "Rewrite",
            Self::Remove { .. } => "Remove",
            Self::Report(_) => "Report",
            Self::ReportDenied(_) => "ReportDenied",
        }
    }

    /// Whether the plan makes an attempt. If the attempt fails, the failure decides when the next one is made.
    pub fn is_attempt(&self) -> bool {
        match self {
            Self::Issue(_)
            | Self::WritePending { .. }
            | Self::Rewrite(_)
            | Self::Remove { .. }
            | Self::Report(_)
            | Self::ReportDenied(_) => true,
            Self::Ignore | Self::Read | Self::UpToDate | Self::BackOff | Self::Delay(_) => false,
        }
    }
}

/// Why new credentials are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssueCause {
    /// There is no Secret.
    Missing,
    /// The Secret does not contain the values that were written.
    Damaged,
    /// The credentials in the Secret do not match the spec.
    RequestChanged,
    /// The credentials have expired.
    Expired,
    /// An annotation requests a renewal.
    Requested,
    /// The renewal time has come.
    Due,
}

impl IssueCause {
    /// The name in logs and traces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "Missing",
            Self::Damaged => "Damaged",
            Self::RequestChanged => "RequestChanged",
            Self::Expired => "Expired",
            Self::Requested => "Requested",
            Self::Due => "Due",
        }
    }
}

/// A plan, and the state to keep.
pub struct Decision<'a> {
    /// The next step.
    pub plan: Plan<'a>,
    /// What the status will show about the Secret, unless the plan changes the Secret.
    pub known: KnownSecret,
    /// Credentials that are not written yet and that the plan does not write. Keep them in memory.
    pub pending: Option<PendingWrite>,
}
