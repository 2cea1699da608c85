//! Secrets that a user edited: no edit causes a panic, more than one STS call, or the use of expired credentials.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::json;
use tempcred_core::api::CredentialStatus;
use tempcred_core::observed::{KnownSecret, Observed, PendingWrite, Remembered, SecretView};
use tempcred_core::plan::{Decision, Plan, WithdrawnSecrets, plan};
use tempcred_core::secret::{IssueRecord, Manifest, Ownership, ownership};
use tempcred_core::status::{self, Outcome, events};

use crate::budget;
use crate::input::{Change, changed, changes, is_one_line, junk};
use crate::rendering::{Parts, parts, stored};

/// Longest message that the API server accepts in a condition.
const LONGEST_MESSAGE: usize = 32_768;

#[derive(Clone, Debug)]
enum Edit {
    Remove(Index),
    Break(Index, Vec<Change>),
    Swap(Index, Index),
    Set(&'static str, String),
    Label(Option<String>),
    Owner(bool, String),
    Data(Index, Vec<Change>),
    NoData(Index),
}

fn time() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (-5_000_000_000i64..9_000_000_000).prop_map(|s| Timestamp::from_second(s).unwrap().to_string()),
        3 => select(vec![
            Timestamp::MIN.to_string(), Timestamp::MAX.to_string(),
            "9999-12-30T21:59:59Z".to_owned(), "-009999-01-03T00:00:00Z".to_owned(),
            "1970-01-01T00:00:00Z".to_owned(), "2026-01-01T00:00:60Z".to_owned(),
            "2026-01-01T00:00:00.999999999Z".to_owned(),
        ]),
        1 => junk(),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    let text = select(vec![
        "tempcred.dev/request-hash",
        "tempcred.dev/render-hash",
        "tempcred.dev/fingerprint",
        "tempcred.dev/principal-arn",
        "tempcred.dev/access-key-id",
        "tempcred.dev/packed-policy-size",
        "tempcred.dev/last-renew-request",
        "tempcred.dev/credential-name",
    ]);
    let times = select(vec!["tempcred.dev/issued-at", "tempcred.dev/expiration"]);
    prop_oneof![
        1 => at().prop_map(Edit::Remove),
        2 => (at(), changes()).prop_map(|(at, changes)| Edit::Break(at, changes)),
        1 => (at(), at()).prop_map(|(a, b)| Edit::Swap(a, b)),
        2 => (text, junk()).prop_map(|(key, value)| Edit::Set(key, value)),
        4 => (times, time()).prop_map(|(key, value)| Edit::Set(key, value)),
        1 => prop::option::of(junk()).prop_map(Edit::Label),
        1 => (any::<bool>(), junk()).prop_map(|(ours, name)| Edit::Owner(ours, name)),
        1 => (at(), changes()).prop_map(|(at, changes)| Edit::Data(at, changes)),
        1 => at().prop_map(Edit::NoData),
    ]
}

