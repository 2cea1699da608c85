//! A revoked grant: nothing is issued or renewed, and the Secrets stay until their credentials expire, or are removed
//! at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::future::join_all;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::ListParams;
use rig::sts::Fault;
use serde_json::json;
use tempcred_core::api::{CredentialStatus, TemporaryCredential};

use crate::chart::rights::installed_for;
use crate::world::{
    SOON, World, assume, condition, failure, heavy, is_ready, plain, role_arn, wait_until,
};

/// How many credentials one grant allows.
const MANY: usize = 500;

/// Deadline for all of them.
const LONG: Duration = Duration::from_secs(120);

fn is_not_granted(status: &CredentialStatus) -> bool {
    condition(status, "Ready") == Some((false, "NotGranted"))
}

/// When the operator deleted Secrets, by their name.
fn removals(world: &World) -> BTreeMap<String, Timestamp> {
    let audit = world.rig.audit().expect("needs the rig's own API server");
    let requests = audit.requests(world.rig.operator().name(), Some(&world.namespace)).unwrap();
    let removals = requests.into_iter().filter(|r| r.resource == "secrets" && r.verb == "delete");
    removals.map(|request| (request.name, request.at)).collect()
}

/// The resource versions of all Secrets in the namespace.
async fn versions(world: &World) -> BTreeMap<String, String> {
    let secrets = world.secrets().list(&ListParams::default()).await.unwrap();
    let version = |secret: &k8s_openapi::api::core::v1::Secret| secret.resource_version().unwrap();
    secrets.iter().map(|secret| (secret.name_any(), version(secret))).collect()
}

