//! Decides whether the watch shows enough of the Secret to plan, or the Secret must be read.

use crate::api::CredentialStatus;
use crate::backoff::BackOff;
use crate::desired::Desired;
use crate::observed::{ReadSecret, SecretView, WatchedSecret};
use crate::secret::IssueRecord;

/// The certain knowledge about the Secret.
pub(super) enum Trusted {
    /// The Secret is known.
    Secret(ReadSecret),
    /// The Secret is not known yet.
    Nothing {
        /// Whether to read the Secret now. If not, the resource is backing off, and the next attempt reads the Secret.
        read: bool,
        /// The record that the watch knows of, if it is that of the version that the status is about.
        annotated: Option<IssueRecord>,
    },
}

/// In steady state the watch is enough: it shows the version that was last written or verified. Any other version must
/// be read, because the watch contains only metadata and an edit of the data is not visible in it.
pub(super) fn trusted(
    desired: &Desired,
    status: &CredentialStatus,
    secret: SecretView,
    back_off: Option<BackOff>,
) -> Trusted {
    // Each failed read is written to the status, and that write triggers a reconciliation. Without backing off here,
    // the reads would repeat endlessly.
    let read = !back_off.is_some_and(|back_off| back_off.about_secret);
    let recorded = status.secret.as_ref().filter(|secret| secret.name == desired.secret_name);
    // A suspended resource without usable credentials has nothing to do. Once the status says so, reading the
    // Secret at each reconciliation would not change that.
    let nothing_to_do = desired.suspended
        && desired.denied.is_none()
        && recorded.is_none()
        && status.failure.is_none()
        && status.observed_generation == Some(desired.generation);
    let read = read && !nothing_to_do;
    match secret {
        SecretView::Read(secret) => Trusted::Secret(secret),
        SecretView::Watched(WatchedSecret::Unknown | WatchedSecret::Absent) => {
            let nothing_written = back_off.is_some() && recorded.is_none();
            Trusted::Nothing { read: read && !nothing_written, annotated: None }
        }
        SecretView::Watched(WatchedSecret::Foreign) => Trusted::Nothing { read, annotated: None },
        SecretView::Watched(WatchedSecret::Owned(owned)) => {
            let recorded = recorded.map(|secret| &secret.resource_version);
            let same_version = recorded == Some(&owned.version.resource_version);
            let render_hash = owned.record.as_ref().map(|record| &record.render_hash);
            let as_desired = render_hash == Some(&desired.render_hash);
            // The Secret of a suspended or denied resource is not rewritten, and edits during that time were not
            // repaired.
            let in_shape = desired.denied.is_some()
                || (!status.is_denied()
                    && (desired.suspended || (as_desired && !status.was_suspended())));
            if same_version && in_shape {
                Trusted::Secret(ReadSecret::Owned(owned))
            } else {
                // Of another version, neither its times nor its request are those in the status.
                Trusted::Nothing { read, annotated: owned.record.filter(|_| same_version) }
            }
        }
    }
}
