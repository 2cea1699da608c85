//! Races between a grant and what is made under it: STS is held at the moment of the change.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use rig::sts::{Hold, Matching};
use serde_json::{Value, json};
use tempcred_core::api::CredentialStatus;

use crate::denial::{Denial, Denied};
use crate::world::{SOON, World, assert_complete, condition, is_ready, wait_until};

fn role(name: &str) -> String {
    format!("arn:aws:iam::123456789012:role/{name}")
}

fn assume(name: &str) -> Value {
    json!({"assumeRole": {"roleArn": role(name)}})
}

fn not_granted(status: &CredentialStatus) -> bool {
    condition(status, "Ready") == Some((false, "NotGranted"))
}

/// A world in which only the role `later` is granted, besides what a test grants.
async fn world(args: &[&str]) -> World {
    let mut world = World::new().await;
    world.grant(&world.namespace, granting(&world, "later")).await;
    world.start_operator(args).await;
    world
}

/// What a grant of a role to the namespace says.
fn granting(world: &World, name: &str) -> Value {
    json!({"namespaces": {"names": [world.namespace]}, "roleArns": [role(name)]})
}

/// The name of a second grant.
fn second(world: &World) -> String {
    format!("{}-second", world.namespace)
}

/// What the second grant says: of the role that is raced for, and of one whose credential shows what the
/// operator has seen.
fn raced(world: &World) -> Value {
    let mut grant = granting(world, "raced");
    grant["roleArns"] = json!([role("raced"), role("witness")]);
    grant
}

/// A credential of the second grant that is being issued, beside one that was.
async fn hold_issue(world: &World, grant: Value) -> Hold {
    world.grant(&second(world), grant).await;
    world.issue("witness", assume("witness")).await;
    let hold = world.sts.hold(Matching::any().role("role/raced"));
    world.create("raced", assume("raced")).await;
    tokio::time::timeout(SOON, hold.arrived(1)).await.unwrap();
    hold
}

