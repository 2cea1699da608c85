//! Pods that are left alone, with an annotation that says why.

use serde_json::{Value, json};

use super::{GUIDE, Injection, alone, crowded, pod, status, unlabelled};

/// A spec with a change at a pointer.
fn with(mut spec: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    spec.pointer_mut(parent).unwrap()[name] = value;
    spec
}

/// A Pod whose first container has a variable.
fn variable(variable: Value) -> Value {
    with(alone(), "/containers/0/env", json!([variable]))
}

/// A variable with a value.
fn set(name: &str) -> Value {
    variable(json!({"name": name, "value": "theirs"}))
}

fn mounted(path: &str) -> Value {
    let spec = with(alone(), "/volumes", json!([{"name": "theirs", "emptyDir": {}}]));
    with(spec, "/containers/0/volumeMounts", json!([{"name": "theirs", "mountPath": path}]))
}

fn key_of_a_secret(name: &str) -> Value {
    let key = json!({"secretKeyRef": {"name": "theirs", "key": "key"}});
    variable(json!({"name": name, "valueFrom": key}))
}

#[tokio::test]
async fn a_pod_with_its_own_credentials_or_the_network_of_the_node_is_left_alone() {
    let injection = Injection::new().await;
    let volume = |source: Value| with(alone(), "/volumes", json!([source]));
    let both = &["files", "agent"][..];
    let (files, agent) = both.split_at(1);
    let mut rows = vec![
        (
            both,
            key_of_a_secret("AWS_SECRET_ACCESS_KEY"),
            "container app sets AWS_SECRET_ACCESS_KEY",
        ),
        (
            both,
            with(
                crowded(),
                "/initContainers/0/env",
                json!([{"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/token"}]),
            ),
            "container prepare sets AWS_WEB_IDENTITY_TOKEN_FILE",
        ),
        (agent, set("AWS_PROFILE"), "container app sets AWS_PROFILE"),
        (agent, set("AWS_DEFAULT_PROFILE"), "container app sets AWS_DEFAULT_PROFILE"),
        (both, with(alone(), "/hostNetwork", true.into()), "the Pod uses the network of the node"),
        (both, with(alone(), "/os", json!({"name": "windows"})), "the Pod runs on Windows"),
        (
            both,
            volume(json!({"name": "tempcred", "emptyDir": {}})),
            "the Pod has another volume named tempcred",
        ),
        (
            both,
            volume(json!({"name": "tempcred", "secret": {"secretName": "other"}})),
            "the Pod has another volume named tempcred",
        ),
        (
            files,
            mounted("/var/run/secrets/tempcred.dev"),
            "container app mounts another volume at /var/run/secrets/tempcred.dev",
        ),
        (
            files,
            mounted("/var/run/secrets/tempcred.dev/more"),
            "container app mounts another volume at /var/run/secrets/tempcred.dev",
        ),
        (
            both,
            with(alone(), "/containers/0/name", "tempcred-agent".into()),
            "a container has the name tempcred-agent",
        ),
        (
            both,
            with(set("AWS_ACCESS_KEY_ID"), "/hostNetwork", true.into()),
            "the Pod uses the network of the node; container app sets AWS_ACCESS_KEY_ID",
        ),
    ];
    let set = [
        ("AWS_ACCESS_KEY_ID", "container app sets AWS_ACCESS_KEY_ID"),
        ("AWS_SESSION_TOKEN", "container app sets AWS_SESSION_TOKEN"),
        ("AWS_SHARED_CREDENTIALS_FILE", "container app sets AWS_SHARED_CREDENTIALS_FILE"),
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "container app sets AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ),
        (
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "container app sets AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        ),
        (
            "AWS_CONTAINER_AUTHORIZATION_TOKEN",
            "container app sets AWS_CONTAINER_AUTHORIZATION_TOKEN",
        ),
        (
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            "container app sets AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        ),
    ]
    .map(|(name, reason)| (both, set(name), reason));
    rows.extend(set);
    for (modes, spec, reason) in rows {
        for part in reason.split("; ") {
            let shown = match part.split_once(" sets ") {
                Some((_, variable)) => format!("`{variable}`"),
                None => format!("`{}`", part.replace("container app", "container NAME")),
            };
            assert!(GUIDE.contains(&shown), "the guide does not say {shown}");
        }
        for mode in modes {
            let asked = pod("reports", mode, spec.clone());
            let created = injection.create(&asked).await.unwrap();
            let row = format!("{mode}: {reason}");
            assert_eq!(status(&created), Some(format!("skipped: {reason}").as_str()), "{row}");
            let plain = injection.create(&unlabelled(&asked)).await.unwrap();
            assert_eq!(created["spec"], plain["spec"], "{row}");
        }
    }
}

#[tokio::test]
async fn variables_that_select_no_credentials_and_mounts_beside_the_folder_are_no_reason() {
    let injection = Injection::new().await;
    for (row, mode, spec) in [
        ("a region", "agent", set("AWS_REGION")),
        ("a configuration", "files", set("AWS_CONFIG_FILE")),
        ("a role to assume", "files", set("AWS_ROLE_ARN")),
        ("a folder beside it", "files", mounted("/var/run/secrets/tempcred.device")),
        ("a folder of the agent", "agent", mounted("/var/run/secrets/tempcred.dev")),
    ] {
        let created = injection.create(&pod("reports", mode, spec)).await.unwrap();
        assert_eq!(status(&created), Some("injected"), "{row}");
    }
}
