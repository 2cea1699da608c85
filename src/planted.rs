//! Bugs that are planted to show that the proof finds them. Without the feature `planted-bugs`, there are none.

/// A bug: one for each invariant of the contract that is about a single resource or replica. There is also one for each
/// kind of state that controllers are often wrong about: intermediate, stale and unobserved states.
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
    pub const ALL: [Self; 14] = [
        Self::RenewsLate,
        Self::ForgetsCredentials,
        Self::WritesInParts,
        Self::IgnoresOwnership,
        Self::IgnoresDeletedSecrets,
        Self::LogsValues,
        Self::RetriesAtOnce,
        Self::NeverIdle,
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

/// Logs a session token, if that bug is planted.
#[cfg(feature = "planted-bugs")]
pub fn log_values(credentials: &tempcred_core::credentials::Credentials) {
    use secrecy::ExposeSecret;
    use tempcred_core::credentials::Values;

    if Bug::LogsValues.is_planted()
        && let Values::AccessKey(key) = &credentials.values
    {
        tracing::info!(token = key.session_token.expose_secret(), "issued");
    }
}