/// What STS issued for a role, by access key.
fn issued(world: &World, name: &str) -> Vec<String> {
    let records = world.sts.issued().into_iter();
    let records = records.filter(|record| record.role_arn.as_deref() == Some(&role(name)));
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

/// Lets go once the operator knows, and shows that nothing comes of what was held.
async fn assert_not_written(world: &World, hold: Hold) {
    world.wait("witness", "refused", not_granted).await;
    hold.release();
    wait_until("STS has answered", SOON, || async {
        (issued(world, "raced").len() == 1).then_some(())
    })
    .await;
    world.wait("raced", "refused", not_granted).await;
    // What was held would have been written long before this.
    world.issue("later", assume("later")).await;
    assert!(world.secrets().get_opt("raced").await.unwrap().is_none(), "it was written");
    assert_eq!(world.sts.calls_for_role(&role("raced")), 1, "it was asked for again");
    assert_eq!(writes(world, "raced"), 0, "it was tried to write it");
    assert!(not_granted(&world.credentials().get("raced").await.unwrap().status.unwrap()));
    // Granted again, it is issued anew: nothing was kept.
    world.grant(&second(world), granting(world, "raced")).await;
    world.wait("raced", "ready", is_ready).await;
    let key = assert_complete(&world.secrets().get("raced").await.unwrap());
    assert_ne!(key, issued(world, "raced")[0], "what was held was written after all");
}

#[tokio::test]
async fn what_is_issued_while_its_grant_is_withdrawn_is_not_written() {
    let world = world(&[]).await;
    let hold = hold_issue(&world, raced(&world)).await;
    world.withdraw(&second(&world)).await;
    assert_not_written(&world, hold).await;
}

#[tokio::test]
async fn what_is_issued_while_its_grant_is_narrowed_is_not_written() {
    let world = world(&[]).await;
    let hold = hold_issue(&world, raced(&world)).await;
    world.grant(&second(&world), granting(&world, "raced-no-more")).await;
    assert_not_written(&world, hold).await;
}

#[tokio::test]
async fn what_is_issued_while_its_grant_turns_to_others_is_not_written() {
    let world = world(&[]).await;
    let hold = hold_issue(&world, raced(&world)).await;
    let mut others = raced(&world);
    others["namespaces"]["names"] = json!(["somebody-else"]);
    world.grant(&second(&world), others).await;
    assert_not_written(&world, hold).await;
}

#[tokio::test]
async fn what_is_issued_while_its_namespace_loses_the_label_is_not_written() {
    let world = world(&[]).await;
    let label = |value: Value| {
        let namespaces: Api<Namespace> = Api::all(world.client.clone());
        let patch = Patch::Merge(json!({"metadata": {"labels": {"team": value}}}));
        let name = &world.namespace;
        async move { namespaces.patch(name, &PatchParams::default(), &patch).await.unwrap() }
    };
    label(json!("payroll")).await;
    let mut by_label = raced(&world);
    by_label["namespaces"] =
        json!({"names": [world.namespace], "selector": {"matchLabels": {"team": "payroll"}}});
    let hold = hold_issue(&world, by_label).await;
    label(Value::Null).await;
    assert_not_written(&world, hold).await;
}

#[tokio::test]
async fn a_call_with_outdated_constraints_is_repeated_once_and_its_result_is_not_written() {
    let world = world(&[]).await;
    let hold = hold_issue(&world, raced(&world)).await;
    let mut spec = raced(&world);
    spec["session"] = json!({"externalId": "new/{{ name }}"});
    world.grant(&second(&world), spec).await;
    // The first call is given up at once, for one on the new terms.
    tokio::time::timeout(SOON, hold.arrived(2)).await.unwrap();
    hold.release();
    world.wait("raced", "ready", is_ready).await;
    world.issue("later", assume("later")).await;
    let requests = world.sts.requests();
    let raced: Vec<_> = requests.iter().filter(|r| r.role_arn() == Some(&role("raced"))).collect();
    let ids: Vec<_> = raced.iter().map(|r| r.form.get("ExternalId").map(String::as_str)).collect();
    assert_eq!(ids, [None, Some("new/raced")]);
    assert_eq!(writes(&world, "raced"), 1, "the old one was written");
    assert_complete(&world.secrets().get("raced").await.unwrap());
}

#[tokio::test]
async fn a_queued_request_is_not_made_once_its_grant_is_withdrawn() {
    let world = world(&["--sts-rate", "1"]).await;
    let mut grant = granting(&world, "raced");
    grant["roleArns"] = json!([role("raced-*")]);
    world.grant(&second(&world), grant).await;
    let hold = world.sts.hold(Matching::any().role("role/raced-"));
    let names: Vec<String> = (0..6).map(|n| format!("raced-{n}")).collect();
    futures::future::join_all(names.iter().map(|name| world.create(name, assume(name)))).await;
    tokio::time::timeout(SOON, hold.arrived(1)).await.unwrap();
    world.withdraw(&second(&world)).await;
    for name in &names {
        world.wait(name, "refused", not_granted).await;
    }
    hold.release();
    let calls = world.call_times("role/raced-").len();
    // Those who waited would have had their turn before this one.
    world.issue("later", assume("later")).await;
    assert_eq!(world.call_times("role/raced-").len(), calls, "asked for after the refusal");
    assert!(calls < names.len(), "none had to wait");
    let secrets = world.secrets().list(&Default::default()).await.unwrap();
    assert_eq!(secrets.items.len(), 1);
}

#[tokio::test]
async fn a_grant_that_is_withdrawn_between_two_hops_ends_the_chain() {
    let world = world(&[]).await;
    world.grant(&format!("{}-hop", world.namespace), granting(&world, "hop")).await;
    world.grant(&second(&world), raced(&world)).await;
    world.issue("witness", assume("witness")).await;
    let hold = world.sts.hold(Matching::any().role("role/hop"));
    let chain = json!({"via": [{"roleArn": role("hop")}], "roleArn": role("raced")});
    world.create("raced", json!({"assumeRole": chain})).await;
    tokio::time::timeout(SOON, hold.arrived(1)).await.unwrap();
    world.withdraw(&second(&world)).await;
    world.wait("witness", "refused", not_granted).await;
    hold.release();
    wait_until("STS has answered", SOON, || async {
        (issued(&world, "hop").len() == 1).then_some(())
    })
    .await;
    world.wait("raced", "refused", not_granted).await;
    world.issue("later", assume("later")).await;
    assert_eq!(world.sts.calls_for_role(&role("raced")), 0, "the chain went on");
    assert!(world.secrets().get_opt("raced").await.unwrap().is_none());
}

#[tokio::test]
async fn a_withdrawn_grant_takes_every_kind_of_secret_with_it() {
    let world = world(&[]).await;
    let mut grant = granting(&world, "raced");
    grant["roleArns"] = json!([role("raced-*")]);
    world.grant(&second(&world), grant).await;
    let kinds = [
        ("raced-plain", json!({})),
        ("raced-retained", json!({"deletionPolicy": "Retain"})),
        ("raced-suspended", json!({})),
        ("raced-edited", json!({})),
        ("raced-terminating", json!({})),
    ];
    for (name, secret) in &kinds {
        let mut spec = assume(name);
        spec["secret"] = secret.clone();
        world.issue(name, spec).await;
    }
    world.patch("raced-suspended", json!({"spec": {"suspend": true}})).await;
    let edit = Patch::Merge(json!({"metadata": {"annotations": {
        "tempcred.dev/request-hash": "x", "tempcred.dev/expiration": "2099-01-01T00:00:00Z",
    }}}));
    world.secrets().patch("raced-edited", &PatchParams::default(), &edit).await.unwrap();
    // Deleted, and kept from ending: it is neither renewed nor told anything, and yet it has a Secret.
    world.patch("raced-terminating", json!({"metadata": {"finalizers": ["example.com/x"]}})).await;
    world.credentials().delete("raced-terminating", &Default::default()).await.unwrap();
    world.withdraw(&second(&world)).await;
    for (name, _) in &kinds {
        world.wait(name, "refused", not_granted).await;
        wait_until("its Secret is gone", SOON, || async {
            world.secrets().get_opt(name).await.unwrap().is_none().then_some(())
        })
        .await;
    }
    let calls = world.call_times("role/raced-").len();
    world.issue("later", assume("later")).await;
    assert_eq!(world.call_times("role/raced-").len(), calls);
}

/// What could not be written is held in memory, and goes with the grant.
#[tokio::test]
async fn pending_credentials_are_dropped_once_their_grant_is_withdrawn() {
    let world = world(&[]).await;
    world.grant(&second(&world), raced(&world)).await;
    let denial = Denial::start(&world, Denied::Secrets).await;
    world.create("raced", assume("raced")).await;
    let rejected = |s: &_| condition(s, "Ready") == Some((false, "SecretRejected"));
    world.wait("raced", "rejected", rejected).await;
    world.withdraw(&second(&world)).await;
    world.wait("raced", "refused", not_granted).await;
    denial.end().await;
    world.issue("later", assume("later")).await;
    assert!(world.secrets().get_opt("raced").await.unwrap().is_none());
    world.grant(&second(&world), raced(&world)).await;
    world.wait("raced", "ready", is_ready).await;
    let key = assert_complete(&world.secrets().get("raced").await.unwrap());
    assert_eq!(issued(&world, "raced").len(), 2);
    assert_eq!(key, issued(&world, "raced")[1], "what was held was written after all");
}

/// A tenant can keep a Secret from ending, but neither the operator busy nor the credentials alive.
#[tokio::test]
async fn a_secret_kept_by_a_finalizer_is_not_renewed_and_causes_no_loop() {
    let world = world(&[]).await;
    world.grant(&second(&world), raced(&world)).await;
    world.issue("raced", assume("raced")).await;
    let keep = |finalizers: Value| {
        let patch = Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
        let secrets = world.secrets();
        async move { secrets.patch("raced", &PatchParams::default(), &patch).await.unwrap() }
    };
    keep(json!(["example.com/x"])).await;
    world.withdraw(&second(&world)).await;
    world.wait("raced", "refused", not_granted).await;
    world.issue("later", assume("later")).await;
    let secret = world.secrets().get("raced").await.unwrap();
    assert!(secret.metadata.deletion_timestamp.is_some(), "it was not removed");
    // What came from the wish to go on, and its going.
    assert!(writes(&world, "raced") <= 4, "{} writes", writes(&world, "raced"));
    keep(Value::Null).await;
    wait_until("its Secret is gone", SOON, || async {
        world.secrets().get_opt("raced").await.unwrap().is_none().then_some(())
    })
    .await;
    assert_eq!(world.sts.calls_for_role(&role("raced")), 1);
}
