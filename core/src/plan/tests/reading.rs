//! When the Secret is read, and when the watch is enough.

use super::*;

/// The version that the status has, in the desired shape.
fn same() -> SecretView {
    watched(owned(&desired(json!({})), Content::Unread))
}

fn version(version: &str) -> SecretView {
    let mut owned = owned(&desired(json!({})), Content::Unread);
    owned.version.resource_version = version.to_owned();
    watched(owned)
}

#[test]
fn reads_the_secret_only_if_it_may_have_changed() {
    let unknown = || SecretView::Watched(WatchedSecret::Unknown);
    let absent = || SecretView::Watched(WatchedSecret::Absent);
    let plain = || Case::new(json!({}));
    let nothing_written = || plain().with(|c| c.status = CredentialStatus::default());
    let other_shape = || {
        let other = desired(json!({"spec": {"secret": {"labels": {"a": "b"}}}}));
        watched(owned(&other, Content::Unread))
    };
    let rows = [
        ("the version that was written", plain(), same(), "UpToDate"),
        ("the watch is behind our own write", plain(), version("8"), "Read"),
        ("edited", plain(), version("11"), "Read"),
        ("nothing recorded in the status", nothing_written(), same(), "Read"),
        ("another shape is desired", plain(), other_shape(), "Read"),
        ("a first issue, and a Secret of this name", nothing_written(), unknown(), "Read"),
        ("a first issue", nothing_written(), absent(), "Issue(Missing)"),
        (
            "a first issue by a process that verified nothing",
            nothing_written().with(|c| c.verified = false),
            absent(),
            "Issue(Missing)",
        ),
        ("a first issue that conflicted", nothing_written().pending(3600), absent(), "Read"),
        (
            "a first issue that conflicted, while STS refuses",
            nothing_written().with(|c| c.status = failing("AccessDenied", 1, 200)),
            absent(),
            "BackOff",
        ),
        ("deleted, and no Secret of this name", plain(), absent(), "Read"),
        ("deleted", plain(), unknown(), "Read"),
        (
            "a foreign Secret in the watch",
            plain(),
            SecretView::Watched(WatchedSecret::Foreign),
            "Read",
        ),
        (
            "foreign, and backing off",
            nothing_written().with(|c| c.status = failing("SecretConflict", 1, 200)),
            unknown(),
            "BackOff",
        ),
        ("edited, while STS refuses", plain().failing("AccessDenied", 200), version("9"), "Read"),
        (
            "edited, while the API server rejects Secrets",
            plain().failing("SecretRejected", 200),
            version("9"),
            "BackOff",
        ),
        (
            "deleted, while the API server is unavailable",
            plain().failing("ApiServerUnavailable", 200),
            unknown(),
            "BackOff",
        ),
        (
            "nothing written, while STS refuses",
            nothing_written().with(|c| c.status = failing("AccessDenied", 1, 200)),
            unknown(),
            "BackOff",
        ),
        (
            "edited while it was suspended",
            plain().with(|c| {
                c.status.conditions = serde_json::from_value(json!([{
                    "type": "Ready", "status": "True", "reason": "Suspended", "message": "",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }]))
                .unwrap();
            }),
            same(),
            "Read",
        ),
        (
            "suspended, and the status says that there are no credentials",
            Case::new(json!({"spec": {"suspend": true}})).with(|c| {
                c.status = CredentialStatus { observed_generation: Some(1), ..Default::default() };
            }),
            unknown(),
            "UpToDate",
        ),
        (
            "suspended, and an owned Secret without usable credentials",
            Case::new(json!({"spec": {"suspend": true}})).with(|c| {
                c.status = CredentialStatus { observed_generation: Some(1), ..Default::default() };
            }),
            same(),
            "UpToDate",
        ),
        (
            "being deleted",
            Case::new(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})),
            unknown(),
            "Ignore",
        ),
        (
            "suspended, and the Secret could not be read",
            Case::new(json!({"spec": {"suspend": true}})).failing("ApiServerUnavailable", 200),
            unknown(),
            "BackOff",
        ),
        (
            "suspended a moment ago",
            Case::new(json!({"spec": {"suspend": true}, "metadata": {"generation": 2}})).with(
                |c| {
                    c.status =
                        CredentialStatus { observed_generation: Some(1), ..Default::default() };
                },
            ),
            unknown(),
            "Read",
        ),
        (
            "another shape is desired, and it is suspended",
            Case::new(json!({"spec": {"suspend": true}})),
            other_shape(),
            "UpToDate",
        ),
    ];
    for (row, case, secret, expected) in rows {
        assert_eq!(case.with(|c| c.secret = secret).plan(100), expected, "{row}");
    }
}

