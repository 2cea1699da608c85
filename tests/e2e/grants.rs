//! Grants: without one nothing is issued, and every change takes effect at once.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rig::sts::Fault;
use serde_json::{Value, json};
use tempcred_core::api::{CredentialStatus, GrantStatus};

use crate::world::{
    SOON, World, assume, condition, failure, failure_reason, is_ready, plain, wait_until,
};

/// The deadline for the effect of a grant change. Shorter than any backoff, so no retry can be the cause.
pub const AT_ONCE: Duration = Duration::from_secs(10);

/// The deadline for a call that a grant change causes soon after another call for the same resource. The operator makes
/// at most one such call in 5 s.
pub const AFTER_A_CALL: Duration = Duration::from_secs(13);

/// Secrets are removed as soon as their grant is withdrawn.
const REMOVE: [&str; 2] = ["--withdrawn-secrets", "remove"];

pub const ROLE: &str = "arn:aws:iam::123456789012:role/reports";
pub const HUB: &str = "arn:aws:iam::123456789012:role/hub";

fn is_not_granted(status: &CredentialStatus) -> bool {
    condition(status, "Ready") == Some((false, "NotGranted"))
}

/// The spec of a grant for the namespace of a world and one role, with more fields.
pub fn for_role(world: &World, role: &str, more: Value) -> Value {
    let mut spec = json!({"namespaces": {"names": [world.namespace]}, "roleArns": [role]});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

async fn wait_for_prompt_removal(world: &World, secret: &str) {
    wait_until(&format!("Secret {secret} is gone"), AT_ONCE, || async {
        world.secrets().get_opt(secret).await.unwrap().is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_a_grant_no_call_is_made_and_a_new_grant_takes_effect_at_once() {
    let mut world = World::new().await;
    let others = for_role(&world, "arn:aws:iam::123456789012:role/other", json!({}));
    world.grant(&world.namespace, others).await;
    world.start_operator(&[]).await;
    world.create("reports", plain()).await;
    let refused = world.wait("reports", "refused", is_not_granted).await.status.unwrap();
    assert_eq!(condition(&refused, "Stalled"), Some((true, "NotGranted")));
    insta::assert_snapshot!(failure(&refused).message.replace(&world.namespace, "NAMESPACE"));
    assert_eq!(world.sts.calls_total(), 0);
    assert!(world.secrets().get_opt("reports").await.unwrap().is_none());

    world.grant(&world.namespace, world.any_role()).await;
    world.wait_at_most(AT_ONCE, "reports", "ready", is_ready).await;
    assert_eq!(world.sts.calls_total(), 1);
    let reasons = || async {
        let events = world.events("reports").await;
        let reasons: Vec<_> = events.iter().map(|(_, reason, _)| reason.as_str()).collect();
        (reasons == ["NotGranted", "Issued"]).then_some(())
    };
    wait_until("both are reported as events", SOON, reasons).await;
    assert!(world.stop_operator().success());
}

#[tokio::test]
async fn a_withdrawn_grant_removes_every_secret_and_nothing_is_issued_after_it() {
    let mut world = World::new().await;
    // One that is renewed all the time, and others that no renewal or deletion would touch.
    world.sts.inject(Fault::lifetime(Duration::from_secs(15)).for_role("reports"));
    world.start_operator(&REMOVE).await;
    let role = |name: &str| json!({"roleArn": format!("arn:aws:iam::123456789012:role/{name}")});
    let specs = [
        ("reports", plain()),
        ("retained", json!({"assumeRole": role("a"), "secret": {"deletionPolicy": "Retain"}})),
        ("suspended", json!({"assumeRole": role("b")})),
        ("chained", json!({"assumeRole": {"roleArn": ROLE, "via": [role("hub")]}})),
        ("edited", json!({"assumeRole": role("c")})),
        ("terminating", json!({"assumeRole": role("d")})),
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
    let edit = json!({"metadata": {"annotations": {
        "tempcred.dev/request-hash": "x", "tempcred.dev/expiration": "2099-01-01T00:00:00Z",
    }}});
    world.edit_secret("edited", edit).await;

    world.withdraw(&world.namespace).await;
    for (name, _) in &specs {
        wait_for_prompt_removal(&world, name).await;
        let status = world.wait(name, "not granted", is_not_granted).await.status.unwrap();
        assert_eq!((status.expiration, status.access_key_id, status.secret), (None, None, None));
    }
    let calls = world.sts.calls_total();
    // Several renewals would have been due by now. A restart does not issue anything either.
    world.kill_operator();
    world.start_operator(&REMOVE).await;
    let free = json!({"roleArn": ROLE, "serviceAccountName": "default"});
    world.sts.clear();
    world.issue("unsigned", json!({"assumeRoleWithWebIdentity": free})).await;
    assert!(world.stop_operator().success());
    assert_eq!(world.sts.calls_total(), calls + 1, "and that is the unsigned one");

    // Granted again, each is issued anew, except for the suspended one.
    world.grant(&world.namespace, world.any_role()).await;
    world.start_operator(&REMOVE).await;
    for name in ["reports", "retained", "chained", "edited"] {
        world.wait(name, "ready again", is_ready).await;
        world.complete_key(name).await;
    }
    assert_eq!(world.sts.calls_total(), calls + 1 + 5);
    assert!(world.stop_operator().success());
}

#[tokio::test]
async fn a_grant_withdrawn_while_no_operator_runs_removes_the_secret() {
    let mut world = World::new().await;
    world.start_operator(&REMOVE).await;
    world.issue("reports", plain()).await;
    world.kill_operator();
    world.withdraw(&world.namespace).await;
    world.start_operator(&REMOVE).await;
    wait_for_prompt_removal(&world, "reports").await;
    world.wait("reports", "not granted", is_not_granted).await;
    assert_eq!(world.sts.calls_total(), 1);
    assert!(world.stop_operator().success());
}

#[tokio::test]
async fn a_narrowed_grant_removes_the_secrets_that_it_does_not_allow() {
    let mut world = World::new().await;
    world.start_operator(&REMOVE).await;
    world.issue("reports", json!({"assumeRole": {"roleArn": ROLE, "duration": "1h"}})).await;
    let elsewhere = json!({"namespaces": {"names": ["elsewhere"]}});
    for (row, narrowed, says) in [
        ("another namespace", for_role(&world, ROLE, elsewhere), "No RoleGrant allows"),
        (
            "shorter",
            for_role(&world, ROLE, json!({"maxDuration": "30m"})),
            "the grants allow a duration of at most 30m, but the resource requests 1h: lower duration",
        ),
    ] {
        world.grant(&world.namespace, narrowed).await;
        wait_for_prompt_removal(&world, "reports").await;
        let status = world.wait("reports", row, is_not_granted).await.status.unwrap();
        assert!(failure(&status).message.contains(says), "{row}: {}", failure(&status).message);
        let calls = world.sts.calls_total();
        world.grant(&world.namespace, world.any_role()).await;
        world.wait_at_most(AFTER_A_CALL, "reports", "ready again", is_ready).await;
        assert_eq!(world.sts.calls_total(), calls + 1, "{row}");
    }
    assert!(world.stop_operator().success());
}

#[tokio::test]
async fn a_changed_namespace_label_takes_effect_at_once() {
    let mut world = World::new().await;
    let team = format!("team-of-{}", world.namespace);
    let mut spec = for_role(&world, ROLE, json!({}));
    spec["namespaces"] = json!({"selector": {"matchLabels": {"team": team}}});
    world.grant(&world.namespace, spec).await;
    world.start_operator(&REMOVE).await;
    world.create("reports", plain()).await;
    world.wait("reports", "refused", is_not_granted).await;
    let label = |label: &str| world.kubectl(&["label", "namespace", &world.namespace, label]);
    label(&format!("team={team}"));
    world.wait_at_most(AT_ONCE, "reports", "ready", is_ready).await;
    label("unrelated=label");
    label("team-");
    wait_for_prompt_removal(&world, "reports").await;
    world.wait("reports", "refused again", is_not_granted).await;
    assert_eq!(world.sts.calls_total(), 1);
    assert!(world.stop_operator().success());
}

/// The parameters of each call, without those that every call has.
pub fn forms(world: &World) -> Vec<BTreeMap<String, String>> {
    let form = |request: rig::sts::Received| {
        let mut form = request.form;
        form.retain(|key, _| !["Action", "Version"].contains(&key.as_str()));
        form
    };
    world.sts.requests().into_iter().map(form).collect()
}

#[tokio::test]
async fn every_call_carries_what_its_grant_sets() {
    let mut world = World::new().await;
    let session = json!({
        "externalId": "{{ cluster }}/{{ namespace }}/{{ name }}", "attribution": true,
        "sourceIdentity": "{{ namespace }}", "tags": {"stage": "prod", "of": "{{ name }}"},
        "policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"], "tenantMaySet": ["tags/App"],
    });
    let demanding = for_role(&world, ROLE, json!({"maxDuration": "2h", "session": session}));
    world.grant(&world.namespace, demanding).await;
    let hub = format!("{}-hub", world.namespace);
    let session = json!({"externalId": "of-{{ cluster }}", "tags": {"hop": "{{ namespace }}", "stage": "prod"}, "policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]});
    world.grant(&hub, for_role(&world, HUB, json!({"session": session}))).await;
    world.start_operator(&["--cluster-name", "prod-eu"]).await;
    // The resource keeps its own tags, and a value equal to that of the grant is no conflict.
    let spec = json!({
        "roleArn": ROLE, "via": [{"roleArn": HUB}],
        "tags": {"app": "x", "stage": "prod"},
        "policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
    });
    world.issue("reports", json!({"assumeRole": spec})).await;
    let forms = forms(&world);
    let text = serde_json::to_string_pretty(&forms).unwrap().replace(&world.namespace, "NAMESPACE");
    insta::assert_snapshot!(text);
    assert!(world.stop_operator().success());
}

#[tokio::test]
async fn a_grant_change_that_leaves_the_session_as_it_is_costs_no_call() {
    let mut world = World::start().await;
    world.issue("reports", plain()).await;
    let secret = world.secrets().get("reports").await.unwrap();
    let mut wider = world.any_role();
    wider["maxDuration"] = json!("12h");
    world.grant(&world.namespace, wider).await;
    let before = format!("a-{}", world.namespace);
    world.grant(&before, for_role(&world, ROLE, json!({}))).await;
    wait_until("the new grant serves it", SOON, || async {
        let status = world.grants().get(&before).await.unwrap().status?;
        (status.credentials == Some(1)).then_some(())
    })
    .await;
    world.withdraw(&before).await;
    world.issue("later", plain()).await;
    assert_eq!(world.sts.calls_total(), 2);
    assert_eq!(world.secrets().get("reports").await.unwrap(), secret);
    assert!(world.stop_operator().success());
}

pub async fn status_of(
    world: &World,
    grant: &str,
    wanted: impl Fn(&GrantStatus) -> bool,
) -> GrantStatus {
    wait_until(&format!("the status of {grant}"), SOON, || async {
        world.grants().get(grant).await.unwrap().status.filter(&wanted)
    })
    .await
}

#[tokio::test]
async fn a_grant_counts_its_credentials_and_is_written_only_if_the_count_changes() {
    let mut world = World::new().await;
    let own = world.namespace.clone();
    let hub = format!("{own}-hub");
    world.grant(&own, for_role(&world, ROLE, json!({}))).await;
    world.grant(&hub, for_role(&world, HUB, json!({}))).await;
    world.start_operator(&[]).await;
    for name in ["a", "b"] {
        world.issue(name, plain()).await;
    }
    let chain = json!({"assumeRole": {"roleArn": ROLE, "via": [{"roleArn": HUB}]}});
    world.issue("c", chain).await;
    let three = status_of(&world, &own, |s| s.credentials == Some(3)).await;
    assert_eq!(three.conditions[0].status, "True");
    status_of(&world, &hub, |s| s.credentials == Some(1)).await;
    for name in ["a", "c"] {
        world.credentials().delete(name, &Default::default()).await.unwrap();
    }
    status_of(&world, &own, |s| s.credentials == Some(1)).await;
    status_of(&world, &hub, |s| s.credentials == Some(0)).await;
    // A restart does not write the same status again: the next write is that of the next change.
    world.kill_operator();
    let killed = Timestamp::now();
    world.start_operator(&[]).await;
    world.issue("d", plain()).await;
    status_of(&world, &own, |s| s.credentials == Some(2)).await;
    let writes = wait_until("the write is in the audit log", SOON, || async {
        Some(writes_to(&world, &own, killed)).filter(|writes| *writes > 0)
    })
    .await;
    assert_eq!(writes, 1);
    assert!(world.stop_operator().success());
}

/// How many times the operator has written the status of a grant since then.
fn writes_to(world: &World, grant: &str, since: Timestamp) -> usize {
    let audit = world.rig.audit().unwrap();
    let requests = audit.requests(world.rig.operator().name(), None).unwrap();
    let written = |r: &&rig::Request| r.resource == "rolegrants" && r.name == grant;
    requests.iter().filter(written).filter(|r| r.at > since).count()
}

#[tokio::test]
async fn the_status_of_a_grant_has_no_effect_on_decisions() {
    let mut world = World::new().await;
    world.grant(&world.namespace, for_role(&world, HUB, json!({}))).await;
    world.start_operator(&[]).await;
    world.create("reports", plain()).await;
    world.wait("reports", "refused", is_not_granted).await;
    let lie = json!({"status": {"observedGeneration": 99, "credentials": 1000, "conditions": [{
        "type": "Ready", "status": "False", "reason": "Lie", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }]}});
    let patch = kube::api::Patch::Merge(lie);
    world.grants().patch_status(&world.namespace, &Default::default(), &patch).await.unwrap();
    // The status is corrected, and the spec of the grant applies.
    status_of(&world, &world.namespace, |s| s.credentials == Some(0)).await;
    world.issue("through-the-hub", json!({"assumeRole": {"roleArn": HUB}})).await;
    let reports = world.credentials().get("reports").await.unwrap();
    assert!(is_not_granted(&reports.status.unwrap()));
    assert!(world.stop_operator().success());
}

#[tokio::test]
async fn an_invalid_grant_says_what_to_change_and_blocks_what_it_matches() {
    let mut world = World::new().await;
    let own = world.namespace.clone();
    let nameless = for_role(&world, ROLE, json!({"session": {"attribution": true}}));
    world.grant(&own, nameless).await;
    let other = format!("{own}-other");
    world.grant(&other, world.any_role()).await;
    world.start_operator(&[]).await;
    world.create("reports", plain()).await;
    let is_blocked = |s: &CredentialStatus| condition(s, "Ready") == Some((false, "GrantInvalid"));
    let blocked = world.wait("reports", "blocked", is_blocked).await.status.unwrap();
    assert!(!failure(&blocked).message.contains(&format!("RoleGrant {own}")));
    assert_eq!(world.sts.calls_total(), 0);
    world.issue("elsewhere", assume("elsewhere")).await;
    // The operator of another test may have written a status of the grant that each world begins with.
    let invalid =
        |s: &GrantStatus| s.conditions.first().is_some_and(|one| one.reason == "GrantInvalid");
    let flawed = status_of(&world, &own, invalid).await;
    let ready = &flawed.conditions[0];
    assert_eq!(ready.status, "False");
    insta::assert_snapshot!(ready.message);
    assert!(world.stop_operator().success());
    world.start_operator(&["--cluster-name", "prod"]).await;
    world.wait("reports", "ready", is_ready).await;
    status_of(&world, &own, |s| s.conditions[0].status == "True").await;
    let table = world.kubectl(&["get", "rolegrant", &own]).replace(&own, "NAME");
    let words: Vec<_> = table.lines().map(|l| l.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(words[0], ["NAME", "MODE", "READY", "REASON", "CREDENTIALS", "AGE"]);
    assert_eq!(words[1][..5], ["NAME", "Allow", "True", "InEffect", "1"]);
    assert!(world.stop_operator().success());
}

#[tokio::test]
async fn an_earlier_failure_does_not_delay_a_grant_change() {
    let mut world = World::start().await;
    world.sts.inject(Fault::access_denied());
    world.create("reports", plain()).await;
    let denied = |s: &CredentialStatus| failure_reason(s) == Some("AccessDenied");
    world.wait("reports", "denied by AWS", denied).await;
    world.withdraw(&world.namespace).await;
    world.wait_at_most(AT_ONCE, "reports", "not granted", is_not_granted).await;
    world.sts.clear();
    world.grant(&world.namespace, world.any_role()).await;
    world.wait_at_most(AFTER_A_CALL, "reports", "ready", is_ready).await;
    assert!(world.stop_operator().success());
}
