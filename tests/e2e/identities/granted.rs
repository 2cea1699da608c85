//! The trust policy in `docs/grants.md`, with the grant above it on that page.

use serde_json::{Value, json};

use super::operator::Identity;
use super::policies::{self, Kind};
use super::probes::{namespace, resource};
use super::{Outcome, Scene, outcome, settled};
use crate::examples::{blocks, root};

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
    let is_about_attribution = |object: &Value| object["spec"]["session"]["attribution"] == true;
    let mut spec = objects.into_iter().find(is_about_attribution).unwrap()["spec"].clone();
    spec["namespaces"] = json!({"names": [namespace]});
    scene.strict.change(|iam| {
        policies::add(iam, &found, &[]);
        let read_only = iam.managed.values().next().unwrap().clone();
        for arn in spec["session"]["policyArns"].as_array().into_iter().flatten() {
            iam.managed.insert(arn.as_str().unwrap().to_owned(), read_only.clone());
        }
    });
    world.grant(&namespace, spec).await;

    let before = scene.strict.verdicts().len();
    let request = json!({"assumeRole": {"roleArn": found.arn}});
    let object = resource("attributed", &request);
    crate::examples::apply(world, &namespace, &object, false).unwrap();
    let api = kube::Api::namespaced(world.client.clone(), &namespace);
    let attributed = outcome(&settled(&api, "attributed").await);
    assert_eq!(attributed, Outcome::Ready, "{:?}", scene.identity);
    let mut verdicts = scene.strict.verdicts().split_off(before);
    verdicts.retain(|verdict| verdict.role_arn() == Some(found.arn.as_str()));
    scene.assert_each_action_is_needed(std::slice::from_ref(&found), &verdicts, |_, _| false);

    let mut iam = scene.strict.iam();
    let other = found.json.replace(&namespace, "another-namespace");
    policies::add(&mut iam, &policies::Found { json: other, ..found }, &[]);
    assert!(scene.strict.replay(&verdicts, iam).is_err(), "it accepts another namespace");
}
