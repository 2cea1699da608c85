//! Tokens and assertions, and the signatures of requests.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{NOW, arn, iam};
use crate::strict::judge::Judge;
use crate::strict::{Iam, OidcProvider, Policy, Refusal, Role};
use crate::sts::{HttpRequest, Received};

const PROVIDER: &str = "arn:aws:iam::123456789012:oidc-provider/oidc.example.com/id/A";
const SAML: &str = "arn:aws:iam::123456789012:saml-provider/corporate";

/// A token that this key signs.
fn token(key: &RsaKeyPair, claims: &Value) -> String {
    let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&json!({"alg": "RS256", "kid": "k"})), encode(claims));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

/// The public key as a set. A PKCS #1 key of 2048 bits has the modulus from byte 9 on.
fn key_set(key: &RsaKeyPair) -> Value {
    let n = BASE64_URL_SAFE_NO_PAD.encode(&key.public_key().as_ref()[9..265]);
    json!({"keys": [{"kid": "k", "n": n, "e": "AQAB"}]})
}

/// Adds a role that trusts a provider under a condition.
fn trust(iam: &mut Iam, name: &str, provider: &str, action: &str, condition: &Value) {
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"Federated": provider}, "Action": action, "Condition": condition}]});
    let trust = Policy::trust(&trust.to_string()).unwrap();
    iam.roles.insert(arn(name), Role { trust, permissions: vec![], max_session: 7200 });
}

fn unsigned(judge: &mut Judge, action: &str, params: &[(&str, &str)]) -> Result<String, Refusal> {
    let now = Timestamp::from_second(NOW).unwrap();
    let mut request = Received::of_service("", now);
    request.action = action.to_owned();
    request.form = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    judge.decide(&request, None, now).map(|answer| answer.xml)
}

/// Asserts that a call succeeded if nothing is expected, or else failed with this text.
fn check(what: &str, outcome: &Result<String, Refusal>, expected: &str) {
    match outcome {
        Ok(_) => assert_eq!(expected, "", "{what}"),
        Err(refusal) => {
            let text = format!("{}: {}", refusal.code, refusal.message);
            assert!(!expected.is_empty() && text.contains(expected), "{what}: {text}");
        }
    }
}

#[test]
fn a_web_identity_token_is_checked_as_documented() {
    let (key, other) = (
        RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
        RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
    );
    let mut iam = iam();
    let client_ids = vec!["sts.amazonaws.com".to_owned()];
    iam.oidc.insert(PROVIDER.to_owned(), OidcProvider { client_ids, keys: key_set(&key) });
    let condition = json!({"StringEquals": {
        "oidc.example.com/id/A:sub": "system:serviceaccount:a:b", "oidc.example.com/id/A:aud": "sts.amazonaws.com"}});
    trust(&mut iam, "web", PROVIDER, "sts:AssumeRoleWithWebIdentity", &condition);
    let good = json!({"iss": "https://oidc.example.com/id/A", "exp": NOW + 600,
        "aud": ["sts.amazonaws.com"], "sub": "system:serviceaccount:a:b"});
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        token(&key, &claims)
    };
    let rows = [
        ("good", "web", token(&key, &good), "3600", ""),
        ("longer than a chain", "web", token(&key, &good), "7200", ""),
        ("longer than the role", "web", token(&key, &good), "7201", "MaxSessionDuration"),
        ("one audience as text", "web", with("aud", json!("sts.amazonaws.com")), "3600", ""),
        (
            "signed by another key",
            "web",
            token(&other, &good),
            "3600",
            "InvalidIdentityToken: The signature",
        ),
        ("expired", "web", with("exp", json!(NOW)), "3600", "ExpiredTokenException: Token expired"),
        (
            "other audience",
            "web",
            with("aud", json!(["vault"])),
            "3600",
            "Incorrect token audience",
        ),
        (
            "other issuer",
            "web",
            with("iss", json!("https://oidc.example.com/id/B")),
            "3600",
            "No OpenIDConnect provider found",
        ),
        (
            "other subject",
            "web",
            with("sub", json!("system:serviceaccount:a:c")),
            "3600",
            "AccessDenied: Not authorized",
        ),
        (
            "role of another provider",
            "hub",
            token(&key, &good),
            "3600",
            "AccessDenied: Not authorized",
        ),
        (
            "role in an account without the provider",
            "other/of-hub",
            token(&key, &good),
            "3600",
            "No OpenIDConnect provider",
        ),
        ("no token", "web", "a.b.c".to_owned(), "3600", "not a valid JWT"),
    ];
    for (what, role, token, seconds, expected) in rows {
        let role = arn(role);
        let params = [
            ("RoleArn", role.as_str()),
            ("RoleSessionName", "me"),
            ("WebIdentityToken", &token),
            ("DurationSeconds", seconds),
        ];
        let outcome = unsigned(&mut Judge::new(iam.clone()), "AssumeRoleWithWebIdentity", &params);
        check(what, &outcome, expected);
    }
}

