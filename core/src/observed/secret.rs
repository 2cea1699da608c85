//! The Secret as it is observed, and everything else that a plan is made from.

use jiff::Timestamp;

use crate::api::CredentialStatus;
use crate::credentials::Credentials;
use crate::desired::Desired;
use crate::secret::{IssueRecord, SecretVersion};

/// Everything that a plan is made from, besides what is desired and the time.
pub struct Observed<'a> {
    /// The Secret.
    pub secret: SecretView,
    /// Whether the watch is known to be no older than the last write: the Secret was read or written in this
    /// term of leadership, and since the last write that did not succeed.
    pub verified: bool,
    /// What the Secret was last written with, or seen to hold.
    pub record: Option<&'a IssueRecord>,
    /// The last status that was computed, whether or not its write succeeded.
    pub status: &'a CredentialStatus,
    /// Credentials that STS issued and that are not written yet.
    pub pending: Option<PendingWrite>,
    /// The renewal request that this process has already tried to serve.
    pub attempted_request: Option<&'a str>,
    /// Whether an input of the request changed since the last attempt.
    pub inputs_changed: bool,
    /// When this process last asked STS to replace a missing or damaged Secret.
    pub repaired_at: Option<Timestamp>,
}

/// Credentials that STS issued and that are not written yet.
#[cfg_attr(test, derive(Clone))]
pub struct PendingWrite {
    /// Hash of the request that they were issued for.
    pub request_hash: String,
    /// The renewal request that they serve.
    pub renew_request: Option<String>,
    /// The credentials.
    pub credentials: Credentials,
}

impl PendingWrite {
    /// The record of their issue, as it is written now.
    pub fn record(&self, desired: &Desired) -> IssueRecord {
        let renew_request = self.renew_request.as_deref();
        IssueRecord::new(desired, &self.request_hash, &self.credentials, renew_request)
    }
}

/// The Secret, and how it was observed.
pub enum SecretView {
    /// Its metadata, from the watch, which may be behind.
    Watched(WatchedSecret),
    /// Read whole from the API server.
    Read(ReadSecret),
}

/// What the watch knows of the Secret.
#[expect(clippy::large_enum_variant, reason = "one at a time, and moved only a few times")]
pub enum WatchedSecret {
    /// The watch has no such Secret with tempcred's label.
    Unknown,
    /// It belongs to something else.
    Foreign,
    /// It belongs to the resource.
    Owned(OwnedSecret),
}

/// The Secret, as the API server returned it.
#[expect(clippy::large_enum_variant, reason = "one at a time, and moved only a few times")]
pub enum ReadSecret {
    /// There is none.
    Absent,
    /// It belongs to something else, which this names for a person.
    Foreign(String),
    /// It belongs to the resource.
    Owned(OwnedSecret),
}

/// A Secret that belongs to the resource.
pub struct OwnedSecret {
    /// Which version of it.
    pub version: SecretVersion,
    /// Whether it is being deleted, and a finalizer keeps it.
    pub terminating: bool,
    /// The record of the issue; `None` if its annotations are damaged.
    pub record: Option<IssueRecord>,
    /// What is known of its data.
    pub content: Content,
}

/// What is known of the data of a Secret.
pub enum Content {
    /// Not read: nothing changed since it was last written or verified.
    Unread,
    /// The data holds other values than those of the record.
    Damaged,
    /// The data holds the credentials of the record.
    Intact {
        /// The credentials.
        credentials: Credentials,
        /// Whether the whole Secret has the desired shape.
        in_shape: bool,
    },
}

impl OwnedSecret {
    /// The record of the credentials in it, unless they are damaged.
    pub fn intact_record(&self) -> Option<&IssueRecord> {
        match self.content {
            Content::Damaged => None,
            Content::Unread | Content::Intact { .. } => self.record.as_ref(),
        }
    }
}

/// What the status says about the Secret.
#[derive(Clone, Debug, PartialEq)]
pub enum KnownSecret {
    /// It was not read. The last status still stands; holds the record that is remembered, if any.
    Unread(Option<IssueRecord>),
    /// The resource has no Secret with usable credentials.
    Absent,
    /// It holds these credentials.
    Holds {
        /// The record of their issue.
        record: Box<IssueRecord>,
        /// The version that was verified or written; `None` if it must be read again.
        resource_version: Option<String>,
    },
}

impl KnownSecret {
    /// What is known of the Secret in this view.
    pub(crate) fn of(desired: &Desired, secret: &ReadSecret) -> Self {
        let ReadSecret::Owned(owned) = secret else { return Self::Absent };
        let Some(record) = owned.intact_record() else { return Self::Absent };
        let verified = match owned.content {
            Content::Intact { in_shape, .. } => in_shape,
            Content::Unread | Content::Damaged => true,
        };
        // A Secret in another shape is read again until it is rewritten. A suspended one stays as it is.
        let verified = verified || desired.suspended;
        Self::Holds {
            record: Box::new(record.clone()),
            resource_version: verified.then(|| owned.version.resource_version.clone()),
        }
    }
}
