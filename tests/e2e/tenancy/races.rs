//! Races between a grant and a call that it allows: the reply of STS is held while the grant changes.

use futures::future::join_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use rig::sts::{Hold, Matching};
use serde_json::{Value, json};
use tempcred_core::api::CredentialStatus;

use crate::denial::{Denial, Denied};
use crate::world::{SOON, World, assume, condition, is_ready, role_arn, wait_until};

fn not_granted(status: &CredentialStatus) -> bool {
    condition(status, "Ready") == Some((false, "NotGranted"))
}

/// A world with a grant for the role `later`; a test adds others.
async fn world(args: &[&str]) -> World {
    let mut world = World::new().await;
    world.grant(&world.namespace, granting(&world, "later")).await;
    world.start_operator(args).await;
    world
}

/// The spec of a grant of a role to the namespace.
fn granting(world: &World, name: &str) -> Value {
    json!({"namespaces": {"names": [world.namespace]}, "roleArns": [role_arn(name)]})
}

/// The name of the grant of a role.
fn grant_of(world: &World, name: &str) -> String {
    format!("{}-{name}", world.namespace)
}

/// The name of the role whose credential shows what the operator has seen of a grant.
fn witness(name: &str) -> String {
    format!("witness-{name}")
}

/// A grant of a role, and of its witness.
fn with_witness(world: &World, name: &str) -> Value {
    let mut grant = granting(world, name);
    grant["roleArns"] = json!([role_arn(name), role_arn(&witness(name))]);
    grant
}

/// Creates a credential whose call to STS is held, and a ready one under the same grant.
async fn hold_issue(world: &World, name: &str, grant: Value) -> Hold {
    world.grant(&grant_of(world, name), grant).await;
    world.issue(&witness(name), assume(&witness(name))).await;
    let hold = world.sts.hold(Matching::any().role(&role_arn(name)));
    world.create(name, assume(name)).await;
    tokio::time::timeout(SOON, hold.arrived(1)).await.unwrap();
    hold
}

/// What STS issued for a role, by access key.
fn issued(world: &World, name: &str) -> Vec<String> {
    let records = world.sts.issued().into_iter();
    let records = records.filter(|record| record.role_arn.as_deref() == Some(&role_arn(name)));
    records.map(|record| record.access_key_id).collect()
}

/// How often the operator tried to write a Secret.
fn writes(world: &World, name: &str) -> usize {
    let audit = world.rig.audit().expect("needs the rig's own API server");
    let mut all = audit.requests(world.rig.operator().name(), Some(&world.namespace)).unwrap();
    let is_write = |verb: &str| ["create", "update", "patch", "delete"].contains(&verb);
    all.retain(|r| r.resource == "secrets" && r.name == name && is_write(&r.verb));
    all.len()
}

/// Releases the call once the operator has seen the change, and asserts that its result is not used.
async fn assert_not_written(world: &World, name: &str, hold: Hold) {
    world.wait(&witness(name), "refused", not_granted).await;
    hold.release();
    wait_until("STS has answered", SOON, || async {
        (issued(world, name).len() == 1).then_some(())
    })
    .await;
    world.wait(name, "refused", not_granted).await;
    // A write of the result would have come before this one.
    world.issue(&format!("after-{name}"), assume("later")).await;
    assert!(world.secrets().get_opt(name).await.unwrap().is_none(), "{name}: it was written");
    assert_eq!(world.sts.calls_for_role(&role_arn(name)), 1, "{name}: a second call");
    assert_eq!(writes(world, name), 0, "{name}: an attempt to write");
    assert!(not_granted(&world.credentials().get(name).await.unwrap().status.unwrap()));
    // Granted again, it is issued anew: nothing was kept.
    world.grant(&grant_of(world, name), granting(world, name)).await;
    world.wait(name, "ready", is_ready).await;
    let key = world.complete_key(name).await;
    assert_ne!(key, issued(world, name)[0], "{name}: the result was written after all");
}