fn apply(secret: &mut Secret, edit: &Edit) {
    let annotations = secret.metadata.annotations.get_or_insert_default();
    let key = |map: &BTreeMap<String, String>, at: &Index| {
        (!map.is_empty()).then(|| map.keys().nth(at.index(map.len())).unwrap().clone())
    };
    match edit {
        Edit::Remove(at) => {
            if let Some(key) = key(annotations, at) {
                annotations.remove(&key);
            }
        }
        Edit::Break(at, changes) => {
            if let Some(key) = key(annotations, at) {
                let broken = changed(&annotations[&key], changes);
                annotations.insert(key, broken);
            }
        }
        Edit::Swap(a, b) => {
            if let (Some(a), Some(b)) = (key(annotations, a), key(annotations, b)) {
                let (of_a, of_b) = (annotations[&a].clone(), annotations[&b].clone());
                annotations.insert(a, of_b);
                annotations.insert(b, of_a);
            }
        }
        Edit::Set(key, value) => {
            annotations.insert((*key).to_owned(), value.clone());
        }
        Edit::Label(value) => {
            let labels = secret.metadata.labels.get_or_insert_default();
            let key = "tempcred.dev/credential-uid".to_owned();
            match value {
                Some(value) => labels.insert(key, value.clone()),
                None => labels.remove(&key),
            };
        }
        Edit::Owner(ours, name) => {
            let uid = if *ours { "uid-1" } else { "another" };
            let owner = json!([{"apiVersion": "v1", "kind": name, "name": name, "uid": uid, "controller": true}]);
            secret.metadata.owner_references = serde_json::from_value(owner).unwrap();
        }
        Edit::Data(at, changes) => {
            let data = secret.data.get_or_insert_default();
            if !data.is_empty() {
                let at = at.index(data.len());
                let value = data.values_mut().nth(at).unwrap();
                *value =
                    ByteString(changed(&String::from_utf8_lossy(&value.0), changes).into_bytes());
            }
        }
        Edit::NoData(at) => {
            let data = secret.data.get_or_insert_default();
            if !data.is_empty() {
                let key = data.keys().nth(at.index(data.len())).unwrap().clone();
                data.remove(&key);
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Case {
    parts: Parts,
    edits: Vec<Edit>,
    /// Seconds since the issue.
    age: i64,
    recorded: bool,
    /// Whether the process that wrote the Secret still runs.
    remembered: bool,
    pending: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let edits = prop_oneof![1 => Just(vec![]), 6 => vec(edit(), 1..4)];
    (parts(), edits, -4000i64..140_000, any::<[bool; 2]>(), prop::bool::weighted(0.1)).prop_map(
        |(parts, edits, age, [recorded, remembered], pending)| Case {
            parts,
            edits,
            age,
            recorded,
            remembered,
            pending,
        },
    )
}

fn check(case: Case) -> Result<(), TestCaseError> {
    let Some(issued) = case.parts.credentials() else { return Ok(()) };
    let desired = case.parts.desired();
    let now = Timestamp::from_second(case.parts.issued + case.age).unwrap_or(Timestamp::MIN);
    let written = case.parts.record(&desired, &issued);
    let mut secret = stored(&Manifest::render(&desired, &written, &issued).unwrap());
    secret.metadata.uid = Some("s".to_owned());
    secret.metadata.resource_version = Some("10".to_owned());
    for edit in &case.edits {
        apply(&mut secret, edit);
    }
    let status = if case.recorded {
        json!({"observedGeneration": 1, "secret": {"name": "reports", "resourceVersion": "10"}})
    } else {
        json!({})
    };
    let before: CredentialStatus = serde_json::from_value(status).unwrap();

    let record = secret.metadata.annotations.as_ref().and_then(IssueRecord::read);
    if let Some(record) = record {
        let again = IssueRecord::read(&record.annotations());
        prop_assert_eq!(again, Some(record), "not the same again");
    }
    let ours = ownership(&secret.metadata, "uid-1") == Ownership::Ours;
    let record = case.remembered.then_some(&written);
    let remembered =
        Remembered { record, verified: case.remembered, pending: None, status: &before };
    let views = [
        SecretView::Watched(remembered.watched(&desired, &secret.metadata)),
        SecretView::Read(remembered.read(&desired, Some(secret.clone()), now)),
    ];
    for view in views {
        let was_read = matches!(view, SecretView::Read(_));
        let pending = case.pending.then(|| PendingWrite {
            request_hash: desired.request_hash.clone(),
            renew_request: None,
            credentials: case.parts.credentials().unwrap(),
        });
        let observed = Observed {
            secret: view,
            verified: case.remembered,
            record,
            status: &before,
            pending,
            attempted_request: None,
            inputs_changed: false,
            called_at: None,
        };
        let Decision { plan, known, .. } =
            plan(&desired, observed, WithdrawnSecrets::default(), now);
        let holds = matches!(known, KnownSecret::Holds { .. });
        let outcome = match plan {
            Plan::UpToDate => {
                let KnownSecret::Holds { record, .. } = &known else {
                    return Err(TestCaseError::fail("up to date without credentials"));
                };
                prop_assert!(ours, "up to date with a foreign Secret");
                prop_assert!(record.request_hash == desired.request_hash, "another request");
                let times = |record: &IssueRecord| (record.issued_at, record.expiration);
                prop_assert!(
                    !case.remembered || times(record) == times(&written),
                    "trusts times that it did not write"
                );
                let ends = desired.expires_here(record.issued_at, record.expiration);
                prop_assert!(ends > now, "uses credentials that expired at {ends}, at {now}");
                prop_assert!(
                    ends.duration_since(record.issued_at) <= SignedDuration::from_hours(1),
                    "uses credentials for longer than requested"
                );
                Outcome::Succeeded
            }
            Plan::Read => {
                prop_assert!(!was_read, "reads twice");
                continue;
            }
            Plan::Report(problem) => {
                prop_assert!(!ours, "{problem:?}");
                Outcome::Failed(problem)
            }
            // Each of them makes at most one STS call.
            Plan::Issue(_) | Plan::WritePending { .. } => {
                prop_assert!(ours, "issues for a foreign Secret");
                prop_assert!(was_read || case.remembered, "issues by an unverified watch");
                Outcome::BackingOff
            }
            Plan::Rewrite(_) => {
                prop_assert!(ours && holds, "rewrites damaged credentials");
                Outcome::BackingOff
            }
            Plan::BackOff => Outcome::BackingOff,
            Plan::Remove { .. } | Plan::ReportDenied(_) => {
                return Err(TestCaseError::fail("removed although granted"));
            }
            Plan::Delay(_) => return Err(TestCaseError::fail("delayed after no call")),
            Plan::Ignore => return Err(TestCaseError::fail("ignored")),
        };
        let next = status::next(&desired, &before, &known, &outcome, now);
        let _ = status::next_reconciliation(&next, &desired, now);
        check_words(&before, &next)?;
    }
    Ok(())
}

/// Every text in status and events is one line of bounded length.
fn check_words(before: &CredentialStatus, next: &CredentialStatus) -> Result<(), TestCaseError> {
    for condition in &next.conditions {
        prop_assert!(condition.message.len() <= LONGEST_MESSAGE, "{} is too long", condition.type_);
        prop_assert!(is_one_line(&condition.message), "{:?}", condition.message);
    }
    for event in events(before, next) {
        prop_assert!(event.note.len() <= 1024 && is_one_line(&event.note));
    }
    let text = serde_json::to_string(next).unwrap();
    prop_assert!(text.len() < 64 * 1024, "a status of {} bytes", text.len());
    let texts = [&next.principal_arn, &next.access_key_id, &next.last_renew_request];
    for text in texts.into_iter().flatten() {
        prop_assert!(text.len() <= 2048 && is_one_line(text), "{text:?}");
    }
    Ok(())
}

#[test]
fn edited_secrets_cause_no_harm() {
    budget::run("annotations", case(), check);
}
