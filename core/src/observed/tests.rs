//! Tests of the observed state: when annotations are trusted, and what the memory contains.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

use super::*;
use crate::api::CredentialStatus;
use crate::desired::Desired;
use crate::secret::{IssueRecord, Manifest, annotation};
use crate::testing::{at, credentials, desired, failing, resource, stored, with_renew_request};

/// A Secret with these credentials, whose annotations have these times.
fn secret(desired: &Desired, number: u32, issued: i64, expires: i64) -> Secret {
    let credentials = credentials(number, issued, expires);
    let record = IssueRecord::new(desired, &desired.request_hash, &credentials, None);
    stored(&Manifest::render(desired, &record, &credentials).unwrap())
}

fn pending(desired: &Desired, number: u32) -> PendingWrite {
    PendingWrite {
        request_hash: desired.request_hash.clone(),
        renew_request: None,
        credentials: credentials(number, 1000, 4600),
    }
}

fn status(number: u32) -> CredentialStatus {
    serde_json::from_value(json!({
        "accessKeyId": format!("ASIA{number}"), "issuedAt": at(1000).to_string(),
        "expiration": at(4600).to_string(),
    }))
    .unwrap()
}

/// Credentials 1 are in the record and in the status; credentials 3 are pending; credentials 2 are others.
#[test]
fn annotations_are_trusted_only_where_nothing_else_is_known() {
    let desired = desired(json!({}));
    let known =
        IssueRecord::new(&desired, &desired.request_hash, &credentials(1, 1000, 4600), None);
    let (pending, recorded, none) = (pending(&desired, 3), status(1), CredentialStatus::default());
    let running =
        Remembered { record: Some(&known), verified: true, pending: None, status: &recorded };
    // Another leader may have written the Secret.
    let unverified = Remembered { verified: false, ..running };
    let restarted = Remembered { record: None, ..running };
    let without_status = Remembered { status: &none, ..restarted };
    let writing = Remembered { pending: Some(&pending), ..running };
    for (row, remembered, secret, expected) in [
        ("unedited", running, (1, 1000, 4600), Some((1000, 4600, true))),
        ("edited times", running, (1, 1000, 99_999), Some((1000, 4600, false))),
        ("other credentials, and annotations that match", running, (2, 1100, 4700), None),
        ("written, and the reply lost", writing, (3, 1000, 4600), Some((1000, 4600, true))),
        ("the same, and edited times", writing, (3, 1100, 99_999), Some((1000, 4600, false))),
        ("restarted", restarted, (1, 1000, 4600), Some((1000, 4600, true))),
        ("restarted, edited times", restarted, (1, 1900, 9000), Some((1000, 4600, false))),
        (
            "crashed, issued in the same second",
            restarted,
            (2, 1000, 4600),
            Some((1000, 4600, true)),
        ),
        ("restarted, older credentials restored", restarted, (2, 900, 9000), None),
        ("another leader wrote", unverified, (2, 1100, 4700), Some((1100, 4700, true))),
        ("unverified, older credentials restored", unverified, (2, 900, 9000), None),
        ("unverified, edited times", unverified, (1, 1100, 99_999), Some((1000, 4600, false))),
        ("crashed before the status write", restarted, (2, 1100, 4700), Some((1100, 4700, true))),
        ("restarted, issued in the future", restarted, (2, 9000, 9900), None),
        ("no status", without_status, (2, 1100, 4700), Some((1100, 4700, true))),
        ("no status, issued in the future", without_status, (2, 9000, 9900), None),
    ] {
        let (number, issued, expires) = secret;
        let secret = self::secret(&desired, number, issued, expires);
        let read = remembered.read(&desired, Some(secret), at(2000));
        let ReadSecret::Owned(owned) = read else { panic!("{row}: not owned") };
        let times = owned.record.map(|r| (r.issued_at.as_second(), r.expiration.as_second()));
        let got = match owned.content {
            Content::Intact { credentials, in_shape } => {
                let own = (credentials.issued_at.as_second(), credentials.expiration.as_second());
                assert_eq!(times, Some(own), "{row}: the record is that of the credentials");
                Some((own.0, own.1, in_shape))
            }
            Content::Unread | Content::Damaged => None,
        };
        assert_eq!(got, expected, "{row}");
    }
}

