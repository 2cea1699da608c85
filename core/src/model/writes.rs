//! How the process writes and deletes the Secret, and what may go wrong meanwhile.

use super::actions::{Fault, User};
use super::api_server::Conflict;
use super::bugs::Bug;
use super::process::{End, Run, unavailable};
use crate::credentials::Credentials;
use crate::desired::Desired;
use crate::observed::KnownSecret;
use crate::problem::{Problem, Reason};
use crate::secret::{IssueRecord, Manifest, SecretVersion, WriteTarget};
use crate::status::Outcome;

/// A user may act at the same time as the process.
pub(super) const RACES: [User; 4] =
    [User::Withdraw, User::DeleteSecret, User::CreateForeign, User::EditSomeValues];

/// How a write ends.
pub(super) enum Written {
    As(String),
    Conflict,
    Failed(Problem),
    Crashed,
}

impl Run {
    /// Writes the Secret, unless the grants changed since it was decided.
    pub(super) fn write(
        &mut self,
        desired: &Desired,
        record: &IssueRecord,
        credentials: &Credentials,
        target: &WriteTarget,
    ) -> Written {
        self.before_write();
        let now = &self.world.desired;
        let still_granted = now.denied.is_none() && now.request_hash == desired.request_hash;
        if !still_granted && self.script.bug != Some(Bug::WritesAfterWithdrawal) {
            return Written::Conflict;
        }
        if let Some(problem) = self.write_fails() {
            return Written::Failed(problem);
        }
        let mut manifest = Manifest::render(desired, record, credentials).expect("no template");
        if self.script.bug != Some(Bug::IgnoresPreconditions) {
            manifest = manifest.only_if(target);
        }
        let in_parts = self.script.bug == Some(Bug::WritesInParts)
            && matches!(target, WriteTarget::Existing(_));
        let applied = self.world.apply(&manifest, |key| !in_parts || key.starts_with("AWS_"));
        if applied.is_ok() {
            self.world.serve(credentials, record.renew_request.as_ref());
        }
        match applied {
            Ok(version) => match self.written() {
                Some(written) => written,
                None => Written::As(version),
            },
            Err(Conflict) => Written::Conflict,
        }
    }

    pub(super) fn remove(
        &mut self,
        desired: &Desired,
        known: &KnownSecret,
        version: &SecretVersion,
        problem: Problem,
    ) -> End {
        self.before_write();
        let granted = self.world.desired.denied.is_none();
        if granted && self.script.bug != Some(Bug::DeletesAfterGranting) {
            return self.conflict();
        }
        if let Some(failed) = self.write_fails() {
            return self.finish(desired, known, Outcome::Failed(failed));
        }
        match self.world.delete(version) {
            Ok(()) => match self.written() {
                Some(Written::Crashed) => End::Crashed,
                Some(Written::Failed(failed)) => {
                    self.finish(desired, known, Outcome::Failed(failed))
                }
                Some(Written::As(_) | Written::Conflict) | None => {
                    self.finish(desired, &KnownSecret::Absent, Outcome::Denied(problem))
                }
            },
            Err(Conflict) => self.conflict(),
        }
    }

    /// A user acts between the plan and the write.
    fn before_write(&mut self) {
        for user in RACES {
            if self.is_at(Fault::BeforeWrite(user)) {
                self.happened = user.act(&mut self.world);
            }
        }
    }

    /// Why a write does not reach the API server.
    fn write_fails(&mut self) -> Option<Problem> {
        if self.is_at(Fault::WriteUnavailable) {
            return Some(unavailable());
        }
        self.is_at(Fault::WriteRejected).then(|| Problem::new(Reason::SecretRejected, "no"))
    }

    /// What happens after a write, if it is not that the process goes on.
    fn written(&mut self) -> Option<Written> {
        if self.is_at(Fault::CrashAfterWrite) {
            return Some(Written::Crashed);
        }
        self.is_at(Fault::ReplyLost).then(|| Written::Failed(unavailable()))
    }
}
