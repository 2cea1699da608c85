//! The observed Secret, and the other inputs of a plan.

use jiff::Timestamp;

use crate::api::CredentialStatus;
use crate::credentials::Credentials;
use crate::desired::Desired;
use crate::secret::{IssueRecord, SecretVersion};

/// The inputs of a plan, except the desired state and the time.
pub struct Observed<'a> {
    /// The Secret.
    pub secret: SecretView,
    /// Whether the watch is known to be no older than the last write: the Secret was read or written in this
    /// term of leadership, and since the last write that did not succeed.
    pub verified: bool,
    /// The record that was last written to the Secret, or read from it.
    pub record: Option<&'a IssueRecord>,
    /// The last computed status, whether or not its write succeeded.
    pub status: &'a CredentialStatus,
    /// Credentials that STS issued and that are not written yet.
    pub pending: Option<PendingWrite>,
    /// The renewal request that this process has already tried.
    pub attempted_request: Option<&'a str>,
    /// Whether an input of the request changed after the last attempt.
    pub inputs_changed: bool,
    /// When this process last requested credentials from STS.
    pub called_at: Option<Timestamp>,
}

/// Credentials that STS issued and that are not written yet.
#[cfg_attr(test, derive(Clone))]
pub struct PendingWrite {
    /// Hash of the request that the credentials were issued for.
    pub request_hash: String,
    /// The renewal request that the credentials satisfy.
    pub renew_request: Option<String>,
    /// The credentials.
    pub credentials: Credentials,
}

impl PendingWrite {
    /// The record of their issue, with the hash of the currently desired format.
    pub fn record(&self, desired: &Desired) -> IssueRecord {
        let renew_request = self.renew_request.as_deref();
        IssueRecord::new(desired, &self.request_hash, &self.credentials, renew_request)
    }
}

/// The Secret, and the source of the observation.
pub enum SecretView {
    /// From the watch: only metadata, which may be outdated.
    Watched(WatchedSecret),
    /// Read from the API server, with its data.
    Read(ReadSecret),
}

/// A Secret in the watch.
#[expect(clippy::large_enum_variant, reason = "short-lived, and moved only a few times")]
pub enum WatchedSecret {
    /// No watch shows a Secret of this name.
    Absent,
    /// The watch contains no such Secret with tempcred's label, but there is a Secret of this name.
    Unknown,
    /// The Secret does not belong to the resource.
    Foreign,
    /// The Secret belongs to the resource.
    Owned(OwnedSecret),
}

/// A Secret as the API server returned it.
#[expect(clippy::large_enum_variant, reason = "short-lived, and moved only a few times")]
pub enum ReadSecret {
    /// There is no such Secret.
    Absent,
    /// The Secret does not belong to the resource. Contains the reason, for a message.
    Foreign(String),
    /// The Secret does not belong to the resource, which may take over this version.
    Adoptable(SecretVersion),
    /// The Secret belongs to the resource.
    Owned(OwnedSecret),
}

/// A Secret that belongs to the resource.
pub struct OwnedSecret {
    /// The version of the Secret.
    pub version: SecretVersion,
    /// Whether the Secret is being deleted, and a finalizer keeps it.
    pub terminating: bool,
    /// The record of the issue. `None` if the annotations are damaged.
    pub record: Option<IssueRecord>,
    /// The state of the data.
    pub content: Content,
}

/// The state of the data of a Secret.
pub enum Content {
    /// Not read: the Secret did not change since it was last written or verified.
    Unread,
    /// The data does not contain the credentials of the record.
    Damaged,
    /// The data contains the credentials of the record.
    Intact {
        /// The credentials.
        credentials: Credentials,
        /// Whether the complete Secret has the desired format.
        in_shape: bool,
    },
}

impl OwnedSecret {
    /// The record of the credentials in the Secret, unless the data is damaged.
    pub fn intact_record(&self) -> Option<&IssueRecord> {
        match self.content {
            Content::Damaged => None,
            Content::Unread | Content::Intact { .. } => self.record.as_ref(),
        }
    }
}

/// The knowledge about the Secret from which the status is computed.
#[derive(Clone, Debug, PartialEq)]
pub enum KnownSecret {
    /// The Secret was not read, so the previous status stays. Contains the remembered record, if there is one.
    Unread(Option<IssueRecord>),
    /// There is no Secret of the resource with usable credentials.
    Absent,
    /// The Secret contains these credentials.
    Holds {
        /// The record of their issue.
        record: Box<IssueRecord>,
        /// The resource version that was verified or written. `None` if the Secret must be read again.
        resource_version: Option<String>,
    },
}

impl KnownSecret {
    /// The knowledge from this view of the Secret.
    pub(crate) fn of(desired: &Desired, secret: &ReadSecret) -> Self {
        let ReadSecret::Owned(owned) = secret else { return Self::Absent };
        // A denied resource is not repaired. The expiration of the credentials decides how long a damaged Secret stays,
        // so the status must not forget it.
        let (record, otherwise) = match &desired.denied {
            Some(_) => (owned.record.as_ref(), Self::Unread(None)),
            None => (owned.intact_record(), Self::Absent),
        };
        let Some(record) = record else { return otherwise };
        let verified = match owned.content {
            Content::Intact { in_shape, .. } => in_shape,
            Content::Unread | Content::Damaged => true,
        };
        // A Secret in another format is read again until it is rewritten. That of a suspended or denied resource is not
        // rewritten.
        let verified = verified || desired.leaves_secret_as_it_is();
        Self::Holds {
            record: Box::new(record.clone()),
            resource_version: verified.then(|| owned.version.resource_version.clone()),
        }
    }
}
