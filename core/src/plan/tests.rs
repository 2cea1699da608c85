//! Tests of the plan.

mod calls;
mod denied;
mod properties;
mod reading;

use super::*;
use crate::api::CredentialStatus;
use crate::observed::WatchedSecret;
use crate::secret::{IssueRecord, SecretVersion};
use crate::testing::{at, credentials, desired, failing, with_renew_request};
use serde_json::{Value, json};

/// A plan in one word, so that a table can expect it.
fn in_words(plan: &Plan<'_>) -> String {
    let detail = match plan {
        Plan::Issue(issue) => format!("({})", issue.cause.as_str()),
        Plan::Report(problem) => format!("({})", problem.reason),
        Plan::ReportDenied(problem) => format!("({})", problem.message),
        Plan::Ignore
        | Plan::Read
        | Plan::UpToDate
        | Plan::BackOff
        | Plan::Delay(_)
        | Plan::WritePending { .. }
        | Plan::Rewrite(_)
        | Plan::Remove { .. } => String::new(),
    };
    format!("{}{detail}", plan.as_str())
}

/// The inputs of a decision. The Secret contains credentials that were issued at 0, expire at 3600, and are due
/// between 2160 and 2400; the watch shows the version that the status has.
struct Case {
    desired: Desired,
    secret: SecretView,
    verified: bool,
    status: CredentialStatus,
    pending: Option<PendingWrite>,
    attempted: Option<String>,
    inputs_changed: bool,
    called_at: Option<Timestamp>,
    /// Whether this process wrote the Secret.
    written: bool,
    withdrawn: WithdrawnSecrets,
}

