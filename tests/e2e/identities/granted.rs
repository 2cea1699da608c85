//! The trust policy in `docs/grants.md`, with the grants on that page.

use kube::Api;
use serde_json::{Value, json};
use tempcred_core::api::TemporaryCredential;

use super::Scene;
use super::operator::Identity;
use super::policies::{self, Kind};
use super::probes::{namespace, resource};
use crate::examples::{blocks, root};
use crate::world::{SOON, is_ready, wait_until};

const PAGE: &str = "docs/grants.md";

/// Asserts that the policy accepts the session that the grant constrains, that each action in it is needed, and that it
/// accepts no other namespace.
pub async fn the_policy_about_attribution_is_needed(scene: &Scene) {
    // The session tags of EKS Pod Identity and of attribution are about as large as AWS allows together, and the stand-in
    // for the packed size says nothing about figures near the limit.
    if scene.identity == Identity::Pod {
        return;
    }
    let (world, namespace) = (&scene.world, namespace(&scene.world));
    let mut found =
        scene.docs.iter().find(|f| f.place == PAGE && f.kind == Kind::Trust).unwrap().clone();
    found.json = found.json.replace("\"analytics\"", &format!("\"{namespace}\""));
    let text = std::fs::read_to_string(root().join(PAGE)).unwrap();
    let objects = blocks(PAGE, &text).into_iter().flat_map(|block| block.objects);
    let mut grants: Vec<_> = objects.filter(|object| object["kind"] == "RoleGrant").collect();
    for grant in &mut grants {
        grant["spec"]["namespaces"] = json!({"names": [namespace]});
    }
    let boundaries = |grant: &Value| {
        let arns = grant["spec"]["session"]["policyArns"].as_array().cloned().unwrap_or_default();
        arns.into_iter().map(|arn| arn.as_str().unwrap().to_owned())
    };
    scene.strict.change(|iam| {
        policies::add(iam, &found, &[]);
        let read_only = iam.managed.values().next().unwrap().clone();
        for arn in grants.iter().flat_map(boundaries) {
            iam.managed.insert(arn, read_only.clone());
        }
    });
    for grant in grants {
        let name = format!("{namespace}-{}", grant["metadata"]["name"].as_str().unwrap());
        world.grant(&name, grant["spec"].clone()).await;
    }
    world.withdraw(&namespace).await;

    let before = scene.strict.verdicts().len();
    let request = json!({"assumeRole": {"roleArn": found.arn}});
    let object = resource("attributed", &request);
    crate::examples::apply(world, &namespace, &object, false).unwrap();
    let api: Api<TemporaryCredential> = Api::namespaced(world.client.clone(), &namespace);
    // The grants may still be on their way to the operator.
    let what = format!("a session with attribution is issued, {:?}", scene.identity);
    wait_until(&what, SOON, || async {
        let status = api.get("attributed").await.unwrap().status?;
        is_ready(&status).then_some(())
    })
    .await;
    let mut verdicts = scene.strict.verdicts().split_off(before);
    verdicts.retain(|v| v.role_arn() == Some(found.arn.as_str()) && v.outcome.is_ok());
    scene.assert_each_action_is_needed(std::slice::from_ref(&found), &verdicts, |_, _| false);

    let mut iam = scene.strict.iam();
    let other = found.json.replace(&namespace, "another-namespace");
    policies::add(&mut iam, &policies::Found { json: other, ..found }, &[]);
    assert!(scene.strict.replay(&verdicts, iam).is_err(), "it accepts another namespace");
}
