//! Tests of the plan.

use super::*;
use crate::api::CredentialStatus;
use crate::credentials::{Credentials, Values};
use crate::desired::tests::desired;
use crate::observed::{Held, Holding};
use crate::secret::IssueRecord;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Issued at 0, expires at 3600, due between 2160 and 2400.
fn holding(desired: &Desired) -> Holding {
    Holding {
        uid: "s".into(),
        resource_version: "10".into(),
        ending: false,
        facts: Some(IssueRecord {
            request_hash: desired.request_hash.clone(),
            render_hash: desired.render_hash.clone(),
            fingerprint: "f".into(),
            issued_at: at(0),
            expiration: at(3600),
            principal_arn: None,
            renew_request: None,
        }),
        content: Content::AsWritten,
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn minted(expires: i64) -> Credentials {
    Credentials {
        values: Values::Token("t".to_owned().into()),
        issued_at: at(0),
        expiration: at(expires),
        principal_arn: None,
        packed_policy_size: None,
        renew_request: None,
    }
}

fn failing(until: i64) -> CredentialStatus {
    serde_json::from_value(json!({
        "observedGeneration": 1,
        "failure": {"class": "Refused", "reason": "AccessDenied", "message": "", "count": 1,
                    "since": at(0).to_string(), "nextAttempt": at(until).to_string()},
    }))
    .unwrap()
}

struct Case {
    desired: Desired,
    secret: SecretState,
    status: CredentialStatus,
    held: Option<Held>,
    attempted: Option<String>,
    repaired_at: Option<Timestamp>,
}

impl Case {
    fn new(patch: Value) -> Self {
        let desired = desired(patch);
        let secret = SecretState::Ours(Box::new(holding(&desired)));
        Self {
            desired,
            secret,
            status: CredentialStatus::default(),
            held: None,
            attempted: None,
            repaired_at: None,
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn facts(&mut self) -> &mut Holding {
        match &mut self.secret {
            SecretState::Ours(holding) => holding,
            SecretState::Absent | SecretState::Foreign(_) => panic!("no holding"),
        }
    }

    fn plan(&self, now: i64) -> Plan {
        let seen = Observed {
            secret: match &self.secret {
                SecretState::Absent => SecretState::Absent,
                SecretState::Foreign(who) => SecretState::Foreign(who.clone()),
                SecretState::Ours(h) => SecretState::Ours(Box::new(Holding {
                    uid: h.uid.clone(),
                    resource_version: h.resource_version.clone(),
                    ending: h.ending,
                    facts: h.facts.clone(),
                    content: match &h.content {
                        Content::AsWritten => Content::AsWritten,
                        Content::Read { credentials, tidy } => Content::Read {
                            credentials: credentials.as_ref().map(|_| minted(3600)),
                            tidy: *tidy,
                        },
                    },
                })),
            },
            status: &self.status,
            held: self.held.as_ref(),
            attempted_request: self.attempted.as_deref(),
            repaired_at: self.repaired_at,
        };
        plan(&self.desired, &seen, at(now))
    }
}

fn denial() -> Problem {
    Problem::new(Reason::NotGranted, "not for you")
}

fn with_request() -> Value {
    json!({"metadata": {"annotations": {"tempcred.dev/renew-requested-at": "now"}}})
}

#[test]
fn plans() {
    let plain = || Case::new(json!({}));
    let held = |case: &mut Case, expires| {
        let minted = Credentials { issued_at: at(10), ..minted(expires) };
        case.held = Some(Held { request_hash: case.desired.request_hash.clone(), minted });
    };
    let written_since = |case: &mut Case| {
        held(case, 3600);
        case.facts().facts.as_mut().unwrap().issued_at = at(20);
    };
    let read = |credentials, tidy| Content::Read { credentials, tidy };
    let rows = [
        ("all well", plain(), 100, Plan::Rest),
        (
            "no secret",
            plain().with(|c| c.secret = SecretState::Absent),
            100,
            Plan::Mint(Why::Missing),
        ),
        (
            "gone again within seconds of its repair",
            plain().with(|c| {
                c.secret = SecretState::Absent;
                c.repaired_at = Some(at(96));
            }),
            100,
            Plan::Wait,
        ),
        (
            "gone again some seconds after its repair",
            plain().with(|c| {
                c.secret = SecretState::Absent;
                c.repaired_at = Some(at(90));
            }),
            100,
            Plan::Mint(Why::Missing),
        ),
        ("due", plain(), 2400, Plan::Mint(Why::Due)),
        ("expired", plain(), 3600, Plan::Mint(Why::Expired)),
        ("not yet due", plain(), 2159, Plan::Rest),
        (
            "the request changed",
            plain().with(|c| c.facts().facts.as_mut().unwrap().request_hash = "old".into()),
            100,
            Plan::Mint(Why::RequestChanged),
        ),
        (
            "annotations damaged",
            plain().with(|c| c.facts().facts = None),
            100,
            Plan::Mint(Why::Damaged),
        ),
        (
            "values damaged",
            plain().with(|c| c.facts().content = read(None, false)),
            100,
            Plan::Mint(Why::Damaged),
        ),
        (
            "shape damaged",
            plain().with(|c| c.facts().content = read(Some(minted(3600)), false)),
            100,
            Plan::Write(Source::Secret),
        ),
        (
            "read, and fine",
            plain().with(|c| c.facts().content = read(Some(minted(3600)), true)),
            100,
            Plan::Rest,
        ),
        ("asked", Case::new(with_request()), 100, Plan::Mint(Why::Requested)),
        (
            "asked, and done",
            Case::new(with_request()).with(|c| c.status.last_renew_request = Some("now".into())),
            100,
            Plan::Rest,
        ),
        (
            "asked, and done, but the status that said so was lost",
            Case::new(with_request()).with(|c| {
                c.facts().facts.as_mut().unwrap().renew_request = Some("now".into());
            }),
            100,
            Plan::Rest,
        ),
        (
            "asked: does not wait for a backoff",
            Case::new(with_request()).with(|c| c.status = failing(200)),
            100,
            Plan::Mint(Why::Requested),
        ),
        (
            "asked, tried, failed: waits like everyone",
            Case::new(with_request()).with(|c| {
                c.status = failing(200);
                c.attempted = Some("now".into());
            }),
            100,
            Plan::Wait,
        ),
        (
            "asked, tried, failed: is tried again",
            Case::new(with_request()).with(|c| {
                c.status = failing(200);
                c.attempted = Some("now".into());
            }),
            200,
            Plan::Mint(Why::Requested),
        ),
        ("failing, waiting", plain().with(|c| c.status = failing(2500)), 2450, Plan::Wait),
        (
            "mints on the dot",
            plain().with(|c| c.status = failing(2500)),
            2500,
            Plan::Mint(Why::Due),
        ),
        (
            "a failure of an earlier spec does not count",
            Case::new(json!({"metadata": {"generation": 2}})).with(|c| c.status = failing(2500)),
            2450,
            Plan::Mint(Why::Due),
        ),
        ("held", plain().with(|c| held(c, 3600)), 100, Plan::Write(Source::Held)),
        (
            "held, and another leader has written since",
            plain().with(written_since),
            100,
            Plan::Rest,
        ),
        (
            "held, and what another leader has written since was damaged",
            plain().with(written_since).with(|c| c.facts().content = read(None, false)),
            100,
            Plan::Write(Source::Held),
        ),
        (
            "held, and issued in the same second as what it shall replace",
            plain().with(|c| held(c, 3600)).with(|c| {
                let facts = c.facts().facts.as_mut().unwrap();
                (facts.issued_at, facts.fingerprint) = (at(10), "another".to_owned());
            }),
            100,
            Plan::Write(Source::Held),
        ),
        (
            "held, and written after all",
            plain().with(|c| held(c, 3600)).with(|c| {
                let fingerprint = c.held.as_ref().unwrap().minted.fingerprint();
                let facts = c.facts().facts.as_mut().unwrap();
                (facts.issued_at, facts.fingerprint) = (at(10), fingerprint);
            }),
            100,
            Plan::Rest,
        ),
        ("held, but expired", plain().with(|c| held(c, 50)), 100, Plan::Rest),
        (
            "held for another request",
            plain()
                .with(|c| c.held = Some(Held { request_hash: "x".into(), minted: minted(9000) })),
            2400,
            Plan::Mint(Why::Due),
        ),
        ("suspended", Case::new(json!({"spec": {"suspend": true}})), 3000, Plan::Rest),
        (
            "deleted",
            Case::new(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})),
            3000,
            Plan::Leave,
        ),
    ];
    for (row, case, now, expected) in rows {
        assert_eq!(case.plan(now), expected, "{row}");
    }
}

#[test]
fn what_is_no_longer_granted_is_removed_once_and_nobody_elses_is() {
    let denied = |patch| Case::new(patch).with(|c| c.desired.denied = Some(denial()));
    let waiting = |reason: &str, message: &str| {
        let mut status = failing(200);
        let failure = status.failure.as_mut().unwrap();
        (failure.reason, failure.message) = (reason.to_owned(), message.to_owned());
        status
    };
    let not_granted = || waiting("NotGranted", "not for you");
    let plain = || denied(json!({}));
    let absent = || plain().with(|c| c.secret = SecretState::Absent);
    let foreign = || plain().with(|c| c.secret = SecretState::Foreign("a user's".into()));
    let ending = || json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    let (remove, report) = (|| Plan::Remove(denial()), || Plan::Report(denial()));
    for (row, case, expected) in [
        ("ours", plain(), remove()),
        ("suspended", denied(json!({"spec": {"suspend": true}})), remove()),
        ("kept from ending by a finalizer", denied(ending()), remove()),
        ("none", absent(), report()),
        (
            "none, and soon there is no resource",
            denied(ending()).with(|c| c.secret = SecretState::Absent),
            Plan::Leave,
        ),
        ("somebody else's", foreign(), report()),
        ("while AWS refuses", plain().with(|c| c.status = failing(200)), remove()),
        ("told already", absent().with(|c| c.status = not_granted()), Plan::Wait),
        ("told already, and back since", plain().with(|c| c.status = not_granted()), remove()),
        (
            "told already, and kept by a finalizer",
            plain().with(|c| {
                c.status = not_granted();
                c.facts().ending = true;
            }),
            Plan::Wait,
        ),
        (
            "told otherwise",
            absent().with(|c| c.status = waiting("NotGranted", "for you, but shorter")),
            report(),
        ),
        (
            "could not be removed yet",
            plain().with(|c| c.status = waiting("ApiServerUnavailable", "")),
            Plan::Wait,
        ),
        (
            "given back",
            Case::new(json!({})).with(|c| {
                c.secret = SecretState::Absent;
                c.status = not_granted();
            }),
            Plan::Mint(Why::Missing),
        ),
    ] {
        assert_eq!(case.plan(100), expected, "{row}");
    }
}

#[test]
fn a_failure_that_would_wait_longer_than_any_is_not_believed() {
    for (until, expected) in [(3700, Plan::Wait), (4000, Plan::Mint(Why::Missing))] {
        let case = Case::new(json!({})).with(|c| {
            c.secret = SecretState::Absent;
            c.status = failing(until);
        });
        assert_eq!(case.plan(100), expected, "until {until}");
    }
}

#[test]
fn somebody_elses_secret_is_reported_whatever_else_is_wanted() {
    for patch in [json!({}), with_request()] {
        let case =
            Case::new(patch).with(|c| c.secret = SecretState::Foreign("it is a user's".into()));
        assert!(matches!(case.plan(100), Plan::Report(p) if p.reason == Reason::SecretConflict));
    }
}

proptest! {
    #[test]
    fn never_asks_sts_while_a_failure_waits(now in 0i64..5000, wait in 0i64..3600, absent in any::<bool>()) {
        let until = now + wait;
        let case = Case::new(json!({})).with(|c| {
            c.status = failing(until);
            if absent { c.secret = SecretState::Absent; }
        });
        prop_assert!(now >= until || !matches!(case.plan(now), Plan::Mint(_)));
    }

    #[test]
    fn what_is_denied_is_never_asked_for_nor_written(
        now in 0i64..5000, until in 0i64..5000, absent in any::<bool>(), suspend in any::<bool>(), renew in any::<bool>()
    ) {
        let mut patch = if renew { with_request() } else { json!({}) };
        patch["spec"] = json!({"suspend": suspend});
        let case = Case::new(patch).with(|c| {
            c.status = failing(until);
            c.desired.denied = Some(denial());
            if absent { c.secret = SecretState::Absent; }
            let hash = c.desired.request_hash.clone();
            c.held = Some(Held { request_hash: hash, minted: minted(9000) });
        });
        prop_assert!(matches!(case.plan(now), Plan::Remove(_) | Plan::Report(_)));
    }

    #[test]
    fn never_asks_sts_for_the_credentials_that_are_there(now in 0i64..2160, suspend in any::<bool>()) {
        let case = Case::new(json!({"spec": {"suspend": suspend}}));
        prop_assert_eq!(case.plan(now), Plan::Rest);
    }
}
