use crate::testing::{desired, desired_with_grant};
use serde_json::json;

#[test]
fn only_the_constraints_of_a_grant_are_part_of_the_request() {
    let base = desired(json!({}));
    for (row, grant, changes) in [
        ("another name", json!({"metadata": {"name": "x"}}), false),
        ("a maximum duration", json!({"spec": {"maxDuration": "1h"}}), false),
        ("an external id", json!({"spec": {"session": {"externalId": "{{ name }}"}}}), true),
        ("a tag", json!({"spec": {"session": {"tags": {"a": "b"}}}}), true),
        ("a longer maximum duration", json!({"spec": {"maxDuration": "2h"}}), false),
        ("a shorter maximum duration", json!({"spec": {"maxDuration": "30m"}}), true),
        ("a choice of a resource", json!({"spec": {"session": {"tenantMaySet": []}}}), false),
    ] {
        let granted = desired_with_grant(grant, json!({})).unwrap();
        assert_eq!(granted.request_hash != base.request_hash, changes, "{row}");
    }
}

#[test]
fn only_a_request_that_the_operator_signs_needs_a_grant() {
    let others = json!({"spec": {"roleArns": ["arn:aws:iam::123456789012:role/other"]}});
    let keys = json!({"accessKeySecretRef": {"name": "keys"}});
    let web = json!({
        "assumeRole": null,
        "assumeRoleWithWebIdentity": {"roleArn": "arn:aws:iam::123456789012:role/reports", "serviceAccountName": "x"},
    });
    for (row, spec, denied) in [
        ("signed by the operator", json!({}), true),
        ("signed by an access key", json!({"identity": keys}), false),
        ("unsigned", web, false),
    ] {
        let desired = desired_with_grant(others.clone(), json!({"spec": spec})).unwrap();
        assert_eq!(desired.denied.is_some(), denied, "{row}");
        assert!(desired.request.is_ok(), "{row}");
    }
    let elsewhere = json!({"metadata": {"namespace": "not-in-the-cache"}});
    assert!(desired_with_grant(json!({}), elsewhere).is_none());
}

#[test]
fn no_resource_sets_a_reserved_tag_whoever_signs() {
    let tags = json!({"Tempcred.dev/namespace": "web"});
    let keys = json!({"accessKeySecretRef": {"name": "keys"}});
    let role = json!({"roleArn": "arn:aws:iam::123456789012:role/reports", "tags": tags});
    let token = json!({"audiences": ["a"], "signingAlgorithm": "RS256", "tags": tags});
    for (row, spec) in [
        ("by the operator", json!({"assumeRole": role})),
        ("by an access key", json!({"assumeRole": role, "identity": keys})),
        (
            "a federated user",
            json!({"assumeRole": null, "getFederationToken": {"name": "ab", "tags": tags}, "identity": keys}),
        ),
        (
            "a web identity token",
            json!({"assumeRole": null, "getWebIdentityToken": token, "identity": keys}),
        ),
    ] {
        let error = desired(json!({"spec": spec})).request.unwrap_err().to_string();
        assert!(error.contains("\"Tempcred.dev/namespace\" must be removed"), "{row}: {error}");
    }
}

#[test]
fn requests_that_the_operator_does_not_sign_need_an_identity() {
    for (field, request) in [
        ("getSessionToken", json!({})),
        ("getFederationToken", json!({"name": "ab"})),
        ("getWebIdentityToken", json!({"audiences": ["a"], "signingAlgorithm": "RS256"})),
        (
            "assumeRoot",
            json!({"targetPrincipal": "123456789012", "taskPolicyArn": "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"}),
        ),
    ] {
        let desired = desired(json!({"spec": {"assumeRole": null, field: request}}));
        let error = desired.request.unwrap_err().to_string();
        assert!(error.starts_with(&format!("spec.{field} needs spec.identity")), "{error}");
    }
}

#[test]
fn a_web_identity_session_outlives_the_token_that_it_requests() {
    let identity = json!({"webIdentity": {
        "roleArn": "arn:aws:iam::123456789012:role/tenant", "serviceAccountName": "x",
    }});
    for (field, request, lifetime) in [
        ("assumeRole", json!({}), 900),
        ("getWebIdentityToken", json!({"audiences": ["a"], "signingAlgorithm": "RS256"}), 3600),
    ] {
        let mut spec = json!({"identity": identity, "assumeRole": null});
        spec[field] = request;
        if field == "assumeRole" {
            spec[field] = json!({"roleArn": "arn:aws:iam::123456789012:role/reports"});
        }
        let request = desired(json!({"spec": spec})).request.unwrap();
        let crate::request::identity::Caller::WebIdentity(exchange) = request.caller else {
            panic!("{field}")
        };
        assert_eq!(exchange.spec.duration.as_secs(), lifetime, "{field}");
    }
}

#[test]
fn only_fields_that_reach_sts_change_the_request_hash() {
    let base = desired(json!({}));
    let rows = [
        ("labels", json!({"metadata": {"labels": {"a": "b"}}}), false),
        ("annotations", json!({"metadata": {"annotations": {"a": "b"}}}), false),
        ("renewal", json!({"spec": {"renewal": {"before": "5m"}}}), false),
        ("formats", json!({"spec": {"secret": {"formats": ["env"]}}}), false),
        ("secret labels", json!({"spec": {"secret": {"labels": {"a": "b"}}}}), false),
        ("suspend", json!({"spec": {"suspend": true}}), false),
        ("an explicit default", json!({"spec": {"assumeRole": {"duration": "60m"}}}), false),
        (
            "role",
            json!({"spec": {"assumeRole": {"roleArn": "arn:aws:iam::123456789012:role/x"}}}),
            true,
        ),
        ("duration", json!({"spec": {"assumeRole": {"duration": "2h"}}}), true),
        ("external id", json!({"spec": {"assumeRole": {"externalId": "xy"}}}), true),
        ("tags", json!({"spec": {"assumeRole": {"tags": {"a": "b"}}}}), true),
        ("policy", json!({"spec": {"assumeRole": {"policy": "{}"}}}), true),
        ("region", json!({"spec": {"region": "eu-central-1"}}), true),
    ];
    for (row, patch, changes) in rows {
        assert_eq!(desired(patch).request_hash != base.request_hash, changes, "{row}");
    }
}

#[test]
fn fields_that_change_the_format_of_the_secret_change_the_render_hash() {
    let base = desired(json!({}));
    for (row, patch) in [
        ("formats", json!({"spec": {"secret": {"formats": ["env"]}}})),
        ("labels", json!({"spec": {"secret": {"labels": {"a": "b"}}}})),
        ("profile", json!({"spec": {"secret": {"profile": "p"}}})),
        ("deletion policy", json!({"spec": {"secret": {"deletionPolicy": "Retain"}}})),
        ("region", json!({"spec": {"region": "eu-central-1"}})),
    ] {
        assert_ne!(desired(patch).render_hash, base.render_hash, "{row}");
    }
    let renewal = desired(json!({"spec": {"renewal": {"before": "5m"}}}));
    assert_eq!(renewal.render_hash, base.render_hash);
}

#[test]
fn the_request_hash_is_the_same_in_every_version() {
    // The hash is stored on Secrets: if this test fails, an upgrade would issue all credentials again.
    insta::assert_snapshot!(desired(json!({})).request_hash);
}