impl Case {
    fn new(patch: Value) -> Self {
        let desired = desired(patch);
        Self {
            secret: watched(owned(&desired, Content::Unread)),
            desired,
            verified: true,
            status: with_secret(CredentialStatus::default()),
            pending: None,
            attempted: None,
            inputs_changed: false,
            called_at: None,
            written: false,
            withdrawn: WithdrawnSecrets::Expire,
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn absent(self) -> Self {
        self.with(|case| case.secret = SecretView::Read(ReadSecret::Absent))
    }

    fn foreign(self) -> Self {
        let foreign = ReadSecret::Foreign("it was not written by tempcred".to_owned());
        self.with(|case| case.secret = SecretView::Read(foreign))
    }

    fn read(self, content: Content) -> Self {
        let owned = owned(&self.desired, content);
        self.with(|case| case.secret = SecretView::Read(ReadSecret::Owned(owned)))
    }

    fn failing(self, reason: &str, until: i64) -> Self {
        self.with(|case| case.status = with_secret(failing(reason, 1, until)))
    }

    /// Credentials for the current request, issued at 10, whose write failed.
    fn pending(self, expires: i64) -> Self {
        self.with(|case| {
            case.pending = Some(PendingWrite {
                request_hash: case.desired.request_hash.clone(),
                renew_request: None,
                credentials: credentials(2, 10, expires),
            });
        })
    }

    fn secret(&mut self) -> &mut OwnedSecret {
        match &mut self.secret {
            SecretView::Watched(WatchedSecret::Owned(owned))
            | SecretView::Read(ReadSecret::Owned(owned)) => owned,
            SecretView::Watched(_) | SecretView::Read(_) => panic!("no Secret of the resource"),
        }
    }

    fn record(&mut self) -> &mut IssueRecord {
        self.secret().record.as_mut().unwrap()
    }

    fn decide(&mut self, now: i64) -> Decision<'_> {
        let unknown = SecretView::Watched(WatchedSecret::Unknown);
        let record = owned(&self.desired, Content::Unread).record;
        let observed = Observed {
            secret: std::mem::replace(&mut self.secret, unknown),
            verified: self.verified,
            record: record.as_ref().filter(|_| self.written),
            status: &self.status,
            pending: self.pending.take(),
            attempted_request: self.attempted.as_deref(),
            inputs_changed: self.inputs_changed,
            called_at: self.called_at,
        };
        plan(&self.desired, observed, self.withdrawn, at(now))
    }

    fn plan(mut self, now: i64) -> String {
        in_words(&self.decide(now).plan)
    }
}

fn watched(owned: OwnedSecret) -> SecretView {
    SecretView::Watched(WatchedSecret::Owned(owned))
}

fn owned(desired: &Desired, content: Content) -> OwnedSecret {
    let credentials = credentials(1, 0, 3600);
    OwnedSecret {
        version: SecretVersion { uid: "s".to_owned(), resource_version: "10".to_owned() },
        terminating: false,
        record: Some(IssueRecord::new(desired, &desired.request_hash, &credentials, None)),
        content,
    }
}

fn intact(in_shape: bool) -> Content {
    Content::Intact { credentials: credentials(1, 0, 3600), in_shape }
}

fn with_secret(status: CredentialStatus) -> CredentialStatus {
    let secret = json!({"name": "reports", "resourceVersion": "10"});
    CredentialStatus { secret: serde_json::from_value(secret).unwrap(), ..status }
}

#[test]
fn decides_by_what_the_secret_holds_and_what_is_desired() {
    let plain = || Case::new(json!({}));
    let requested = || Case::new(with_renew_request("now"));
    let rows = [
        ("as desired", plain(), 100, "UpToDate"),
        ("no Secret", plain().absent(), 100, "Issue(Missing)"),
        (
            "deleted within seconds of the last call",
            plain().absent().with(|c| c.called_at = Some(at(96))),
            100,
            "Delay",
        ),
        (
            "deleted some seconds after the last call",
            plain().absent().with(|c| c.called_at = Some(at(90))),
            100,
            "Issue(Missing)",
        ),
        (
            "damaged within seconds of the last call",
            plain().read(Content::Damaged).with(|c| c.called_at = Some(at(96))),
            100,
            "Delay",
        ),
        (
            "due within seconds of the last call",
            plain().with(|c| c.called_at = Some(at(2399))),
            2400,
            "Issue(Due)",
        ),
        (
            "requested within seconds of the last call",
            requested().with(|c| c.called_at = Some(at(96))),
            100,
            "Delay",
        ),
        (
            "an input changed within seconds of the last call, which failed",
            plain().absent().failing("AccessDenied", 200).with(|c| {
                c.called_at = Some(at(96));
                c.inputs_changed = true;
            }),
            100,
            "Delay",
        ),
        (
            "retried within seconds of the last call, which failed",
            plain().absent().failing("StsTimeout", 98).with(|c| c.called_at = Some(at(97))),
            100,
            "Issue(Missing)",
        ),
        ("due", plain(), 2400, "Issue(Due)"),
        ("expired", plain(), 3600, "Issue(Expired)"),
        ("not yet due", plain(), 2159, "UpToDate"),
        (
            "the request changed",
            plain().with(|c| c.record().request_hash = "old".into()),
            100,
            "Issue(RequestChanged)",
        ),
        (
            "annotations damaged",
            plain().read(Content::Damaged).with(|c| c.secret().record = None),
            100,
            "Issue(Damaged)",
        ),
        ("data damaged", plain().read(Content::Damaged), 100, "Issue(Damaged)"),
        ("shape damaged", plain().read(intact(false)), 100, "Rewrite"),
        ("read, and as desired", plain().read(intact(true)), 100, "UpToDate"),
        (
            "shape damaged, and the API server rejects Secrets",
            plain().read(intact(false)).failing("SecretRejected", 200),
            100,
            "BackOff",
        ),
        (
            "shape damaged, while STS refuses",
            plain().read(intact(false)).failing("AccessDenied", 200),
            100,
            "Rewrite",
        ),
        ("a renewal is requested", requested(), 100, "Issue(Requested)"),
        (
            "the requested renewal is done",
            requested().with(|c| c.status.last_renew_request = Some("now".into())),
            100,
            "UpToDate",
        ),
        (
            "the requested renewal is done, and the status write was lost",
            requested().with(|c| c.record().renew_request = Some("now".into())),
            100,
            "UpToDate",
        ),
        (
            "a requested renewal does not wait for the backoff",
            requested().failing("AccessDenied", 200),
            100,
            "Issue(Requested)",
        ),
        (
            "a requested renewal that failed waits for the backoff",
            requested().failing("AccessDenied", 200).with(|c| c.attempted = Some("now".into())),
            100,
            "BackOff",
        ),
        (
            "a requested renewal that failed is tried again",
            requested().failing("AccessDenied", 200).with(|c| c.attempted = Some("now".into())),
            200,
            "Issue(Requested)",
        ),
        ("due, and backing off", plain().failing("AccessDenied", 2500), 2450, "BackOff"),
        ("due at the next attempt", plain().failing("AccessDenied", 2500), 2500, "Issue(Due)"),
        (
            "due, backing off, and an input changed",
            plain().failing("AccessDenied", 2500).with(|c| c.inputs_changed = true),
            2450,
            "Issue(Due)",
        ),
        (
            "a failure of an earlier generation does not count",
            Case::new(json!({"metadata": {"generation": 2}})).failing("AccessDenied", 2500),
            2450,
            "Issue(Due)",
        ),
        (
            "a failure whose reason is unknown is tried again",
            plain().failing("OfANewerVersion", 2500),
            2450,
            "Issue(Due)",
        ),
        ("suspended", Case::new(json!({"spec": {"suspend": true}})), 3000, "UpToDate"),
        (
            "deleted",
            Case::new(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})),
            3000,
            "Ignore",
        ),
        (
            "a spec that makes no valid request",
            Case::new(json!({"spec": {"assumeRole": {"roleArn": "role"}}})).absent(),
            100,
            "Report(InvalidSpec)",
        ),
    ];
    for (row, case, now, expected) in rows {
        assert_eq!(case.plan(now), expected, "{row}");
    }
}

