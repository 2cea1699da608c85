//! Attacks by regions: an ARN of another partition, and regions that the operator does not allow.

use serde_json::{Value, json};

use crate::world::{World, failure, failure_reason, is_ready, plain};

const CN: &str = "arn:aws-cn:iam::123456789012:role/reports";
const POLICY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const TASK: &str = "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy";

pub fn in_region(mut spec: Value, region: &str) -> Value {
    spec["region"] = region.into();
    spec
}

fn web(role: &str) -> Value {
    json!({"roleArn": role, "tokenSecretRef": {"name": "token", "key": "token"}})
}

fn keys() -> Value {
    json!({"accessKeySecretRef": {"name": "keys"}})
}

fn saml(role: &str, provider: &str) -> Value {
    let assertion = json!({"name": "a", "key": "a"});
    json!({"roleArn": role, "principalArn": provider, "assertionSecretRef": assertion})
}

/// Each field with an ARN: a spec in which that one belongs to another partition than the others and the region.
pub fn mismatches() -> Vec<(&'static str, Value)> {
    let role = "arn:aws-cn:iam::123456789012:role/r";
    let aws = "arn:aws:iam::123456789012:role/r";
    let provider = "arn:aws-cn:iam::123456789012:saml-provider/p";
    let with_policy = |mut request: Value| {
        request["policyArns"] = json!([POLICY.replace("arn:aws:", "arn:aws-cn:"), POLICY]);
        request
    };
    let root = |principal: &str, task: &str| json!({"identity": keys(), "assumeRoot": {"targetPrincipal": principal, "taskPolicyArn": task}});
    vec![
        ("role", json!({"assumeRole": {"roleArn": aws}})),
        (
            "hop",
            json!({"assumeRole": {"roleArn": role, "via": [{"roleArn": role}, {"roleArn": aws}]}}),
        ),
        ("policy", json!({"assumeRole": with_policy(json!({"roleArn": role}))})),
        ("web identity", json!({"assumeRoleWithWebIdentity": web(aws)})),
        ("policy of a web identity", json!({"assumeRoleWithWebIdentity": with_policy(web(role))})),
        ("SAML", json!({"assumeRoleWithSAML": saml(aws, provider)})),
        (
            "SAML provider",
            json!({"assumeRoleWithSAML": saml(role, "arn:aws:iam::123456789012:saml-provider/p")}),
        ),
        ("policy of SAML", json!({"assumeRoleWithSAML": with_policy(saml(role, provider))})),
        ("root", root("arn:aws:iam::123456789012:root", &TASK.replace("arn:aws:", "arn:aws-cn:"))),
        ("task", root("123456789012", TASK)),
        (
            "policy of a federated user",
            json!({"identity": keys(), "getFederationToken": with_policy(json!({"name": "ab"}))}),
        ),
        (
            "identity",
            json!({"identity": {"webIdentity": web(aws)}, "assumeRole": {"roleArn": role}}),
        ),
    ]
}

#[tokio::test]
async fn the_api_server_rejects_arns_of_another_partition_than_the_region() {
    let world = World::new().await;
    for (row, spec) in mismatches() {
        let refused = world.try_create("x", in_region(spec, "cn-north-1")).await;
        let error = refused.expect_err(row).to_string();
        assert!(
            error.contains("every ARN must belong to the AWS partition of region"),
            "{row}: {error}"
        );
    }
    // The same ARNs, all of the partition of the region.
    for (number, (row, spec)) in mismatches().into_iter().enumerate() {
        for (region, partition) in [
            ("cn-northwest-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eusc-de-east-1", "aws-eusc"),
            ("eu-central-1", "aws"),
        ] {
            let text = spec.to_string().replace("arn:aws-cn:", "arn:aws:");
            let text = text.replace("arn:aws:", &format!("arn:{partition}:"));
            let spec = in_region(serde_json::from_str(&text).unwrap(), region);
            let name = format!("{number}-{region}");
            if let Err(error) = world.try_create(&name, spec).await {
                panic!("{row} in {region}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn an_arn_of_another_partition_than_the_operators_region_is_not_requested() {
    let mut world = World::new().await;
    let roles = ["arn:aws:iam::123456789012:role/*", "arn:aws-cn:iam::123456789012:role/*"];
    let grant = json!({"namespaces": {"names": [world.namespace]}, "roleArns": roles});
    world.grant(&world.namespace, grant).await;
    world.create_secret("token", json!({"token": "eyJhbGciOiJub25lIn0.e30.c2ln"})).await;
    // Its region is eu-central-1.
    world.start_operator(&[]).await;
    for (name, spec) in [
        ("signed", json!({"assumeRole": {"roleArn": CN}})),
        ("unsigned", json!({"assumeRoleWithWebIdentity": web(CN)})),
    ] {
        world.create(name, spec).await;
        let refused = |s: &_| failure_reason(s) == Some("InvalidSpec");
        let status = world.wait(name, "refused", refused).await.status.unwrap();
        let message = &failure(&status).message;
        for part in ["aws-cn", "the operator's region eu-central-1", "set spec.region"] {
            assert!(message.contains(part), "{name}: {message}");
        }
    }
    world.issue("reports", plain()).await;
    assert_eq!(world.sts.calls_total(), 1, "{:?}", world.sts.requests());
    // As the message says.
    for name in ["signed", "unsigned"] {
        world.patch(name, json!({"spec": {"region": "cn-north-1"}})).await;
        world.wait(name, "ready", is_ready).await;
    }
    let calls = world.sts.requests();
    let signer = calls.iter().filter(|call| call.role_arn() == Some(CN));
    let regions: Vec<_> = signer.filter_map(|call| Some(&call.signer.as_ref()?.region)).collect();
    assert_eq!(regions, ["cn-north-1"]);
}

#[tokio::test]
async fn only_allowed_regions_and_the_operators_own_are_used() {
    let mut world = World::new().await;
    world.start_operator(&["--allowed-regions", "us-east-1, eu-west-1,"]).await;
    world.create("elsewhere", in_region(plain(), "us-east-2")).await;
    let refused = |s: &_| failure_reason(s) == Some("InvalidSpec");
    let status = world.wait("elsewhere", "refused", refused).await.status.unwrap();
    let message = &failure(&status).message;
    assert!(
        message.contains("us-east-2") && message.contains("eu-central-1, us-east-1, eu-west-1"),
        "{message}"
    );
    assert_eq!(world.sts.calls_total(), 0);
    for region in ["us-east-1", "eu-west-1", "eu-central-1"] {
        world.issue(region, in_region(plain(), region)).await;
        let signer = world.sts.requests().pop().unwrap().signer.unwrap();
        assert_eq!(signer.region, region);
    }
    world.issue("default", plain()).await;
    // Credentials that were issued remain until they expire: no setting revokes them.
    assert!(world.stop_operator().success());
    world.start_operator(&["--allowed-regions", "us-east-1"]).await;
    let failing = |s: &_| is_ready(s) && failure_reason(s) == Some("InvalidSpec");
    world.wait("eu-west-1", "failing, and still ready", failing).await;
    assert!(world.secrets().get_opt("eu-west-1").await.unwrap().is_some());
}
