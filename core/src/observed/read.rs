//! Interprets a Secret that was watched or read, and decides whether to trust its annotations.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use zeroize::Zeroize;

use super::secret::{Content, OwnedSecret, PendingWrite, ReadSecret, WatchedSecret};
use crate::api::CredentialStatus;
use crate::credentials::Credentials;
use crate::desired::Desired;
use crate::secret::{
    IssueRecord, Manifest, Ownership, SecretVersion, adoptable, left_behind, ownership,
    read_credentials,
};

/// The knowledge about the credentials in a Secret that does not come from the Secret.
///
/// Users who may edit a Secret can write any time and any hash to its annotations. Only a process without its own
/// record trusts the annotations, and only within limits.
#[derive(Clone, Copy)]
pub struct Remembered<'a> {
    /// The record that was last written to the Secret, or read from it, in this term.
    pub record: Option<&'a IssueRecord>,
    /// Whether no other process can have written the Secret since then: it was read or written in this term, and after
    /// the last conflict.
    pub verified: bool,
    /// Credentials that are not known to be written. Their write may have succeeded although its reply was lost.
    pub pending: Option<&'a PendingWrite>,
    /// The previous status.
    pub status: &'a CredentialStatus,
}

/// How far the clock of the process that wrote a Secret may be ahead of the clock of this process.
const TOLERATED_LEAD: SignedDuration = SignedDuration::from_mins(5);

impl Remembered<'_> {
    /// Interprets the metadata of a watched Secret.
    pub fn watched(&self, desired: &Desired, metadata: &ObjectMeta) -> WatchedSecret {
        if ownership(metadata, &desired.uid) != Ownership::Ours {
            return WatchedSecret::Foreign;
        }
        let annotated = || {
            let record = metadata.annotations.as_ref().and_then(IssueRecord::read)?;
            // The plan uses this record only if the Secret still has the version of the status.
            Some(match self.times() {
                Some((issued_at, expiration)) => IssueRecord { issued_at, expiration, ..record },
                None => record,
            })
        };
        let record = self.record.cloned().or_else(annotated);
        WatchedSecret::Owned(owned(metadata, record, Content::Unread))
    }

    /// Interprets a Secret that was read from the API server.
    pub fn read(&self, desired: &Desired, secret: Option<Secret>, now: Timestamp) -> ReadSecret {
        let Some(mut secret) = secret else { return ReadSecret::Absent };
        if let Ownership::Foreign(holder) = ownership(&secret.metadata, &desired.uid) {
            let holder = left_behind(&secret.metadata, &desired.name).unwrap_or(holder);
            return match adoptable(&secret, desired, holder) {
                Ok(version) => ReadSecret::Adoptable(version),
                Err(holder) => ReadSecret::Foreign(holder),
            };
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
                    && Manifest::render(desired, &as_desired, &credentials)
                        .is_ok_and(|manifest| manifest.matches(&secret));
                (Some(record), Content::Intact { credentials, in_shape })
            }
            None => (written.into_iter().next().or(annotated), Content::Damaged),
        };
        secret.data.iter_mut().flatten().for_each(|(_, value)| value.0.zeroize());
        ReadSecret::Owned(owned(&secret.metadata, record, content))
    }

    /// The records that this process may have written to the Secret.
    fn written(&self, desired: &Desired) -> Vec<IssueRecord> {
        let pending = self.pending.map(|pending| pending.record(desired));
        self.record.cloned().into_iter().chain(pending).collect()
    }

    /// Whether the annotations may be newer than the knowledge of this process, and are plausible.
    fn may_trust(&self, annotated: &IssueRecord, now: Timestamp) -> bool {
        let known = self.record.is_some() && self.verified;
        !known && annotated.issued_at <= now + TOLERATED_LEAD
    }

    /// Corrects the record of annotations that match these credentials with the times of the status. `None` if the
    /// credentials are older than those of the status: after a crash, the status can be one rotation behind the Secret,
    /// but never ahead of it.
    fn corrected(
        &self,
        mut record: IssueRecord,
        mut credentials: Credentials,
    ) -> Option<(IssueRecord, Credentials)> {
        record.access_key_id = credentials.access_key_id().map(str::to_owned);
        let Some((issued, expires)) = self.times() else { return Some((record, credentials)) };
        let keys = record.access_key_id.as_ref().zip(self.status.access_key_id.as_ref());
        // Web identity tokens have no access key ID: their issue times are compared.
        if keys.map_or(record.issued_at == issued, |(one, other)| one == other) {
            (record.issued_at, record.expiration) = (issued, expires);
            (credentials.issued_at, credentials.expiration) = (issued, expires);
        } else if record.issued_at < issued {
            // Times are whole seconds: of two issues within one second, either may be newer.
            return None;
        }
        Some((record, credentials))
    }

    /// The issue time and the expiration of the credentials in the status.
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