#[test]
fn pending_credentials_are_written_unless_the_secret_holds_them_or_newer_ones() {
    let pending = || Case::new(json!({})).pending(3600);
    let fingerprint = credentials(2, 10, 3600).fingerprint();
    let rows = [
        ("the Secret holds older ones", pending(), 100, "WritePending"),
        (
            "the Secret holds newer ones, from another leader",
            pending().with(|c| c.record().issued_at = at(20)),
            100,
            "UpToDate",
        ),
        (
            "the newer ones from another leader were damaged",
            pending().read(Content::Damaged).with(|c| c.record().issued_at = at(20)),
            100,
            "WritePending",
        ),
        (
            "issued in the same second as those in the Secret",
            pending().with(|c| c.record().issued_at = at(10)),
            100,
            "WritePending",
        ),
        (
            "the write succeeded although its reply was lost",
            pending().with(|c| c.record().fingerprint = fingerprint),
            100,
            "UpToDate",
        ),
        ("the Secret is missing", pending().absent(), 100, "WritePending"),
        ("expired", pending().with(|c| *c = Case::new(json!({})).pending(50)), 100, "UpToDate"),
        (
            "issued for another request",
            pending().with(|c| c.pending.as_mut().unwrap().request_hash = "other".into()),
            2400,
            "Issue(Due)",
        ),
        (
            "the API server was unavailable, and the next attempt is to come",
            pending().read(intact(true)).failing("ApiServerUnavailable", 200),
            100,
            "BackOff",
        ),
    ];
    for (row, case, now, expected) in rows {
        assert_eq!(case.plan(now), expected, "{row}");
    }
}

#[test]
fn a_failure_with_an_implausible_next_attempt_is_ignored() {
    for (until, expected) in [(3700, "BackOff"), (4000, "Issue(Missing)")] {
        let case = Case::new(json!({})).failing("AccessDenied", until).absent();
        assert_eq!(case.plan(100), expected, "until {until}");
    }
}

#[test]
fn a_foreign_secret_is_reported_even_if_a_renewal_is_requested_or_pending() {
    for case in [
        Case::new(json!({})),
        Case::new(with_renew_request("now")),
        Case::new(json!({})).pending(3600),
    ] {
        assert_eq!(case.foreign().plan(100), "Report(SecretConflict)");
    }
}

#[test]
fn only_a_plan_that_does_something_is_an_attempt() {
    let plain = || Case::new(json!({}));
    for (row, mut case, expected) in [
        ("up to date", plain(), false),
        ("read", plain().with(|c| c.status.secret = None), false),
        ("back off", plain().absent().failing("AccessDenied", 200), false),
        (
            "ignore",
            Case::new(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})),
            false,
        ),
        ("issue", plain().absent(), true),
        ("write pending", plain().absent().pending(3600), true),
        ("rewrite", plain().read(intact(false)), true),
        ("report", plain().foreign(), true),
    ] {
        assert_eq!(case.decide(100).plan.is_attempt(), expected, "{row}");
    }
}