#[test]
fn a_saml_assertion_is_checked_as_documented() {
    let mut iam = iam();
    iam.saml.insert(SAML.to_owned(), "https://idp.example.com".to_owned());
    let condition = json!({"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}});
    trust(&mut iam, "saml", SAML, "sts:AssumeRoleWithSAML", &condition);
    let until = Timestamp::from_second(NOW + 60).unwrap().to_string();
    let pair = format!("{},{SAML}", arn("saml"));
    let good = format!(
        "<a><saml:Issuer>https://idp.example.com</saml:Issuer>\
         <d NotOnOrAfter=\"{until}\" Recipient=\"https://signin.aws.amazon.com/saml\"/>\
         <saml:Attribute Name=\"https://aws.amazon.com/SAML/Attributes/Role\"><saml:AttributeValue>{pair}</saml:AttributeValue></saml:Attribute>\
         <saml:Attribute Name=\"https://aws.amazon.com/SAML/Attributes/RoleSessionName\"><saml:AttributeValue>alice</saml:AttributeValue></saml:Attribute></a>"
    );
    let past = Timestamp::from_second(NOW).unwrap().to_string();
    let rows = [
        ("good", good.clone(), ""),
        ("pair in the other order", good.replace(&pair, &format!("{SAML},{}", arn("saml"))), ""),
        ("expired", good.replace(&until, &past), "ExpiredTokenException"),
        ("other issuer", good.replace("//idp.", "//evil."), "Issuer not present"),
        (
            "other role",
            good.replace(&pair, &format!("{},{SAML}", arn("hub"))),
            "AccessDenied: Not authorized",
        ),
        ("other recipient", good.replace("//signin.", "//evil."), "AccessDenied: Not authorized"),
        (
            "no session name",
            good.replace("RoleSessionName", "Other"),
            "AccessDenied: Not authorized",
        ),
    ];
    for (what, assertion, expected) in rows {
        let (role, text) = (arn("saml"), BASE64_STANDARD.encode(assertion));
        let params = [("RoleArn", role.as_str()), ("PrincipalArn", SAML), ("SAMLAssertion", &text)];
        let outcome = unsigned(&mut Judge::new(iam.clone()), "AssumeRoleWithSAML", &params);
        check(what, &outcome, expected);
    }
}

#[test]
fn a_request_must_be_signed_by_a_key_that_exists() {
    let now = Timestamp::from_second(NOW).unwrap();
    let judge = Judge::new(iam());
    let authenticate = |action: &str, authorization: Option<&str>, token: Option<&str>| {
        let mut headers = std::collections::BTreeMap::new();
        if let Some(text) = authorization {
            headers.insert("authorization".to_owned(), text.to_owned());
        }
        if let Some(token) = token {
            headers.insert("x-amz-security-token".to_owned(), token.to_owned());
        }
        let body = format!("Action={action}").into_bytes();
        let http = HttpRequest { method: "POST".to_owned(), path: "/".to_owned(), headers, body };
        let outcome = judge.authenticate(&http, &Received::new(&http), now);
        outcome.err().map(|refusal| refusal.code)
    };
    let header = |key: &str| {
        format!(
            "AWS4-HMAC-SHA256 Credential={key}/20270115/eu-central-1/sts/aws4_request, SignedHeaders=host, Signature=00"
        )
    };
    let (known, unknown) = (header(super::USER), header("AKIANOBODY"));
    let rows = [
        ("AssumeRole", None, None, Some("MissingAuthenticationToken")),
        ("AssumeRoleWithWebIdentity", None, None, None),
        ("AssumeRole", Some(unknown.as_str()), None, Some("InvalidClientTokenId")),
        ("AssumeRole", Some(known.as_str()), Some("token"), Some("InvalidClientTokenId")),
        ("AssumeRole", Some(known.as_str()), None, Some("SignatureDoesNotMatch")),
    ];
    for (action, authorization, token, expected) in rows {
        assert_eq!(
            authenticate(action, authorization, token),
            expected,
            "{action} {authorization:?}"
        );
    }
}