#[test]
fn the_watch_has_no_more_than_metadata() {
    let desired = desired(json!({}));
    let mut memory = Memory::of(&resource(json!({})));
    let metadata = secret(&desired, 1, 1000, 4600).metadata;
    let foreign = serde_json::from_value(json!({"labels": {"a": "b"}})).unwrap();
    let watched = |memory: &Memory, metadata| match memory.watched(&desired, metadata, true) {
        SecretView::Watched(WatchedSecret::Owned(owned)) => {
            assert!(matches!(owned.content, Content::Unread));
            owned.record.map_or("no record".to_owned(), |r| r.expiration.as_second().to_string())
        }
        SecretView::Watched(WatchedSecret::Foreign) => "foreign".to_owned(),
        SecretView::Watched(WatchedSecret::Unknown) => "unknown".to_owned(),
        SecretView::Watched(WatchedSecret::Absent) => "absent".to_owned(),
        SecretView::Read(_) => panic!("read"),
    };
    assert_eq!(watched(&memory, None), "unknown");
    let absent = memory.watched(&desired, None, false);
    assert!(matches!(absent, SecretView::Watched(WatchedSecret::Absent)));
    assert_eq!(watched(&memory, Some(&foreign)), "foreign");
    assert_eq!(watched(&memory, Some(&metadata)), "4600");
    memory.set_status(CredentialStatus { expiration: None, ..status(1) });
    assert_eq!(watched(&memory, Some(&metadata)), "4600");
    let edited = secret(&desired, 1, 1000, 99_999).metadata;
    memory.set_status(status(1));
    assert_eq!(watched(&memory, Some(&edited)), "4600", "the status knows better");
}

#[test]
fn a_read_verifies_the_watch_until_a_write_does_not_succeed() {
    let desired = desired(json!({}));
    let mut memory = Memory::of(&resource(json!({})));
    let mut verified = |change: &dyn Fn(&mut Memory)| {
        change(&mut memory);
        let view = memory.watched(&desired, None, true);
        memory.observed(view).verified
    };
    assert!(!verified(&|_| ()), "an earlier process may have written more than the watch shows");
    assert!(verified(&|m| drop(m.read(&desired, None, at(0)))));
    assert!(!verified(&|m| m.not_written()), "a conflict, or a lost reply");
    let record = IssueRecord::new(&desired, "h", &credentials(1, 0, 3600), None);
    assert!(verified(&|m| m.written(record.clone())));
}

#[test]
fn the_secret_of_an_earlier_resource_is_foreign_and_says_why() {
    let desired = desired(json!({}));
    let mut theirs = secret(&desired, 1, 1000, 4600);
    theirs.metadata.owner_references.as_mut().unwrap()[0].uid = "earlier".to_owned();
    let mut memory = Memory::of(&resource(json!({})));
    let view = memory.read(&desired, Some(theirs), at(2000));
    let SecretView::Read(ReadSecret::Foreign(holder)) = view else { panic!("ours") };
    assert!(holder.contains("a deleted TemporaryCredential of the same name"), "{holder}");
}

#[test]
fn only_intact_credentials_are_remembered_after_a_read() {
    let desired = desired(json!({}));
    let mut memory = Memory::of(&resource(json!({})));
    memory.read(&desired, Some(secret(&desired, 1, 1000, 4600)), at(2000));
    let mut damaged = secret(&desired, 1, 1000, 4600);
    damaged.data = None;
    memory.read(&desired, Some(damaged), at(2000));
    let view = memory.watched(&desired, None, true);
    assert_eq!(memory.observed(view).record.map(|r| r.expiration), Some(at(4600)));
}

#[test]
fn a_restart_does_not_try_a_failing_renewal_request_before_its_time() {
    let attempted = |generation, failure: bool| {
        let mut resource = resource(with_renew_request("now"));
        resource.status = Some(failing("AccessDenied", generation, 200)).filter(|_| failure);
        let mut memory = Memory::of(&resource);
        let view = SecretView::Watched(WatchedSecret::Unknown);
        memory.observed(view).attempted_request.map(str::to_owned)
    };
    assert_eq!(attempted(1, true).as_deref(), Some("now"));
    assert_eq!(attempted(1, false), None, "nothing fails");
    assert_eq!(attempted(0, true), None, "the failure is of an earlier generation");
}