#[test]
fn a_new_renewal_request_reads_at_once_and_backs_off_once_it_was_tried() {
    for (attempted, expected) in
        [(None, "Read"), (Some("earlier"), "Read"), (Some("now"), "BackOff")]
    {
        let case = Case::new(with_renew_request("now")).with(|c| {
            c.status = failing("SecretConflict", 1, 200);
            c.secret = SecretView::Watched(WatchedSecret::Unknown);
            c.attempted = attempted.map(str::to_owned);
        });
        assert_eq!(case.plan(100), expected, "attempted: {attempted:?}");
    }
}

#[test]
fn a_changed_input_reads_at_once() {
    let case = Case::new(json!({})).failing("ApiServerUnavailable", 200).with(|c| {
        c.secret = SecretView::Watched(WatchedSecret::Unknown);
        c.inputs_changed = true;
    });
    assert_eq!(case.plan(100), "Read");
}

#[test]
fn a_watch_that_may_be_behind_is_enough_to_wait_but_not_to_replace_credentials() {
    let unverified = || Case::new(json!({})).with(|c| c.verified = false);
    let rows = [
        ("as desired", unverified(), 100, "UpToDate"),
        ("due", unverified(), 2400, "Read"),
        ("pending credentials", unverified().pending(3600), 100, "Read"),
        ("backing off", unverified().failing("AccessDenied", 2500), 2450, "BackOff"),
    ];
    for (row, case, now, expected) in rows {
        assert_eq!(case.plan(now), expected, "{row}");
    }
}

#[test]
fn pending_credentials_are_kept_while_the_secret_is_read() {
    let mut case = Case::new(json!({})).pending(3600).with(|c| c.verified = false);
    let decision = case.decide(100);
    assert_eq!(in_words(&decision.plan), "Read");
    assert!(decision.pending.is_some());
}

#[test]
fn a_secret_that_was_not_read_leaves_the_last_status_as_it_is() {
    let other_shape = json!({"spec": {"secret": {"labels": {"a": "b"}}}});
    for (row, version, expected) in [
        ("the version that the status is about", "10", Some(at(0))),
        ("another version", "9", None),
    ] {
        let mut case = Case::new(other_shape.clone()).failing("SecretRejected", 200);
        case.secret = self::version(version);
        let KnownSecret::Unread(record) = case.decide(100).known else { panic!("{row}: read") };
        assert_eq!(record.map(|record| record.issued_at), expected, "{row}");
    }
}

#[test]
fn pending_credentials_are_dropped_the_moment_they_expire() {
    for (now, kept) in [(3599, true), (3600, false)] {
        let mut case = Case::new(json!({})).pending(3600).failing("SecretRejected", 4000);
        case.secret = SecretView::Watched(WatchedSecret::Unknown);
        assert_eq!(case.decide(now).pending.is_some(), kept, "at {now}");
    }
}

#[test]
fn waits_for_the_watch_after_an_own_write() {
    // The last call was at 100.
    let own = |secret: WatchedSecret| {
        Case::new(json!({})).with(|case| {
            case.secret = SecretView::Watched(secret);
            case.called_at = Some(at(100));
            case.written = true;
        })
    };
    let absent = || own(WatchedSecret::Absent);
    let other_version = || {
        let mut secret = owned(&desired(json!({})), Content::Unread);
        secret.version.resource_version = "9".to_owned();
        own(WatchedSecret::Owned(secret))
    };
    let rows = [
        ("not there yet", absent(), 101, "Delay"),
        ("not labelled yet", own(WatchedSecret::Unknown), 101, "Delay"),
        ("of the version before", other_version(), 101, "Delay"),
        ("still not there", absent(), 102, "Read"),
        ("still of another version", other_version(), 102, "Read"),
        ("taken over", own(WatchedSecret::Foreign), 101, "Read"),
        ("written by another process", absent().with(|case| case.written = false), 101, "Read"),
        ("after a conflict", absent().with(|case| case.verified = false), 101, "Read"),
        (
            "after a failure",
            absent().with(|case| case.status = with_secret(failing("StsTimeout", 1, 100))),
            101,
            "Read",
        ),
    ];
    for (name, case, now, expected) in rows {
        assert_eq!(case.plan(now), expected, "{name}");
    }
}
