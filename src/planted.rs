//! Bugs that are planted to show that the proof finds them. Without the feature `planted-bugs`, there are none, and the functions
//! here change nothing.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use tempcred_core::credentials::Credentials;
use tempcred_core::observed::{Memory, Observed};
use tempcred_core::plan::{Decision, IssueCause, Plan};
use tempcred_core::status::Outcome;

/// A bug: one for each invariant of the contract, and one for each kind of state that controllers are often wrong about:
/// intermediate, stale and unobserved states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// Never late: credentials are renewed only after they have expired.
    RenewsLate,
    /// Issue once: credentials whose write failed are forgotten.
    ForgetsCredentials,
    /// All or nothing: a Secret is written in two steps.
    WritesInParts,
    /// Foreign Secrets: a Secret is written without a precondition.
    IgnoresOwnership,
    /// Self-healing: a deleted Secret is not noticed.
    IgnoresDeletedSecrets,
    /// Values stay secret: a session token is logged.
    LogsValues,
    /// Failures back off: a failed attempt is repeated at once.
    RetriesAtOnce,
    /// Idle is silent: the status is written again and again.
    NeverIdle,
    /// Spread and fair: resources call STS in the order of their arrival.
    IgnoresUrgency,
    /// One leader: a standby acts too.
    ActsWithoutLease,
    /// No user can take it down: a conflict ends the process.
    DiesOfConflicts,
    /// No impersonation: the tags that a grant demands are not sent.
    DropsTags,
    /// An intermediate state: a process does not recognise what an earlier one has written.
    ForgetsAfterRestart,
    /// A stale state: the watch counts as current.
    TrustsTheWatch,
    /// An unobserved state: a deletion that only a new list shows is not noticed.
    IgnoresRelists,
}

impl Bug {
    /// Every bug.
    pub const ALL: [Self; 15] = [
        Self::RenewsLate,
        Self::ForgetsCredentials,
        Self::WritesInParts,
        Self::IgnoresOwnership,
        Self::IgnoresDeletedSecrets,
        Self::LogsValues,
        Self::RetriesAtOnce,
        Self::NeverIdle,
        Self::IgnoresUrgency,
        Self::ActsWithoutLease,
        Self::DiesOfConflicts,
        Self::DropsTags,
        Self::ForgetsAfterRestart,
        Self::TrustsTheWatch,
        Self::IgnoresRelists,
    ];

    /// The variable whose value selects a bug by its name, such as `RenewsLate`.
    pub const VARIABLE: &str = "TEMPCRED_PLANTED_BUG";

    /// Whether this process has the bug.
    #[cfg(feature = "planted-bugs")]
    pub fn is_planted(self) -> bool {
        static SELECTED: std::sync::OnceLock<String> = std::sync::OnceLock::new();
        let selected = SELECTED.get_or_init(|| std::env::var(Self::VARIABLE).unwrap_or_default());
        *selected == format!("{self:?}")
    }

    /// Whether this process has the bug: never.
    #[cfg(not(feature = "planted-bugs"))]
    pub const fn is_planted(self) -> bool {
        false
    }
}

/// How urgent a call is: with [`Bug::IgnoresUrgency`], as urgent as all others.
pub fn urgency(due: Timestamp) -> Timestamp {
    if Bug::IgnoresUrgency.is_planted() { Timestamp::UNIX_EPOCH } else { due }
}

/// With [`Bug::TrustsTheWatch`], the watch counts as current.
pub fn trust_the_watch(observed: &mut Observed) {
    observed.verified |= Bug::TrustsTheWatch.is_planted();
}

/// With [`Bug::RenewsLate`], nothing is renewed before it has expired.
pub fn renew_late(mut decision: Decision) -> Decision {
    if Bug::RenewsLate.is_planted()
        && matches!(&decision.plan, Plan::Issue(issue) if issue.cause == IssueCause::Due)
    {
        decision.plan = Plan::UpToDate;
    }
    decision
}

/// With [`Bug::ForgetsAfterRestart`], a Secret that was read seems to have no record.
pub fn forget_the_record(secret: &mut Option<Secret>) {
    let annotations = secret.as_mut().and_then(|one| one.metadata.annotations.as_mut());
    if let Some(annotations) = annotations.filter(|_| Bug::ForgetsAfterRestart.is_planted()) {
        annotations.clear();
    }
}

/// With [`Bug::NeverIdle`], every reconciliation writes the status, and is repeated.
pub fn never_idle() -> bool {
    Bug::NeverIdle.is_planted()
}

/// With [`Bug::RetriesAtOnce`], whether to repeat a reconciliation that has failed.
pub fn retry_at_once(outcome: &Outcome, memory: &mut Memory) -> bool {
    let retry = Bug::RetriesAtOnce.is_planted() && matches!(outcome, Outcome::Failed(_));
    if retry {
        memory.inputs_changed();
    }
    retry
}

/// With [`Bug::ForgetsCredentials`], credentials whose write failed are not kept.
pub fn forgets_credentials() -> bool {
    Bug::ForgetsCredentials.is_planted()
}

/// With [`Bug::IgnoresOwnership`], a Secret is written without a precondition.
pub fn ignores_ownership() -> bool {
    Bug::IgnoresOwnership.is_planted()
}

/// With [`Bug::DiesOfConflicts`], ends the process after a conflict.
pub fn die_of(conflict: bool) {
    if Bug::DiesOfConflicts.is_planted() && conflict {
        std::process::abort();
    }
}

/// With [`Bug::LogsValues`], logs a session token.
#[cfg(feature = "planted-bugs")]
pub fn log_values(credentials: &Credentials) {
    use secrecy::ExposeSecret;
    use tempcred_core::credentials::Values;

    if Bug::LogsValues.is_planted()
        && let Values::AccessKey(key) = &credentials.values
    {
        tracing::info!(token = key.session_token.expose_secret(), "issued");
    }
}

/// Logs nothing.
#[cfg(not(feature = "planted-bugs"))]
pub const fn log_values(_: &Credentials) {}