#[test]
fn an_attempt_ends_what_lets_it_ignore_the_backoff() {
    let mut memory = Memory::of(&resource(json!({})));
    memory.inputs_changed();
    let view = || SecretView::Watched(WatchedSecret::Unknown);
    assert!(memory.observed(view()).inputs_changed);
    memory.attempt(&desired(with_renew_request("now")));
    let observed = memory.observed(view());
    assert_eq!((observed.inputs_changed, observed.attempted_request), (false, Some("now")));
}

#[test]
fn the_last_call_is_remembered() {
    let mut memory = Memory::of(&resource(json!({})));
    assert_eq!(memory.called_at(), None);
    memory.called(at(20));
    assert_eq!(memory.called_at(), Some(at(20)));
}

#[test]
fn pending_credentials_are_kept_until_they_expire_or_another_leader_issues_newer_ones() {
    let desired = desired(json!({}));
    let issued_at = |second: i64| -> CredentialStatus {
        serde_json::from_value(json!({"issuedAt": at(second).to_string()})).unwrap()
    };
    let kept = |status: Option<&CredentialStatus>, now: Timestamp| {
        let memory = Memory::of(&resource(json!({})));
        let mut memory = memory.with_pending(Some(pending(&desired, 1)));
        memory.drop_outdated(status, now);
        memory.pending().is_some()
    };
    assert!(kept(None, at(4599)));
    assert!(!kept(None, at(4600)), "expired");
    assert!(kept(Some(&issued_at(1000)), at(2000)), "issued in the same second");
    assert!(!kept(Some(&issued_at(1001)), at(2000)), "another leader issued newer ones");
}

#[test]
fn the_record_of_pending_credentials_has_the_request_that_they_were_issued_for() {
    let issued_for = desired(json!({}));
    let mut pending = pending(&issued_for, 1);
    pending.renew_request = Some("earlier".to_owned());
    let mut now = desired(json!({"spec": {"secret": {"labels": {"a": "b"}}}}));
    now.renew_request = Some("later".to_owned());
    let record = pending.record(&now);
    assert_eq!(record.request_hash, issued_for.request_hash);
    assert_eq!(record.renew_request.as_deref(), Some("earlier"));
    assert_eq!(record.render_hash, now.render_hash, "in the shape that is desired now");
    assert_ne!(record.render_hash, issued_for.render_hash);
}

#[test]
fn the_status_of_a_secret_in_another_shape_has_no_version_until_it_is_rewritten() {
    for (row, suspended, edit, expected) in [
        ("as desired", false, false, Some("10")),
        ("edited", false, true, None),
        ("edited and suspended", true, true, Some("10")),
    ] {
        let desired = desired(json!({"spec": {"suspend": suspended}}));
        let mut secret = secret(&desired, 1, 1000, 4600);
        secret.metadata.resource_version = Some("10".to_owned());
        if edit {
            secret.metadata.annotations.as_mut().unwrap().remove(annotation::CREDENTIAL_NAME);
        }
        let mut memory = Memory::of(&resource(json!({})));
        let SecretView::Read(read) = memory.read(&desired, Some(secret), at(2000)) else {
            panic!("{row}: not read")
        };
        let known = KnownSecret::of(&desired, &read);
        let KnownSecret::Holds { resource_version, .. } = known else { panic!("{row}") };
        assert_eq!(resource_version.as_deref(), expected, "{row}");
    }
}

#[test]
fn pending_credentials_pass_to_the_next_term() {
    let pending = PendingWrite {
        request_hash: "h".to_owned(),
        renew_request: None,
        credentials: credentials(1, 0, 3600),
    };
    let mut memory = Memory::of(&resource(json!({}))).with_pending(Some(pending));
    let taken = memory.take_pending();
    assert!(memory.pending().is_none());
    let memory = Memory::of(&resource(json!({}))).with_pending(taken);
    assert_eq!(memory.pending().unwrap().request_hash, "h");
}
