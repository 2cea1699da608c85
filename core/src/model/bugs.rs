//! Bugs that are planted to show that the properties find them.

use super::properties::{CONVERGES, Rule};
use crate::api::CredentialStatus;
use crate::observed::{Observed, ReadSecret, SecretView};

/// A bug, planted around the real functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Bug {
    /// The watch counts as verified.
    TrustsTheWatch,
    /// Credentials whose write failed are forgotten.
    ForgetsPending,
    /// A failed attempt is counted twice.
    CountsTwice,
    /// Writes have no precondition.
    IgnoresPreconditions,
    /// Plans ignore the failure in the status.
    IgnoresTheBackoff,
    /// The renewal request that was served is not recorded.
    ForgetsTheRequest,
    /// A success keeps the failure.
    KeepsTheFailure,
    /// The grants are not checked again before a write.
    WritesAfterWithdrawal,
    /// A read trusts annotations instead of what is remembered.
    TrustsAnnotations,
    /// A foreign Secret counts as absent.
    ForeignIsAbsent,
    /// A call does not wait for some seconds after the one before.
    CallsAtOnce,
    /// A Secret is written in parts.
    WritesInParts,
    /// The grants are not checked again before a Secret is deleted.
    DeletesAfterGranting,
    /// A Secret in another shape is left as it is.
    NeverRewrites,
    /// A withdrawn Secret does not stay until its credentials expire.
    RemovesAtOnce,
    /// A withdrawn Secret stays forever.
    NeverRemoves,
}

impl Bug {
    /// Every bug.
    pub(super) const ALL: [Self; 16] = [
        Self::TrustsTheWatch,
        Self::ForgetsPending,
        Self::CountsTwice,
        Self::IgnoresPreconditions,
        Self::IgnoresTheBackoff,
        Self::ForgetsTheRequest,
        Self::KeepsTheFailure,
        Self::WritesAfterWithdrawal,
        Self::TrustsAnnotations,
        Self::ForeignIsAbsent,
        Self::CallsAtOnce,
        Self::WritesInParts,
        Self::DeletesAfterGranting,
        Self::NeverRewrites,
        Self::RemovesAtOnce,
        Self::NeverRemoves,
    ];

    /// The property that finds it, and how many faults, user actions and ticks that takes.
    pub(super) fn found_by(self) -> (&'static str, (u8, u8, u8)) {
        match self {
            Self::TrustsTheWatch => (Rule::IssuesOnce.name(), (1, 1, 1)),
            Self::ForgetsPending => (Rule::PendingIsWrittenFirst.name(), (1, 1, 1)),
            Self::CountsTwice => (Rule::FailuresAreCountedOnce.name(), (1, 0, 0)),
            Self::IgnoresPreconditions => (Rule::ForeignSecretsAreNotTouched.name(), (1, 0, 0)),
            Self::IgnoresTheBackoff => (Rule::NoAttemptBeforeItsTime.name(), (1, 0, 0)),
            Self::ForgetsTheRequest => (Rule::IssuesOnce.name(), (0, 1, 1)),
            Self::KeepsTheFailure => (Rule::SuccessEndsAFailure.name(), (1, 0, 1)),
            Self::WritesAfterWithdrawal => (Rule::NothingWhileDenied.name(), (1, 0, 0)),
            Self::TrustsAnnotations => (Rule::ReadyIsTrue.name(), (0, 1, 1)),
            Self::ForeignIsAbsent => (Rule::NoCallForAForeignSecret.name(), (0, 1, 0)),
            Self::CallsAtOnce => (Rule::CallsWait.name(), (0, 2, 0)),
            Self::WritesInParts => (Rule::OneSetOfValues.name(), (0, 0, 1)),
            Self::DeletesAfterGranting => (Rule::ValidSecretsAreNotReplaced.name(), (1, 1, 0)),
            Self::NeverRewrites => (CONVERGES, (0, 1, 0)),
            Self::RemovesAtOnce => (Rule::WithdrawnSecretsStay.name(), (0, 1, 0)),
            Self::NeverRemoves => (CONVERGES, (0, 1, 1)),
        }
    }

    /// Changes what a plan is made from.
    pub(super) fn change<'a>(
        self,
        observed: &mut Observed<'a>,
        without_failure: &'a CredentialStatus,
    ) {
        match self {
            Self::TrustsTheWatch => observed.verified = true,
            Self::IgnoresTheBackoff => observed.status = without_failure,
            Self::CallsAtOnce => observed.called_at = None,
            Self::ForeignIsAbsent => {
                if let SecretView::Read(secret @ ReadSecret::Foreign(_)) = &mut observed.secret {
                    *secret = ReadSecret::Absent;
                }
            }
            Self::ForgetsPending
            | Self::CountsTwice
            | Self::IgnoresPreconditions
            | Self::ForgetsTheRequest
            | Self::KeepsTheFailure
            | Self::WritesAfterWithdrawal
            | Self::TrustsAnnotations
            | Self::WritesInParts
            | Self::DeletesAfterGranting
            | Self::NeverRewrites
            | Self::RemovesAtOnce
            | Self::NeverRemoves => {}
        }
    }
}
