//! Several grants: they combine to the strictest, conflicts are reported, and an operator does not overlook a limit that
//! it cannot read.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use tempcred_core::api::{CredentialStatus, RoleGrant};

use crate::grants::{AFTER_A_CALL, AT_ONCE, HUB, ROLE, for_role, forms, status_of};
use crate::outage::own_rig;
use crate::world::{SOON, World, condition, failure, is_ready, plain, wait_until};

/// Whether `Ready` is false with this reason.
fn is_denied(reason: &'static str) -> impl Fn(&CredentialStatus) -> bool {
    move |status| condition(status, "Ready") == Some((false, reason))
}

/// The message of `Ready` without what differs in each run: the namespace, and the time until which the Secret stays.
fn message(world: &World, status: &CredentialStatus) -> String {
    let until = status.expiration.as_ref().unwrap().0.to_string();
    let message = failure(status).message.replace(&world.namespace, "NAMESPACE");
    message.replace(&until, "TIME")
}

/// A constraint for all roles in the namespace of a world.
fn constraint(world: &World, more: Value) -> Value {
    let mut spec = for_role(world, "*", more);
    spec["mode"] = json!("Constrain");
    spec
}

/// Waits until the metrics contain this line, without the label of the cluster.
async fn shows(world: &World, line: &str) {
    wait_until(line, SOON, || async {
        let page = world.http("/metrics").await;
        page.lines().any(|shown| shown.replace("cluster=\"prod\",", "") == line).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_baseline_constrains_what_other_grants_allow() {
    let mut world = World::new().await;
    let own = world.namespace.clone();
    let open =
        json!({"maxDuration": "2h", "session": {"tenantMaySet": ["externalId", "tags/App"]}});
    world.grant(&own, for_role(&world, ROLE, open)).await;
    let baseline = format!("{own}-baseline");
    let session = json!({"attribution": true, "tags": {"stage": "{{ cluster }}"}});
    let strict = json!({"maxDuration": "30m", "session": session});
    world.grant(&baseline, constraint(&world, strict)).await;
    world.start_operator(&["--cluster-name", "prod"]).await;
    let chosen = json!({"roleArn": ROLE, "externalId": "mine", "tags": {"app": "x"}});
    world.issue("reports", json!({"assumeRole": chosen})).await;
    let text = serde_json::to_string_pretty(&forms(&world)).unwrap();
    insta::assert_snapshot!(text.replace(&own, "NAMESPACE"));

    let spec = |more: Value| {
        let mut spec = plain();
        spec["assumeRole"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    for (name, more, says) in [
        ("longer", json!({"duration": "1h"}), "at most 30m, but the resource requests 1h"),
        ("named", json!({"sessionName": "other"}), "remove sessionName, or ask the platform team"),
        ("tagged", json!({"tags": {"team": "x"}}), "remove team from tags"),
        ("restaged", json!({"tags": {"STAGE": "x"}}), "the grants set the tag stage"),
        ("elsewhere", json!({"roleArn": HUB}), "No RoleGrant allows namespace"),
    ] {
        world.create(name, spec(more)).await;
        let denied = world.wait(name, says, is_denied("NotGranted")).await.status.unwrap();
        let message = &failure(&denied).message;
        assert!(message.contains(says) && !message.contains(&baseline), "{name}: {message}");
    }
    shows(&world, &format!("tempcred_rolegrant_credentials{{rolegrant=\"{baseline}\"}} 1.0")).await;
    let rejected = |grant: &str, count: u32| {
        format!(
            "tempcred_rolegrant_rejections{{rolegrant=\"{grant}\",reason=\"NotGranted\"}} {count}.0"
        )
    };
    shows(&world, &rejected(&baseline, 2)).await;
    shows(&world, &rejected(&own, 2)).await;
    assert_eq!(world.sts.calls_total(), 1);

    // A shorter limit applies at once, and without the grant that allows it, nothing is allowed.
    let shorter = constraint(&world, json!({"maxDuration": "20m"}));
    world.grant(&baseline, shorter).await;
    wait_until("issued for 20 minutes", AFTER_A_CALL, || async {
        (forms(&world).last()?.get("DurationSeconds")? == "1200").then_some(())
    })
    .await;
    world.withdraw(&own).await;
    world.wait_at_most(AT_ONCE, "reports", "not granted", is_denied("NotGranted")).await;
    assert!(world.stop_operator().success());
}

#[tokio::test]
async fn conflicting_grants_block_a_resource_until_they_agree() {
    let mut world = World::new().await;
    let own = world.namespace.clone();
    let [one, other] = ["a", "b"].map(|name| format!("{own}-{name}"));
    let tags = [("team", "data"), ("Team", "web"), ("Team", "data")];
    let [data, web, agreeing] =
        tags.map(|(key, value)| for_role(&world, ROLE, json!({"session": {"tags": {key: value}}})));
    world.grant(&one, data).await;
    world.start_operator(&[]).await;
    world.issue("reports", plain()).await;
    world.grant(&other, web).await;
    let is_conflict = is_denied("GrantConflict");
    let blocked = world.wait_at_most(AT_ONCE, "reports", "blocked", is_conflict).await;
    let status = blocked.status.unwrap();
    assert_eq!(condition(&status, "Stalled"), Some((true, "GrantConflict")));
    insta::assert_snapshot!(message(&world, &status));
    let conflicts = |grant: &str, count: u32| {
        format!(
            "tempcred_rolegrant_rejections{{rolegrant=\"{grant}\",reason=\"GrantConflict\"}} {count}.0"
        )
    };
    for (grant, count) in [(&one, 1), (&other, 1), (&own, 0)] {
        shows(&world, &conflicts(grant, count)).await;
    }
    world.grant(&other, agreeing).await;
    world.wait_at_most(AFTER_A_CALL, "reports", "ready", is_ready).await;
    shows(&world, &conflicts(&one, 0)).await;
    // The series of a grant end with it.
    world.withdraw(&other).await;
    wait_until("no series of the deleted grant", SOON, || async {
        (!world.http("/metrics").await.contains(&other)).then_some(())
    })
    .await;
    assert!(world.stop_operator().success());
}

/// Lets the API server store fields of a grant that this version does not know, as the CRD of a newer version would.
async fn accept_any_spec(world: &World) {
    let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let schema = "/spec/versions/0/schema/openAPIV3Schema";
    let patch = json!([
        {"op": "replace", "path": format!("{schema}/properties/spec"), "value": any},
        {"op": "remove", "path": format!("{schema}/x-kubernetes-validations")},
    ]);
    let patch: Patch<()> = Patch::Json(serde_json::from_value(patch).unwrap());
    Api::<CustomResourceDefinition>::all(world.client.clone())
        .patch("rolegrants.tempcred.dev", &PatchParams::default(), &patch)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_limit_of_a_newer_version_is_not_overlooked() {
    let mut world = World::on(own_rig().await).await;
    accept_any_spec(&world).await;
    let resource = ApiResource::erase::<RoleGrant>(&());
    let api: Api<DynamicObject> = Api::all_with(world.client.clone(), &resource);
    let newer = format!("{}-newer", world.namespace);
    let set = |spec: Value| {
        let grant = json!({
            "apiVersion": "tempcred.dev/v1alpha1", "kind": "RoleGrant",
            "metadata": {"name": newer}, "spec": spec,
        });
        let (api, newer) = (&api, &newer);
        let params = PatchParams::apply("test").force();
        wait_until("the grant is stored as it is", SOON, move || {
            let (grant, params) = (grant.clone(), params.clone());
            async move {
                // A changed CRD takes effect a moment after it is written.
                let stored = api.patch(newer, &params, &Patch::Apply(&grant)).await.ok()?;
                (stored.data["spec"] == grant["spec"]).then_some(())
            }
        })
    };
    world.start_operator(&[]).await;
    world.issue("reports", plain()).await;
    world.issue("other", json!({"assumeRole": {"roleArn": HUB}})).await;

    let mut spec = for_role(&world, ROLE, json!({"maxSessions": 3}));
    set(spec.clone()).await;
    let is_invalid = is_denied("GrantInvalid");
    let blocked = world.wait_at_most(AT_ONCE, "reports", "blocked", is_invalid).await;
    insta::assert_snapshot!(message(&world, &blocked.status.unwrap()));
    let is_reported = |s: &tempcred_core::api::GrantStatus| !s.conditions.is_empty();
    let status = status_of(&world, &newer, is_reported).await;
    assert_eq!(status.conditions[0].reason, "GrantInvalid");
    assert!(status.conditions[0].message.contains("\"maxSessions\""), "{status:?}");
    let condition = |status: &str| {
        format!(
            "tempcred_rolegrant_condition{{rolegrant=\"{newer}\",condition=\"Ready\",status=\"{status}\"}} 1.0"
        )
    };
    shows(&world, &condition("False")).await;
    assert!(is_ready(&world.credentials().get("other").await.unwrap().status.unwrap()));

    // If its matchers cannot be read, it blocks everything.
    spec["roleArns"] = json!({"patterns": ["x"]});
    set(spec.clone()).await;
    let is_invalid = is_denied("GrantInvalid");
    world.wait_at_most(AT_ONCE, "other", "blocked", is_invalid).await;
    set(for_role(&world, ROLE, json!({"mode": "Constrain"}))).await;
    for name in ["reports", "other"] {
        world.wait_at_most(AT_ONCE, name, "ready again", is_ready).await;
    }
    shows(&world, &condition("True")).await;
    assert!(world.stop_operator().success());
}
