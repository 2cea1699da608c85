use super::*;
use crate::api::WorkloadKind;
use crate::testing::{at, merge};
use serde_json::{Value, json};

fn target(name: &str) -> RestartTarget {
    RestartTarget { kind: WorkloadKind::Deployment, name: name.to_owned() }
}

/// A status of credentials that were issued at this second, for an hour with a renewal 20 minutes before.
fn issued(second: i64) -> CredentialStatus {
    serde_json::from_value(json!({
        "issuedAt": at(second).to_string(), "accessKeyId": format!("ASIA{second}"),
        "expiration": at(second + 3600).to_string(), "renewalTime": at(second + 2400).to_string(),
    }))
    .unwrap()
}

fn with(status: CredentialStatus, restarts: &[(&str, RestartState)]) -> CredentialStatus {
    let since = Time(at(0));
    let restart = |(name, state): &(&str, RestartState)| RestartStatus {
        kind: WorkloadKind::Deployment,
        name: (*name).to_owned(),
        state: *state,
        since: since.clone(),
        message: None,
    };
    CredentialStatus { restarts: restarts.iter().map(restart).collect(), ..status }
}

fn workload(patch: Value) -> Workload {
    let mut base = json!({
        "kind": "Deployment",
        "metadata": {"resourceVersion": "5", "generation": 2},
        "spec": {"replicas": 3, "template": {"metadata": {"annotations": {"k": "now"}}}},
        "status": {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3},
    });
    merge(&mut base, patch);
    serde_json::from_value(base).unwrap()
}

#[test]
fn only_a_rotation_makes_a_restart_pending() {
    use RestartState::{Complete, Failed, Pending};
    let none = CredentialStatus::default();
    let a = [target("a")];
    for (row, before, now, expected) in [
        ("no credentials yet", none.clone(), none.clone(), vec![]),
        ("the first issue", none.clone(), issued(9), vec![Complete]),
        ("nothing changed", with(issued(9), &[("a", Failed)]), issued(9), vec![Failed]),
        ("a rotation", with(issued(9), &[("a", Complete)]), issued(99), vec![Pending]),
        ("a target that was added", with(issued(9), &[("b", Pending)]), issued(9), vec![Complete]),
        ("added with a rotation", issued(9), issued(99), vec![Pending]),
        (
            "the credentials are gone",
            with(issued(9), &[("a", Complete)]),
            none.clone(),
            vec![Complete],
        ),
        (
            "issued again after that",
            with(none.clone(), &[("a", Complete)]),
            issued(99),
            vec![Pending],
        ),
    ] {
        let states: Vec<_> = after(&a, &before, &now).iter().map(|one| one.state).collect();
        assert_eq!(states, expected, "{row}");
    }
    assert_eq!(after(&[], &with(issued(9), &[("a", Pending)]), &issued(9)), []);
}

#[test]
fn credentials_that_rotate_at_about_the_same_time_share_a_restart() {
    // Issued at 0: the restart begins at 5 at the earliest, and at 300 at the latest.
    let renews =
        |second: i64| CredentialStatus { renewal_time: Some(Time(at(second))), ..issued(-2000) };
    for (row, others, now, expected) in [
        ("no others", vec![], 0, 5),
        ("one that rotated as well", vec![issued(1)], 0, 5),
        ("one that renews soon", vec![renews(100)], 0, 105),
        ("the latest of several", vec![renews(100), renews(200), issued(0)], 0, 205),
        ("one that renews too late", vec![renews(301)], 0, 5),
        ("one that renews at the last moment", vec![renews(299)], 0, 300),
        ("one that renews now", vec![renews(50)], 60, 300),
    ] {
        let begin = begin_at(&issued(0), others.iter(), at(now));
        assert_eq!(begin, at(expected), "{row}");
    }
}

