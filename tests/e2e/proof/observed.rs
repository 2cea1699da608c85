//! The observer reports each invariant that is violated, here by hand.

use jiff::{SignedDuration, Timestamp};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::observer::Observer;
use crate::world::{SOON, World, plain, wait_until};

/// The name of the Secret and of the resource.
const NAME: &str = "reports";

/// The data of a Secret with this key, which expires after this time.
fn credentials(key: &str, lasts: SignedDuration) -> Value {
    json!({
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": rig::sts::secret_for(key),
        "AWS_SESSION_TOKEN": rig::sts::token_for(key),
        "AWS_CREDENTIAL_EXPIRATION": (Timestamp::now() + lasts).to_string(),
    })
}

/// Writes a Secret as this manager. `annotated` says whether it looks like one of the operator.
async fn write(world: &World, manager: &str, annotated: bool, data: Value) {
    let mut secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME}, "stringData": data,
    });
    if annotated {
        secret["metadata"]["annotations"] = json!({"tempcred.dev/fingerprint": "0123"});
    }
    let params = PatchParams::apply(manager).force();
    world.secrets().patch(NAME, &params, &Patch::Apply(secret)).await.unwrap();
}

/// Writes a status that says Ready, with these fields.
async fn claim(world: &World, fields: Value) {
    let mut status = json!({"conditions": [{
        "type": "Ready", "status": "True", "reason": "Issued", "message": "m",
        "lastTransitionTime": Timestamp::now().to_string(),
    }]});
    status.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let patch = Patch::Merge(json!({"status": status}));
    world.credentials().patch_status(NAME, &PatchParams::default(), &patch).await.unwrap();
}

#[tokio::test]
async fn each_violated_invariant_is_reported() {
    let hour = SignedDuration::from_hours(1);
    for row in [
        "all or nothing: Secret reports mixes credentials",
        "all or nothing: Secret reports lacks a value",
        "all or nothing: STS did not issue ASIAINVENTED",
        "never late: ASIAINVENTED was written to reports after its expiration",
        "never late: Secret reports holds ASIAINVENTED, which has expired",
        "never late: ASIAINVENTED in reports was replaced after its expiration",
        "foreign Secrets: Secret reports was touched",
        "foreign Secrets: Secret reports was taken over",
        "ready is true: reports is Ready with expired credentials",
        "ready is true: a status named ASIAINVENTED, which no Secret held",
        "values stay secret: the status of reports contains a value of",
    ] {
        let mut world = World::start().await;
        world.issue(NAME, plain()).await;
        let key = world.complete_key(NAME).await;
        world.kill_operator();
        let observer = Observer::start(&world);
        observer.check().await;

        let invented = "ASIAINVENTED";
        let mut mixed = credentials(&key, hour);
        mixed["AWS_SECRET_ACCESS_KEY"] = rig::sts::secret_for("ASIAOTHER").into();
        let end = |lasts: SignedDuration| (Timestamp::now() + lasts).to_string();
        match row.split_once(": ").unwrap() {
            (_, "Secret reports mixes credentials") => write(&world, "tempcred", true, mixed).await,
            (_, "Secret reports lacks a value") => {
                let gone = json!({"data": {"AWS_SESSION_TOKEN": null}});
                world.edit_secret(NAME, gone).await;
            }
            (_, "STS did not issue ASIAINVENTED") => {
                write(&world, "tempcred", true, credentials(invented, hour)).await;
            }
            (_, "ASIAINVENTED was written to reports after its expiration") => {
                write(&world, "tempcred", true, credentials(invented, -hour)).await;
            }
            (_, "Secret reports holds ASIAINVENTED, which has expired") => {
                write(&world, "somebody", true, credentials(invented, -hour)).await;
            }
            (_, "ASIAINVENTED in reports was replaced after its expiration") => {
                write(&world, "somebody", true, credentials(invented, -hour)).await;
                wait_until("the expired key is seen", SOON, || async {
                    observer
                        .violations()
                        .iter()
                        .any(|one| one.contains("has expired"))
                        .then_some(())
                })
                .await;
                write(&world, "somebody", true, credentials(&key, hour)).await;
            }
            ("foreign Secrets", "Secret reports was taken over") => {
                world.secrets().delete(NAME, &Default::default()).await.unwrap();
                world.create_secret(NAME, json!({"password": "theirs"})).await;
                write(&world, "tempcred", true, credentials(&key, hour)).await;
            }
            ("foreign Secrets", _) => {
                world.secrets().delete(NAME, &Default::default()).await.unwrap();
                write(&world, "tempcred", false, json!({"password": "theirs"})).await;
            }
            (_, "reports is Ready with expired credentials") => {
                claim(&world, json!({"accessKeyId": key, "expiration": end(-hour)})).await;
            }
            (_, "a status named ASIAINVENTED, which no Secret held") => {
                claim(&world, json!({"accessKeyId": invented, "expiration": end(hour)})).await;
            }
            ("values stay secret", _) => {
                claim(&world, json!({"principalArn": rig::sts::secret_for(&key)})).await;
            }
            other => panic!("{other:?}"),
        }
        wait_until(row, SOON, || async {
            observer.end();
            observer.violations().iter().any(|one| one.starts_with(row)).then_some(())
        })
        .await;
    }
}
