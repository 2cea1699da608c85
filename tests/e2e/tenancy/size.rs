//! Attacks by size: what is stored in the cluster and what is sent to STS is bounded.

use serde_json::{Map, Value, json};
use tempcred_core::api::CredentialStatus;

use super::attack::{Attack, NOT_GRANTED, Refused, attack};
use super::scene::{OWN, VICTIM_ROLE};
use crate::world::{World, is_ready};

fn own(fields: Value) -> Value {
    let mut request = json!({"roleArn": VICTIM_ROLE});
    request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"assumeRole": request})
}

fn many(count: usize, value: &str) -> Map<String, Value> {
    (0..count).map(|n| (format!("key-{n}"), json!(value))).collect()
}

pub fn rows() -> Vec<Attack> {
    let by_api_server = |says| Refused::ByApiServer(says);
    let beside = |key: &str, value: Value| {
        let mut spec = own(json!({}));
        spec[key] = value;
        spec
    };
    let mut annotated =
        attack("300 KiB of annotations", own(json!({})), by_api_server("metadata.annotations"));
    annotated.annotations = json!({"x": "y".repeat(300 << 10)});
    let hop = json!({"roleArn": OWN});
    let statement = json!({"Effect": "Allow", "Action": "*", "Resource": "x".repeat(1_600_000)});
    vec![
        annotated,
        attack(
            "a name of 254 characters",
            own(json!({})),
            by_api_server("must be no more than 253"),
        )
        .called("x".repeat(254)),
        attack("a name of 253 characters", own(json!({})), NOT_GRANTED).called("y".repeat(253)),
        attack(
            "a policy of 1.6 MB",
            own(json!({"policy": json!({"Statement": [statement]}).to_string()})),
            by_api_server("spec.assumeRole.policy"),
        ),
        attack(
            "braces without end",
            own(json!({"policy": "{".repeat(2048)})),
            by_api_server("policy must be a JSON document"),
        ),
        attack(
            "a thousand hops",
            own(json!({"via": vec![hop; 1000]})),
            by_api_server("must have at most 4 items"),
        ),
        attack(
            "a thousand tags",
            own(json!({"tags": many(1000, "x")})),
            by_api_server("must have at most 50"),
        ),
        attack(
            "a tag of 64 KiB",
            own(json!({"tags": {"x": "y".repeat(64 << 10)}})),
            by_api_server("spec.assumeRole.tags"),
        ),
        attack(
            "a thousand policies",
            own(json!({"policyArns": vec!["arn:aws:iam::aws:policy/ReadOnlyAccess"; 1000]})),
            by_api_server("must have at most 10 items"),
        ),
        attack(
            "a region that is a host",
            beside("region", json!("eu-central-1.example.com/x")),
            by_api_server("spec.region"),
        ),
        attack(
            "65 labels of a Secret",
            beside("secret", json!({"labels": many(65, "x")})),
            by_api_server("must have at most 64"),
        ),
        attack(
            "an annotation of a Secret of 5000 characters",
            beside("secret", json!({"annotations": {"x": "y".repeat(5000)}})),
            by_api_server("spec.secret.annotations"),
        ),
        attack(
            "a duration that overflows",
            own(json!({"duration": "99999999999999999999h"})),
            by_api_server("spec.assumeRole.duration"),
        ),
        attack(
            "a duration that is negative",
            own(json!({"duration": "-1h"})),
            by_api_server("spec.assumeRole.duration"),
        ),
        attack(
            "a renewal that is negative",
            beside("renewal", json!({"before": "-1h"})),
            by_api_server("spec.renewal.before"),
        ),
    ]
}

#[tokio::test]
async fn a_renewal_request_of_200_kib_is_served_once_and_shown_as_a_hash() {
    let world = World::start().await;
    world.issue("reports", json!({"assumeRole": {"roleArn": OWN}})).await;
    let mut known = String::new();
    let page = "\u{7}\u{1b}[2Jrenew\r\n".repeat(200 << 10 >> 4);
    for (count, value) in [(2, page.clone()), (3, page + "!")] {
        world.request_renewal("reports", &value).await;
        let served = |s: &CredentialStatus| {
            let request = s.last_renew_request.as_deref().unwrap_or_default();
            is_ready(s) && request.starts_with("sha256:") && request != known && s.failure.is_none()
        };
        let before = world.sts.calls_total();
        assert_eq!(before, count - 1);
        let resource = world
            .wait("reports", "renewed", |s| served(s) && world.sts.calls_total() == count)
            .await;
        let status = serde_json::to_string(&resource.status).unwrap();
        assert!(status.len() < 4096, "{}", status.len());
        let annotations =
            world.secrets().get("reports").await.unwrap().metadata.annotations.unwrap();
        known = resource.status.unwrap().last_renew_request.unwrap();
        assert_eq!(annotations["tempcred.dev/last-renew-request"], known);
        let annotations = serde_json::to_string(&annotations).unwrap();
        assert!(annotations.len() < 4096, "{}", annotations.len());
    }
    world.issue("another", json!({"assumeRole": {"roleArn": OWN.replace("own", "other")}})).await;
    assert_eq!(world.sts.calls_for_role(OWN), 3);
}
