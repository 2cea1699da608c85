//! What a plan can be.

use jiff::Timestamp;

use crate::credentials::Credentials;
use crate::desired::SignedRequest;
use crate::observed::{KnownSecret, PendingWrite};
use crate::problem::Problem;
use crate::secret::{IssueRecord, SecretVersion, WriteTarget};

/// What to do next.
pub enum Plan<'a> {
    /// Nothing: the resource is being deleted, and its Secret with it.
    Ignore,
    /// Read the Secret from the API server, and plan again.
    Read,
    /// Wait for the next renewal: the Secret is as desired.
    UpToDate,
    /// Wait for the next attempt after a failure.
    BackOff,
    /// Ask STS for credentials, then write them.
    Issue(Issue<'a>),
    /// Write credentials that were issued earlier.
    WritePending {
        /// The credentials.
        pending: PendingWrite,
        /// What the write replaces.
        target: WriteTarget,
    },
    /// Write the credentials in the Secret again, in the desired shape.
    Rewrite(Box<Rewrite>),
    /// Remove the Secret, and report why.
    Remove {
        /// The version to remove.
        version: SecretVersion,
        /// Why.
        problem: Problem,
    },
    /// Report what is wrong: there is nothing else to do.
    Report(Problem),
    /// Report that no grant allows the request.
    ReportDenied(Problem),
}

/// New credentials to ask STS for.
pub struct Issue<'a> {
    /// Why they are needed.
    pub cause: IssueCause,
    /// The request to make.
    pub request: &'a SignedRequest,
    /// When the credentials that they replace expire.
    pub deadline: Option<Timestamp>,
    /// What the write replaces.
    pub target: WriteTarget,
}

/// A Secret to write again.
pub struct Rewrite {
    /// The record of the issue.
    pub record: IssueRecord,
    /// The credentials, as they were read from the Secret.
    pub credentials: Credentials,
    /// The version that they were read from.
    pub version: SecretVersion,
}

impl Plan<'_> {
    /// The name, as logs carry it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Ignore => "Ignore",
            Self::Read => "Read",
            Self::UpToDate => "UpToDate",
            Self::BackOff => "BackOff",
            Self::Issue(_) => "Issue",
            Self::WritePending { .. } => "WritePending",
            Self::Rewrite(_) => "Rewrite",
            Self::Remove { .. } => "Remove",
            Self::Report(_) => "Report",
            Self::ReportDenied(_) => "ReportDenied",
        }
    }

    /// Whether it attempts something: then a failure decides when the next attempt is made.
    pub fn is_attempt(&self) -> bool {
        match self {
            Self::Issue(_)
            | Self::WritePending { .. }
            | Self::Rewrite(_)
            | Self::Remove { .. }
            | Self::Report(_)
            | Self::ReportDenied(_) => true,
            Self::Ignore | Self::Read | Self::UpToDate | Self::BackOff => false,
        }
    }
}

/// Why new credentials are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssueCause {
    /// There is no Secret.
    Missing,
    /// The Secret does not hold what was written.
    Damaged,
    /// The spec asks for other credentials than the Secret holds.
    RequestChanged,
    /// The credentials have expired.
    Expired,
    /// A renewal is requested by annotation.
    Requested,
    /// The renewal time has come.
    Due,
}

impl IssueCause {
    /// The name, as logs and traces carry it.
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

    /// Whether the new credentials replace a missing or damaged Secret.
    pub fn is_repair(self) -> bool {
        matches!(self, Self::Missing | Self::Damaged)
    }
}

/// A plan, and what belongs to it.
pub struct Decision<'a> {
    /// What to do.
    pub plan: Plan<'a>,
    /// What the status says about the Secret, unless the plan changes it.
    pub known: KnownSecret,
    /// Credentials that are not written yet and that the plan does not write: they are kept.
    pub pending: Option<PendingWrite>,
}
