//! `tempcred check --cluster`: what changed grants would do, and what they then do.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Checked, command, folder, grant, run, write, yaml};
use crate::grants::AFTER_A_CALL;
use crate::world::{World, assume, condition, is_ready, wait_until};

/// Compares grants with those in the cluster.
fn compare(world: &World, grants: &[Value], args: &[&str]) -> Checked {
    let grants = write(&folder(world, "changes"), "grants.yaml", &yaml(grants));
    let mut command = command(&["--cluster", "-o", "json", "--grants", &grants]);
    command.env("KUBECONFIG", world.rig.kubeconfig()).args(args);
    run(&mut command, "")
}

/// The effect on each resource.
fn effects(checked: &Checked) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let changes = checked.json()["cluster"].as_array().unwrap().clone();
    changes.iter().map(|change| (text(&change["name"]), text(&change["effect"]))).collect()
}

#[tokio::test]
async fn a_changed_grant_does_what_was_said_before_it_was_applied() {
    let mut world = World::new().await;
    let namespace = world.namespace.clone();
    world.start_operator(&[]).await;
    let long = |role: &str| {
        let mut spec = assume(role);
        spec["assumeRole"]["duration"] = json!("1h");
        spec
    };
    for (name, spec) in
        [("kept", assume("kept")), ("long", long("kept-2")), ("lost", assume("lost"))]
    {
        world.issue(name, spec).await;
    }
    let here = ["-n", namespace.as_str()];
    let same = compare(&world, &[grant(&namespace, world.any_role())], &here);
    assert_eq!((same.code, effects(&same)), (Some(0), BTreeMap::new()), "{same:?}");

    let narrow = json!({
        "namespaces": {"names": [namespace]}, "maxDuration": "30m",
        "roleArns": ["arn:aws:iam::123456789012:role/kept*"],
    });
    let said = compare(&world, &[grant(&namespace, narrow.clone())], &here);
    let expected = [("kept", "constrained"), ("long", "rejected"), ("lost", "revoked")];
    let expected = expected.map(|(name, effect)| (name.to_owned(), effect.to_owned()));
    assert_eq!((said.code, effects(&said)), (Some(1), expected.into()), "{said:?}");
    let everywhere = compare(&world, &[grant(&namespace, narrow.clone())], &["-A"]);
    assert!(effects(&everywhere).len() >= 3, "{everywhere:?}");

    // Nothing was changed so far.
    assert_eq!(world.sts.calls_total(), 3);
    world.grant(&namespace, narrow).await;
    for name in ["long", "lost"] {
        let denied = |status: &_| condition(status, "Ready") == Some((false, "NotGranted"));
        world.wait(name, "denied", denied).await;
    }
    wait_until("the other one is issued again", AFTER_A_CALL, || async {
        let calls = world.call_times("role/kept");
        (calls.len() == 3).then_some(())
    })
    .await;
    world.wait("kept", "ready", is_ready).await;
    let forms = world.sts.requests();
    let last = forms.iter().rev().find(|r| r.role_arn().is_some_and(|arn| arn.ends_with("/kept")));
    assert_eq!(last.unwrap().form["DurationSeconds"], "1800");
}

#[tokio::test]
async fn a_new_constraint_affects_all_resources_and_a_new_grant_allows_some() {
    let world = World::new().await;
    let namespace = &world.namespace;
    let elsewhere = json!({"roleArn": "arn:aws:iam::999999999999:role/r"});
    world.create("granted", assume("reports")).await;
    world.create("waiting", json!({"assumeRole": elsewhere})).await;
    world
        .create(
            "unsigned",
            json!({"assumeRoleWithWebIdentity": {
                "roleArn": "arn:aws:iam::123456789012:role/r", "serviceAccountName": "a",
            }}),
        )
        .await;
    let baseline = json!({
        "mode": "Constrain", "namespaces": {"names": [namespace]}, "roleArns": ["*"],
        "session": {"tags": {"stage": "{{ cluster }}"}},
    });
    let new = json!({
        "namespaces": {"names": [namespace]}, "roleArns": ["arn:aws:iam::999999999999:role/*"],
    });
    let grants =
        [grant(&format!("{namespace}-base"), baseline), grant(&format!("{namespace}-new"), new)];
    let said = compare(&world, &grants, &["-n", namespace, "--cluster-name", "prod"]);
    let expected = [("granted", "constrained"), ("waiting", "now-allowed")];
    let expected = expected.map(|(name, effect)| (name.to_owned(), effect.to_owned()));
    assert_eq!((said.code, effects(&said)), (Some(0), expected.into()), "{said:?}");
    let message = said.json()["cluster"][0]["message"].clone();
    assert!(message.as_str().unwrap().starts_with("tag stage for "), "{message}");
    assert!(message.as_str().unwrap().contains(": none → prod"), "{message}");
    let strict = ["-n", namespace, "--cluster-name", "prod", "--warnings-as-errors"];
    assert_eq!(compare(&world, &grants, &strict).code, Some(1));
}

#[test]
fn a_cluster_that_cannot_be_reached_is_an_input_that_cannot_be_read() {
    let folder = std::env::temp_dir().join(format!("tempcred-cluster-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let grants = write(&folder, "grants.yaml", "");
    let mut command = command(&["--cluster", "--grants", &grants]);
    command.env("KUBECONFIG", folder.join("none")).env("HOME", &folder);
    let checked = run(&mut command, "");
    assert_eq!(checked.code, Some(2), "{checked:?}");
    assert!(checked.err.contains("set KUBECONFIG or --context"), "{checked:?}");
    std::fs::remove_dir_all(folder).unwrap();
}
