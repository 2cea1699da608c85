//! What the keys in `spec.identity.accessKeySecretRef` may sign, as a table of `docs/identities.md` says.

use rig::strict::{Iam, Policy, Role, Strict, User};
use rig::sts::Responder;
use serde_json::{Value, json};

use super::table::Table;
use super::{assert_documented, outcome, settled};
use crate::world::World;

const KEY: (&str, &str) = ("AKIASIGNER0000000001", "signerSecretKeyThatNobodyMayEverSee00000");
const USER: &str = "arn:aws:iam::123456789012:user/signer";
const ROLE: &str = "arn:aws:iam::123456789012:role/signer";
const TARGET: &str = "arn:aws:iam::123456789012:role/target";
const TASK: &str = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials";

/// The signers: the column of each, its Secret, and whether it has a session token.
const SIGNERS: &[(&str, &str, bool)] = &[
    ("key of an IAM user", "user", false),
    ("session of a role", "role", true),
    ("session of getSessionToken", "session", true),
    ("session of getFederationToken", "federated", true),
];

/// No policy is the reason of a refusal.
const EVERYTHING: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}]}"#;

fn iam() -> Iam {
    let mut iam = Iam::new().unwrap();
    let everything = || vec![Policy::identity(EVERYTHING).unwrap()];
    let key = (KEY.0.to_owned(), KEY.1.to_owned());
    iam.users.insert(USER.to_owned(), User { permissions: everything(), key });
    for (arn, trusted) in [(ROLE, json!([USER])), (TARGET, json!([USER, ROLE]))] {
        let trust = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": trusted}, "Action": "sts:AssumeRole"}]});
        let trust = Policy::trust(&trust.to_string()).unwrap();
        let role = Role { trust, permissions: everything(), max_session: 43_200 };
        iam.roles.insert(arn.to_owned(), role);
    }
    iam.organization = Some(("123456789012".to_owned(), ["210987654321".to_owned()].into()));
    iam.outbound_federation.insert("123456789012".to_owned());
    iam
}

/// The rows: the name of each in the docs, and its request.
fn requests() -> Vec<(&'static str, Value)> {
    let token = json!({"audiences": ["a"], "signingAlgorithm": "RS256", "duration": "30m"});
    let root = json!({"targetPrincipal": "210987654321", "taskPolicyArn": TASK});
    vec![
        ("assumeRole for up to 1h", json!({"assumeRole": {"roleArn": TARGET}})),
        (
            "assumeRole for more than 1h",
            json!({"assumeRole": {"roleArn": TARGET, "duration": "2h"}}),
        ),
        ("assumeRoot", json!({"assumeRoot": root})),
        ("getWebIdentityToken", json!({"getWebIdentityToken": token})),
        ("getSessionToken", json!({"getSessionToken": {}})),
        ("getFederationToken", json!({"getFederationToken": {"name": "guest"}})),
    ]
}

fn signed_by(secret: &str, has_token: bool, mut spec: Value) -> Value {
    spec["identity"] = json!({"accessKeySecretRef": {"name": secret}});
    if has_token {
        spec["identity"]["accessKeySecretRef"]["sessionTokenKey"] = "AWS_SESSION_TOKEN".into();
    }
    spec
}

#[tokio::test]
async fn each_signer_may_sign_what_the_docs_say() {
    let strict = Strict::new(iam());
    let mut world = World::new().await;
    world.sts = Responder::judging(&strict).unwrap();
    // The operator has no identity of its own.
    world.environment.extend([("AWS_ACCESS_KEY_ID", None), ("AWS_SECRET_ACCESS_KEY", None)]);
    world.start_operator(&[]).await;
    let key = json!({"AWS_ACCESS_KEY_ID": KEY.0, "AWS_SECRET_ACCESS_KEY": KEY.1});
    world.create_secret("user", key).await;
    let sessions = [
        ("role", json!({"assumeRole": {"roleArn": ROLE}})),
        ("session", json!({"getSessionToken": {}})),
        ("federated", json!({"getFederationToken": {"name": "guest", "policy": EVERYTHING}})),
    ];
    for (name, spec) in sessions {
        world.issue(name, signed_by("user", false, spec)).await;
    }

    let table = Table::read("Signed request");
    let requests = requests();
    assert_eq!(table.names(), requests.iter().map(|(row, _)| *row).collect::<Vec<_>>());
    let mut created = vec![];
    for (column, secret, has_token) in SIGNERS {
        for (index, (row, spec)) in requests.iter().enumerate() {
            let name = format!("{secret}-{index}");
            let spec = signed_by(secret, *has_token, spec.clone());
            let (cell, what) = (table.cell_in(row, column), format!("{row}: {column}"));
            match world.try_create(&name, spec).await {
                Ok(_) => created.push((name, cell, what)),
                Err(refusal) => assert_eq!(cell, "rejected", "{what}: {refusal}"),
            }
        }
    }
    for (name, cell, what) in created {
        let status = settled(&world.credentials(), &name).await;
        assert_documented(&what, cell, &outcome(&status));
    }
}
