//! Attacks by reference: to Secrets and ServiceAccounts of another namespace.

use serde_json::{Value, json};

use super::attack::{Attack, Refused, attack};
use super::scene::VICTIM_ROLE;

const MISSING: Refused = Refused::ByOperator("InputMissing", "does not exist");

fn by_keys(reference: Value) -> Value {
    json!({"identity": {"accessKeySecretRef": reference}, "assumeRole": {"roleArn": VICTIM_ROLE}})
}

fn by_account(name: &str) -> Value {
    json!({"assumeRoleWithWebIdentity": {"roleArn": VICTIM_ROLE, "serviceAccountName": name}})
}

fn by_token(reference: Value) -> Value {
    json!({"assumeRoleWithWebIdentity": {"roleArn": VICTIM_ROLE, "tokenSecretRef": reference}})
}

fn by_assertion(reference: Value) -> Value {
    let provider = "arn:aws:iam::123456789012:saml-provider/corporate";
    json!({"assumeRoleWithSAML": {
        "roleArn": VICTIM_ROLE, "principalArn": provider, "assertionSecretRef": reference,
    }})
}

/// The victim has a Secret `keys` and a ServiceAccount `payroll`.
pub fn rows(victim: &str) -> Vec<Attack> {
    let by_api_server = |field| Refused::ByApiServer(field);
    let keys = "spec.identity.accessKeySecretRef.name";
    let account = "spec.assumeRoleWithWebIdentity.serviceAccountName";
    let token = "spec.assumeRoleWithWebIdentity.tokenSecretRef";
    let user = format!("system:serviceaccount:{victim}:payroll");
    vec![
        attack("keys by their name alone", by_keys(json!({"name": "keys"})), MISSING),
        attack(
            "keys with a namespace of their own",
            by_keys(json!({"name": "keys", "namespace": victim})),
            MISSING,
        ),
        attack(
            "keys behind a slash",
            by_keys(json!({"name": format!("{victim}/keys")})),
            by_api_server(keys),
        ),
        attack(
            "keys by a path traversal",
            by_keys(json!({"name": format!("../../{victim}/secrets/keys")})),
            by_api_server(keys),
        ),
        attack(
            "keys by an encoded path traversal",
            by_keys(json!({"name": format!("x%2F..%2F{victim}%2Fkeys")})),
            by_api_server(keys),
        ),
        attack("keys and a query", by_keys(json!({"name": "keys?x=y"})), by_api_server(keys)),
        attack("keys in the parent folder", by_keys(json!({"name": ".."})), by_api_server(keys)),
        attack(
            "a key of a key",
            by_token(json!({"name": "keys", "key": "../keys/t"})),
            by_api_server(token),
        ),
        attack("a token by its name alone", by_token(json!({"name": "keys", "key": "t"})), MISSING),
        attack(
            "a token with a namespace",
            by_token(json!({"name": "keys", "key": "t", "namespace": victim})),
            MISSING,
        ),
        attack(
            "an assertion by its name alone",
            by_assertion(json!({"name": "keys", "key": "t"})),
            MISSING,
        ),
        attack("an account by its name alone", by_account("payroll"), MISSING),
        attack("an account by its user", by_account(&user), by_api_server(account)),
        attack(
            "an account behind a slash",
            by_account(&format!("{victim}/payroll")),
            by_api_server(account),
        ),
        attack(
            "an account by its token's path",
            by_account("payroll/token"),
            by_api_server(account),
        ),
        attack(
            "an account as identity",
            json!({
                "identity": {"webIdentity": {"roleArn": VICTIM_ROLE, "serviceAccountName": "payroll"}},
                "assumeRole": {"roleArn": VICTIM_ROLE},
            }),
            MISSING,
        ),
        attack(
            "the Secret of another namespace to write",
            json!({
                "assumeRole": {"roleArn": VICTIM_ROLE}, "secret": {"name": format!("{victim}/payroll")},
            }),
            by_api_server("spec.secret.name"),
        ),
        attack(
            "another namespace to write to",
            json!({
                "assumeRole": {"roleArn": VICTIM_ROLE},
                "secret": {"name": "payroll", "namespace": victim},
            }),
            Refused::ByOperator("NotGranted", "No RoleGrant"),
        ),
    ]
}