/// How a grant ends for a resource while STS is called.
#[derive(Clone, Copy)]
enum Change {
    Withdrawn,
    OtherRole,
    OtherNamespace,
    LabelRemoved,
}

async fn change_during_the_call(world: &World, name: &str, change: Change) {
    let mut grant = with_witness(world, name);
    let label = |value: Value| {
        let namespaces: Api<Namespace> = Api::all(world.client.clone());
        let patch = Patch::Merge(json!({"metadata": {"labels": {"team": value}}}));
        let name = &world.namespace;
        async move { namespaces.patch(name, &PatchParams::default(), &patch).await.unwrap() }
    };
    if let Change::LabelRemoved = change {
        label(json!("payroll")).await;
        grant["namespaces"] =
            json!({"names": [world.namespace], "selector": {"matchLabels": {"team": "payroll"}}});
    }
    let hold = hold_issue(world, name, grant.clone()).await;
    match change {
        Change::Withdrawn => world.withdraw(&grant_of(world, name)).await,
        Change::OtherRole => {
            world.grant(&grant_of(world, name), granting(world, "another")).await;
        }
        Change::OtherNamespace => {
            grant["namespaces"]["names"] = json!(["another"]);
            world.grant(&grant_of(world, name), grant).await;
        }
        Change::LabelRemoved => {
            label(Value::Null).await;
        }
    }
    assert_not_written(world, name, hold).await;
}

#[tokio::test]
async fn credentials_are_not_written_if_their_grant_changes_during_the_call() {
    let world = world(&[]).await;
    let rows = [
        ("withdrawn", Change::Withdrawn),
        ("other-role", Change::OtherRole),
        ("other-namespace", Change::OtherNamespace),
        ("label-removed", Change::LabelRemoved),
    ];
    join_all(rows.map(|(name, change)| change_during_the_call(&world, name, change))).await;
}

#[tokio::test]
async fn a_call_with_outdated_constraints_is_repeated_once_and_its_result_is_not_written() {
    let world = world(&[]).await;
    let hold = hold_issue(&world, "raced", with_witness(&world, "raced")).await;
    let mut spec = with_witness(&world, "raced");
    spec["session"] = json!({"externalId": "new/{{ name }}"});
    world.grant(&grant_of(&world, "raced"), spec).await;
    // The first call is cancelled at once, and another one is made with the new constraints.
    tokio::time::timeout(SOON, hold.arrived(2)).await.unwrap();
    hold.release();
    world.wait("raced", "ready", is_ready).await;
    world.issue("later", assume("later")).await;
    let requests = world.sts.requests();
    let raced: Vec<_> =
        requests.iter().filter(|r| r.role_arn() == Some(&role_arn("raced"))).collect();
    let ids: Vec<_> = raced.iter().map(|r| r.form.get("ExternalId").map(String::as_str)).collect();
    assert_eq!(ids, [None, Some("new/raced")]);
    assert_eq!(writes(&world, "raced"), 1, "the old one was written");
    world.complete_key("raced").await;
}

#[tokio::test]
async fn a_queued_request_is_not_made_once_its_grant_is_withdrawn() {
    let world = world(&["--sts-rate", "1"]).await;
    let mut grant = granting(&world, "raced");
    grant["roleArns"] = json!([role_arn("raced-*")]);
    world.grant(&grant_of(&world, "raced"), grant).await;
    let hold = world.sts.hold(Matching::any().role("role/raced-"));
    let names: Vec<String> = (0..20).map(|n| format!("raced-{n}")).collect();
    futures::future::join_all(names.iter().map(|name| world.create(name, assume(name)))).await;
    tokio::time::timeout(SOON, hold.arrived(1)).await.unwrap();
    world.withdraw(&grant_of(&world, "raced")).await;
    for name in &names {
        world.wait(name, "refused", not_granted).await;
    }
    hold.release();
    let calls = world.call_times("role/raced-").len();
    // The queued requests would have been made before this one.
    world.issue("later", assume("later")).await;
    assert_eq!(world.call_times("role/raced-").len(), calls, "a call after the refusal");
    assert!(calls < names.len(), "none was queued");
    let secrets = world.secrets().list(&Default::default()).await.unwrap();
    assert_eq!(secrets.items.len(), 1);
}

