//! What is read back from a Secret that anybody may have edited: nothing in it makes tempcred stumble, ask
//! STS more than once, or rest on what has expired.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::json;
use tempcred::api::CredentialStatus;
use tempcred::notice::notices;
use tempcred::observed::{Content, Held, Observed, Past, SecretState, look};
use tempcred::plan::{Plan, Source, plan};
use tempcred::secret::{Facts, Manifest, Ownership, ownership};
use tempcred::status::{self, Attempt, Known, Round};

use crate::budget;
use crate::input::{Change, changed, changes, is_one_line, junk};
use crate::rendering::{Parts, parts, stored};

/// Longest message that the API server takes in a condition.
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
    held: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let edits = prop_oneof![1 => Just(vec![]), 6 => vec(edit(), 1..4)];
    (parts(), edits, -4000i64..140_000, any::<[bool; 2]>(), prop::bool::weighted(0.1)).prop_map(
        |(parts, edits, age, [recorded, remembered], held)| Case {
            parts,
            edits,
            age,
            recorded,
            remembered,
            held,
        },
    )
}

fn check(case: Case) -> Result<(), TestCaseError> {
    let Some(minted) = case.parts.minted() else { return Ok(()) };
    let desired = case.parts.desired();
    let now = Timestamp::from_second(case.parts.issued + case.age).unwrap_or(Timestamp::MIN);
    let mut secret = stored(&Manifest::render(&desired, &desired.request_hash, &minted));
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
    let _ = look(&desired, &before, None, Some(&secret.metadata), now);

    let facts = secret.metadata.annotations.as_ref().and_then(Facts::read);
    if let Some(facts) = &facts {
        prop_assert_eq!(
            Facts::read(&facts.annotations()),
            Some(facts.clone()),
            "not the same again"
        );
    }
    let ours = ownership(&secret.metadata, "uid-1") == Ownership::Ours;
    let written = Facts::of(&desired, &desired.request_hash, &minted);
    let facts = case.remembered.then_some(&written);
    let past = Past { facts, certain: case.remembered, held: None, status: &before };
    let mut states = vec![SecretState::read(&desired, Some(secret.clone()), &past, now)];
    if ours {
        states.push(SecretState::trusted(&secret.metadata, &past));
    }
    for state in states {
        let facts = match &state {
            SecretState::Ours(holding) => holding.facts.clone(),
            SecretState::Foreign(_) | SecretState::Absent => None,
        };
        let (known, whole) = match &state {
            SecretState::Ours(holding) => {
                let whole = !matches!(holding.content, Content::Read { credentials: None, .. });
                let known =
                    holding.facts.clone().filter(|_| whole).map_or(Known::NoSecret, |facts| {
                        Known::Secret {
                            resource_version: Some("10".to_owned()),
                            facts: Box::new(facts),
                            details: None,
                        }
                    });
                (known, whole && holding.facts.is_some())
            }
            SecretState::Foreign(_) | SecretState::Absent => (Known::NoSecret, false),
        };
        let held = case.held.then(|| Held {
            request_hash: desired.request_hash.clone(),
            minted: case.parts.minted().unwrap(),
        });
        let seen = Observed {
            secret: state,
            status: &before,
            held: held.as_ref(),
            attempted_request: None,
            repaired_at: None,
        };
        let planned = plan(&desired, &seen, now);
        let attempt = match &planned {
            Plan::Rest => {
                let facts =
                    facts.as_ref().ok_or_else(|| TestCaseError::fail("rests on nothing"))?;
                prop_assert!(ours && whole, "rests on what is not whole");
                prop_assert!(
                    facts.request_hash == desired.request_hash,
                    "rests on another request"
                );
                let dates = |facts: &Facts| (facts.issued_at, facts.expiration);
                prop_assert!(
                    !case.remembered || dates(facts) == dates(&written),
                    "rests on dates that it did not write"
                );
                let ends = desired.expires_here(facts.issued_at, facts.expiration);
                prop_assert!(ends > now, "rests on what expired at {ends}, at {now}");
                prop_assert!(
                    ends.duration_since(facts.issued_at) <= SignedDuration::from_hours(1),
                    "rests for longer than was asked for"
                );
                Attempt::Well
            }
            Plan::Report(problem) => {
                prop_assert!(!ours, "{problem:?}");
                Attempt::Failed(problem.clone())
            }
            // One call to STS at most is what a mint is.
            Plan::Mint(_) | Plan::Write(Source::Held) => {
                prop_assert!(ours, "mints for another's");
                Attempt::Waiting
            }
            Plan::Write(Source::Secret) => {
                prop_assert!(ours && whole, "writes what is not whole");
                Attempt::Waiting
            }
            Plan::Wait => Attempt::Waiting,
            Plan::Remove(_) => return Err(TestCaseError::fail("removed what is granted")),
            Plan::Leave => return Err(TestCaseError::fail("left alone")),
        };
        let next = status::next(Round { desired: &desired, before: &before, known, attempt }, now);
        let _ = status::next_look(&next, &desired, now);
        check_words(&before, &next)?;
    }
    Ok(())
}

/// What people are told is of bounded length and stays in its line.
fn check_words(before: &CredentialStatus, next: &CredentialStatus) -> Result<(), TestCaseError> {
    for condition in &next.conditions {
        prop_assert!(condition.message.len() <= LONGEST_MESSAGE, "{} is too long", condition.type_);
        prop_assert!(is_one_line(&condition.message), "{:?}", condition.message);
    }
    for notice in notices(before, next) {
        prop_assert!(notice.note.len() <= 1024 && is_one_line(&notice.note));
    }
    let text = serde_json::to_string(next).unwrap();
    prop_assert!(text.len() < 64 * 1024, "a status of {} bytes", text.len());
    for told in [&next.principal_arn, &next.last_renew_request].into_iter().flatten() {
        prop_assert!(told.len() <= 2048 && is_one_line(told), "{told:?}");
    }
    Ok(())
}

#[test]
fn annotations_that_anybody_edited_do_no_harm() {
    budget::run("annotations", case(), check);
}
