//! Reading a Secret, and how far its annotations are trusted.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use zeroize::Zeroize;

use super::secret::{Content, OwnedSecret, PendingWrite, ReadSecret, WatchedSecret};
use crate::api::CredentialStatus;
use crate::credentials::Credentials;
use crate::desired::Desired;
use crate::secret::{IssueRecord, Manifest, Ownership, SecretVersion, ownership, read_credentials};

/// What is known of the credentials in a Secret from other places than the Secret.
///
/// A user who may edit a Secret can write any time and any hash into its annotations. They are trusted only by a
/// process that has no record of its own, and within limits.
#[derive(Clone, Copy)]
pub struct Remembered<'a> {
    /// What the Secret was last written with, or seen to hold, in this term.
    pub record: Option<&'a IssueRecord>,
    /// Whether no other process can have written it since: it was read or written in this term, and since the
    /// last conflict.
    pub verified: bool,
    /// Credentials whose write may have succeeded although its reply was lost.
    pub pending: Option<&'a PendingWrite>,
    /// The last status.
    pub status: &'a CredentialStatus,
}

/// How far the clock of the process that wrote a Secret may have been ahead of this one.
const TOLERATED_LEAD: SignedDuration = SignedDuration::from_mins(5);

impl Remembered<'_> {
    /// What the watch knows of the Secret with this metadata.
    pub fn watched(&self, desired: &Desired, metadata: Option<&ObjectMeta>) -> WatchedSecret {
        let Some(metadata) = metadata else { return WatchedSecret::Unknown };
        if ownership(metadata, &desired.uid) != Ownership::Ours {
            return WatchedSecret::Foreign;
        }
        let annotated = || {
            let record = metadata.annotations.as_ref().and_then(IssueRecord::read)?;
            // The plan uses it only for the version that the status is about.
            Some(match self.times() {
                Some((issued_at, expiration)) => IssueRecord { issued_at, expiration, ..record },
                None => record,
            })
        };
        let record = self.record.cloned().or_else(annotated);
        WatchedSecret::Owned(owned(metadata, record, Content::Unread))
    }

    /// What a Secret holds that was read from the API server.
    pub fn read(&self, desired: &Desired, secret: Option<Secret>, now: Timestamp) -> ReadSecret {
        let Some(mut secret) = secret else { return ReadSecret::Absent };
        if let Ownership::Foreign(holder) = ownership(&secret.metadata, &desired.uid) {
            return ReadSecret::Foreign(holder);
        }
        let annotated = secret.metadata.annotations.as_ref().and_then(IssueRecord::read);
        let annotated = annotated.filter(|annotated| self.may_trust(annotated, now));
        let written = self.written(desired);
        let credentials = |record: &IssueRecord| read_credentials(secret.data.as_ref()?, record);
        let found = written.iter().find_map(|record| Some((record.clone(), credentials(record)?)));
        let found = found.or_else(|| {
            let record = annotated.clone()?;
            let credentials = credentials(&record)?;
            self.corrected(record, credentials)
        });
        let (record, content) = match found {
            Some((record, credentials)) => {
                let as_desired = record.reshaped(desired);
                let in_shape = record == as_desired
                    && Manifest::render(desired, &as_desired, &credentials).matches(&secret);
                (Some(record), Content::Intact { credentials, in_shape })
            }
            None => (written.into_iter().next().or(annotated), Content::Damaged),
        };
        secret.data.iter_mut().flatten().for_each(|(_, value)| value.0.zeroize());
        ReadSecret::Owned(owned(&secret.metadata, record, content))
    }

    /// What is known, without the Secret, to have been written to it.
    fn written(&self, desired: &Desired) -> Vec<IssueRecord> {
        let pending = self.pending.map(|pending| pending.record(desired));
        self.record.cloned().into_iter().chain(pending).collect()
    }

    /// Whether annotations may say something that this process does not know.
    fn may_trust(&self, annotated: &IssueRecord, now: Timestamp) -> bool {
        let known = self.record.is_some() && self.verified;
        !known && annotated.issued_at <= now + TOLERATED_LEAD
    }

    /// The record of annotations that match these credentials, corrected by the status. `None` if the
    /// credentials are older than those of the status: after a crash, the status may be behind by one rotation,
    /// but it is never ahead.
    fn corrected(
        &self,
        mut record: IssueRecord,
        mut credentials: Credentials,
    ) -> Option<(IssueRecord, Credentials)> {
        record.access_key_id = credentials.access_key_id().map(str::to_owned);
        let Some((issued, expires)) = self.times() else { return Some((record, credentials)) };
        let keys = record.access_key_id.as_ref().zip(self.status.access_key_id.as_ref());
        // Tokens have no key.
        if keys.map_or(record.issued_at == issued, |(one, other)| one == other) {
            (record.issued_at, record.expiration) = (issued, expires);
            (credentials.issued_at, credentials.expiration) = (issued, expires);
        } else if record.issued_at < issued {
            // Times are whole seconds: of two issues within one second, either may be the newer.
            return None;
        }
        Some((record, credentials))
    }

    /// When the credentials of the status were issued, and when they expire.
    fn times(&self) -> Option<(Timestamp, Timestamp)> {
        let times = self.status.issued_at.as_ref().zip(self.status.expiration.as_ref());
        times.map(|(issued, expires)| (issued.0, expires.0))
    }
}

fn owned(metadata: &ObjectMeta, record: Option<IssueRecord>, content: Content) -> OwnedSecret {
    OwnedSecret {
        version: SecretVersion {
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
        },
        terminating: metadata.deletion_timestamp.is_some(),
        record,
        content,
    }
}