#[tokio::test]
async fn a_grant_that_is_withdrawn_between_two_hops_ends_the_chain() {
    let world = world(&[]).await;
    world.grant(&format!("{}-hop", world.namespace), granting(&world, "hop")).await;
    world.grant(&grant_of(&world, "raced"), with_witness(&world, "raced")).await;
    world.issue(&witness("raced"), assume(&witness("raced"))).await;
    let hold = world.sts.hold(Matching::any().role("role/hop"));
    let chain = json!({"via": [{"roleArn": role_arn("hop")}], "roleArn": role_arn("raced")});
    world.create("raced", json!({"assumeRole": chain})).await;
    tokio::time::timeout(SOON, hold.arrived(1)).await.unwrap();
    world.withdraw(&grant_of(&world, "raced")).await;
    world.wait(&witness("raced"), "refused", not_granted).await;
    hold.release();
    wait_until("STS has answered", SOON, || async {
        (issued(&world, "hop").len() == 1).then_some(())
    })
    .await;
    world.wait("raced", "refused", not_granted).await;
    world.issue("later", assume("later")).await;
    assert_eq!(world.sts.calls_for_role(&role_arn("raced")), 0, "the chain went on");
    assert!(world.secrets().get_opt("raced").await.unwrap().is_none());
}

/// Credentials that cannot be written stay in memory, until their grant is withdrawn.
#[tokio::test]
async fn pending_credentials_are_dropped_once_their_grant_is_withdrawn() {
    let world = world(&[]).await;
    world.grant(&grant_of(&world, "raced"), with_witness(&world, "raced")).await;
    let denial = Denial::start(&world, Denied::Secrets).await;
    world.create("raced", assume("raced")).await;
    let rejected = |s: &_| condition(s, "Ready") == Some((false, "SecretRejected"));
    world.wait("raced", "rejected", rejected).await;
    world.withdraw(&grant_of(&world, "raced")).await;
    world.wait("raced", "refused", not_granted).await;
    denial.end().await;
    world.issue("later", assume("later")).await;
    assert!(world.secrets().get_opt("raced").await.unwrap().is_none());
    world.grant(&grant_of(&world, "raced"), with_witness(&world, "raced")).await;
    world.wait("raced", "ready", is_ready).await;
    let key = world.complete_key("raced").await;
    assert_eq!(issued(&world, "raced").len(), 2);
    assert_eq!(key, issued(&world, "raced")[1], "the dropped credentials were written after all");
}

/// A finalizer of a tenant keeps a Secret in deletion, but it neither busies the operator nor is it renewed.
#[tokio::test]
async fn a_secret_kept_by_a_finalizer_is_not_renewed_and_causes_no_loop() {
    let world = world(&["--withdrawn-secrets", "remove"]).await;
    world.grant(&grant_of(&world, "raced"), with_witness(&world, "raced")).await;
    world.issue("raced", assume("raced")).await;
    let keep = |finalizers: Value| {
        let patch = Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
        let secrets = world.secrets();
        async move { secrets.patch("raced", &PatchParams::default(), &patch).await.unwrap() }
    };
    keep(json!(["example.com/x"])).await;
    world.withdraw(&grant_of(&world, "raced")).await;
    world.wait("raced", "refused", not_granted).await;
    world.issue("later", assume("later")).await;
    let secret = world.secrets().get("raced").await.unwrap();
    assert!(secret.metadata.deletion_timestamp.is_some(), "it was not removed");
    // Those of the issue, and those of the removal.
    assert!(writes(&world, "raced") <= 4, "{} writes", writes(&world, "raced"));
    keep(Value::Null).await;
    world.wait_for_removal("raced").await;
    assert_eq!(world.sts.calls_for_role(&role_arn("raced")), 1);
}