/// Asserts that the metrics of the alert show so many resources that lost their grant, and so many withdrawn Secrets.
async fn assert_counted(world: &World, lost: usize, secrets: usize) {
    assert_eq!(world.metric("tempcred_credentials_withdrawn_total").await, Some(lost as f64));
    wait_until("the cache has the last status", SOON, || async {
        (world.metric("tempcred_withdrawn_secrets").await == Some(secrets as f64)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_withdrawn_secret_stays_until_its_credentials_expire() {
    let mut world = World::new().await;
    let lifetime = Duration::from_secs(30);
    world.sts.inject(Fault::lifetime(lifetime));
    world.start_operator(&[]).await;
    let retained = json!({"deletionPolicy": "Retain"});
    let specs = [
        ("renewed", plain()),
        ("retained", json!({"assumeRole": {"roleArn": role_arn("a")}, "secret": retained})),
        ("suspended", assume("b")),
        ("terminating", assume("c")),
        ("edited", assume("d")),
    ];
    for (name, spec) in &specs {
        world.issue(name, spec.clone()).await;
    }
    world.patch("suspended", json!({"spec": {"suspend": true}})).await;
    world
        .wait("suspended", "suspended", |s| condition(s, "Ready") == Some((true, "Suspended")))
        .await;
    // A finalizer keeps this one in deletion, so its Secret stays, too.
    world.patch("terminating", json!({"metadata": {"finalizers": ["example.com/x"]}})).await;
    world.credentials().delete("terminating", &Default::default()).await.unwrap();
    world.withdraw(&world.namespace).await;
    for (name, _) in &specs {
        let status = world.wait(name, "not granted", is_not_granted).await.status.unwrap();
        let until = status.expiration.as_ref().unwrap().0;
        let says = format!("Secret {name} stays until its credentials expire at {until}");
        assert!(failure(&status).message.contains(&says), "{}", failure(&status).message);
        assert_eq!(condition(&status, "Stalled"), Some((true, "NotGranted")));
        assert!(status.renewal_time.is_none(), "{name} would be renewed");
    }
    let secrets = versions(&world).await;
    assert_eq!(secrets.len(), specs.len());
    // A deletion changes the generation, like a change of the spec.
    assert_counted(&world, specs.len() - 1, specs.len()).await;
    // Neither a request of the tenant, nor an edit, nor a restart changes that.
    world.request_renewal("renewed", "now").await;
    let forever =
        json!({"metadata": {"annotations": {"tempcred.dev/expiration": "2099-01-01T00:00:00Z"}}});
    world.edit_secret("edited", forever).await;
    let calls = world.sts.calls_total();
    world.kill_operator();
    world.start_operator(&[]).await;
    for (name, _) in &specs {
        world.wait_for_removal(name).await;
        let status = world.wait(name, "removed", |s| s.secret.is_none()).await.status.unwrap();
        assert!(is_not_granted(&status) && status.expiration.is_none(), "{status:?}");
    }
    assert_eq!(world.sts.calls_total(), calls);
    let removals = removals(&world);
    let issued = world.sts.issued().into_iter();
    // The last ones of each role.
    let expirations: BTreeMap<_, _> =
        issued.map(|issued| (issued.role_arn.unwrap(), issued.expiration)).collect();
    for (name, spec) in &specs {
        let role = spec["assumeRole"]["roleArn"].as_str().unwrap();
        let removed = removals[*name].duration_since(expirations[role]);
        // The clocks of the operator and of the responder are the same, and times in the status are whole seconds.
        assert!(removed.as_secs() >= -1, "{name} was removed {removed} after its expiry");
        assert!(removed.as_secs() < 20, "{name} was removed {removed} after its expiry");
    }
    let events = world.events("renewed").await;
    let of_revocation = |(type_, reason, note): (String, String, String)| {
        (type_ == "Warning" && reason == "NotGranted").then_some(note)
    };
    let notes: Vec<_> = events.into_iter().filter_map(of_revocation).collect();
    assert!(notes.iter().any(|note| note.contains("stays until")), "{notes:?}");
    assert!(notes.iter().any(|note| note.starts_with("Secret renewed was removed.")), "{notes:?}");
    assert!(world.stop_operator().success());
}

#[tokio::test]
async fn granted_again_before_the_expiration_nothing_is_issued_and_edits_are_repaired() {
    let mut world = World::start().await;
    let names = ["untouched", "edited", "suspended"];
    for name in names {
        world.issue(name, plain()).await;
    }
    world.patch("suspended", json!({"spec": {"suspend": true}})).await;
    world
        .wait("suspended", "suspended", |s| condition(s, "Ready") == Some((true, "Suspended")))
        .await;
    let before = versions(&world).await;
    world.withdraw(&world.namespace).await;
    for name in names {
        world.wait(name, "not granted", is_not_granted).await;
    }
    let edit = json!({"data": {"AWS_ACCESS_KEY_ID": "ZWRpdGVk"}});
    let edited = world.edit_secret("edited", edit).await;
    // A witness: the edit is known.
    world
        .wait("edited", "read", |s| {
            s.secret.as_ref().map(|s| &s.resource_version)
                == edited.metadata.resource_version.as_ref()
        })
        .await;
    assert!(is_not_granted(&world.credentials().get("edited").await.unwrap().status.unwrap()));
    world.grant(&world.namespace, world.any_role()).await;
    for name in names {
        world.wait(name, "ready again", is_ready).await;
        world.complete_key(name).await;
    }
    assert_eq!(world.sts.calls_total(), names.len());
    let mut after = versions(&world).await;
    assert_ne!(after["edited"], before["edited"]);
    after.insert("edited".to_owned(), before["edited"].clone());
    assert_eq!(after, before);
    assert!(world.stop_operator().success());
}

/// How many of the resources are in a state.
async fn count(world: &World, state: impl Fn(&CredentialStatus) -> bool) -> usize {
    let all = world.credentials().list(&ListParams::default()).await.unwrap();
    let in_state = |resource: &&TemporaryCredential| resource.status.as_ref().is_some_and(&state);
    all.iter().filter(in_state).count()
}

async fn all(world: &World, what: &str, state: impl Fn(&CredentialStatus) -> bool) {
    wait_until(what, LONG, || async { (count(world, &state).await == MANY).then_some(()) }).await;
}

#[tokio::test]
async fn revoking_a_grant_of_500_credentials() {
    let _heavy = heavy().await;
    let mut world = World::new().await;
    let fast = ["--sts-rate", "1000"];
    world.start_operator(&fast).await;
    let names: Vec<_> = (0..MANY).map(|n| format!("c-{n}")).collect();
    let begin = Instant::now();
    let created = names.iter().map(|name| world.create(name, plain()));
    stream::iter(created).buffer_unordered(16).collect::<Vec<_>>().await;
    all(&world, "all are issued", is_ready).await;
    let issuing = begin.elapsed();
    let (calls, before) = (world.sts.calls_total(), versions(&world).await);
    assert_eq!((calls, before.len()), (MANY, MANY));
    assert_eq!(world.metric("tempcred_credentials_withdrawn_total").await, Some(0.0));

    // `expire` is the default.
    let begin = Instant::now();
    world.withdraw(&world.namespace).await;
    all(&world, "all are reported", is_not_granted).await;
    println!(
        "{MANY} credentials are reported {:?} after the deletion of their grant",
        begin.elapsed()
    );
    assert_counted(&world, MANY, MANY).await;
    assert_eq!(versions(&world).await, before, "a Secret was touched");
    world.grant(&world.namespace, world.any_role()).await;
    all(&world, "all are ready again", is_ready).await;
    assert_eq!(versions(&world).await, before, "a Secret was touched");
    assert_eq!(world.sts.calls_total(), calls);
    assert!(world.stop_operator().success());

    world.start_operator(&[&fast[..], &["--withdrawn-secrets", "remove"]].concat()).await;
    world.wait_for_reconciliations(MANY).await;
    let begin = Timestamp::now();
    world.withdraw(&world.namespace).await;
    wait_until("all Secrets are removed", LONG, || async {
        world.secrets().list(&ListParams::default()).await.unwrap().items.is_empty().then_some(())
    })
    .await;
    wait_until("all removals are in the audit log", SOON, || async {
        (removals(&world).len() == MANY).then_some(())
    })
    .await;
    let last = removals(&world).into_values().max().unwrap();
    let took = last.duration_since(begin);
    println!(
        "{MANY} Secrets are removed {took} after the deletion of their grant, issued in {issuing:?}"
    );
    assert_eq!(world.sts.calls_total(), calls);
    assert!(world.stop_operator().success());
}

#[tokio::test]
async fn one_list_of_the_grants_confirms_many_removals() {
    const SOME: usize = 40;
    let mut world = World::new().await;
    let (user, _) = installed_for(&world, &[&world.namespace]).await;
    let kubeconfig = world.rig.kubeconfig_for(&user, None).unwrap();
    let flags = ["--withdrawn-secrets", "remove", "--sts-rate", "1000"];
    world.start_operator_with(kubeconfig, &flags).await;
    let names: Vec<_> = (0..SOME).map(|n| format!("c-{n}")).collect();
    join_all(names.iter().map(|name| world.issue(name, plain()))).await;
    let audit = world.rig.audit().expect("needs the rig's own API server");
    // A list may have several pages.
    let times = |verb: &str, resource: &str| -> Vec<_> {
        let requests = audit.requests(user.name(), None).unwrap().into_iter();
        let first = |r: &rig::Request| !r.uri.contains("continue=");
        let wanted = requests.filter(|r| r.verb == verb && r.resource == resource && first(r));
        wanted.map(|r| r.at).collect()
    };
    let before = times("list", "rolegrants").len();
    world.withdraw(&world.namespace).await;
    wait_until("all Secrets are removed", SOON, || async {
        (times("delete", "secrets").len() == SOME).then_some(())
    })
    .await;
    let removals = times("delete", "secrets");
    let took = removals.iter().max().unwrap().duration_since(*removals.iter().min().unwrap());
    // Each is used for a second.
    let lists = times("list", "rolegrants").len() - before;
    let most = 2 + usize::try_from(took.as_secs()).unwrap();
    assert!((1..=most).contains(&lists), "{lists} lists for {SOME} removals in {took}");
    assert!(world.stop_operator().success());
}