#[test]
fn a_workload_is_restarted_once_and_never_during_another_rollout() {
    let rolling = json!({"status": {"updatedReplicas": 1}});
    let unseen = json!({"metadata": {"generation": 3}});
    let late = json!({"status": {"updatedReplicas": 1, "conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]}});
    let paused = json!({"spec": {"paused": true}});
    let stateful = |extra: Value| {
        let mut patch = json!({"kind": "StatefulSet", "status": {"readyReplicas": 3}});
        merge(&mut patch, extra);
        patch
    };
    let daemon = |updated: i32| json!({"kind": "DaemonSet", "status": {"desiredNumberScheduled": 4, "updatedNumberScheduled": updated, "numberAvailable": updated}});
    let on_delete = json!({"spec": {"updateStrategy": {"type": "OnDelete"}}});
    let partition = json!({"spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}}});
    for (row, patch, fingerprint, expected) in [
        ("before the restart", json!({}), "new", "Begin"),
        ("after it", json!({}), "now", "Complete"),
        ("it is running", rolling.clone(), "now", "Progressing"),
        ("it was not observed yet", unseen.clone(), "now", "Progressing"),
        ("it does not end", late.clone(), "now", "Stuck"),
        ("another one is running", rolling, "new", "Pending"),
        ("another one was not observed yet", unseen, "new", "Pending"),
        ("another one does not end", late, "new", "Pending"),
        ("paused", paused, "new", "Pending"),
        (
            "scaled to zero",
            json!({"spec": {"replicas": 0}, "status": {"replicas": 0, "updatedReplicas": 0, "availableReplicas": 0}}),
            "new",
            "Begin",
        ),
        ("old Pods are left", json!({"status": {"replicas": 4}}), "now", "Progressing"),
        ("a StatefulSet", stateful(json!({})), "new", "Begin"),
        (
            "a StatefulSet that is rolling",
            stateful(json!({"status": {"readyReplicas": 2}})),
            "now",
            "Progressing",
        ),
        ("a StatefulSet with OnDelete", stateful(on_delete), "new", "Failed"),
        ("a StatefulSet with a partition", stateful(partition), "new", "Failed"),
        ("a DaemonSet", daemon(4), "new", "Begin"),
        ("a DaemonSet that is rolling", daemon(3), "now", "Progressing"),
    ] {
        let restart = &with(issued(0), &[("a", RestartState::Progressing)]).restarts[0];
        let workload = workload(patch);
        let got = match step(restart, Some(&workload), "k", fingerprint, at(10)) {
            Step::Begin => "Begin".to_owned(),
            Step::Report(state, _) => format!("{state:?}"),
        };
        assert_eq!(got, expected, "{row}");
        if expected == "Progressing" {
            let Step::Report(state, _) = step(restart, Some(&workload), "k", fingerprint, at(600))
            else {
                panic!("{row}")
            };
            assert_eq!(state, RestartState::Stuck, "{row}");
        }
    }
    let restart = &with(issued(0), &[("a", RestartState::Pending)]).restarts[0];
    let Step::Report(state, message) = step(restart, None, "k", "new", at(10)) else { panic!() };
    assert_eq!(state, RestartState::Missing);
    assert_eq!(
        message.unwrap(),
        "there is no such Deployment: create it, or remove it from spec.restart"
    );
}

#[test]
fn the_time_of_a_restart_changes_only_with_its_state() {
    let pending = &with(issued(0), &[("a", RestartState::Pending)]).restarts[0];
    let waits = in_state(pending, RestartState::Pending, Some("a\nb".to_owned()), at(7));
    assert_eq!((waits.since.0, waits.message.as_deref()), (at(0), Some("a b")));
    assert_eq!(in_state(pending, RestartState::Complete, None, at(7)).since.0, at(7));
}

#[test]
fn a_restart_that_takes_long_is_requested_less_often() {
    let [progressing, failed] = [RestartState::Progressing, RestartState::Failed]
        .map(|state| with(issued(0), &[("a", state)]).restarts.remove(0));
    for (checked, expected) in [(0, 2), (8, 10), (40, 50), (240, 300), (3600, 3660)] {
        assert_eq!(check_at(&progressing, at(checked)), at(expected), "{checked}");
    }
    assert_eq!(check_at(&failed, at(0)), at(600));
}

#[test]
fn the_key_of_the_annotation_is_valid_for_every_name() {
    let name = |length: usize| format!("a{}.b", "x".repeat(length - 3));
    assert_eq!(annotation("reports"), "restart.tempcred.dev/reports");
    assert_eq!(annotation(&name(63)), format!("restart.tempcred.dev/{}", name(63)));
    let long = annotation(&name(64));
    let key = long.strip_prefix("restart.tempcred.dev/").unwrap();
    assert_eq!(key.len(), 63);
    assert!(key.starts_with("axxx") && key.ends_with(|c: char| c.is_ascii_hexdigit()));
    assert_ne!(annotation(&name(253)), annotation(&name(252)));
}
