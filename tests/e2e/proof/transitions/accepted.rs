//! What the API server makes of a spec: whether it accepts it, and what it stores, must not depend on the spec before it.

use serde_json::{Value, json};

use super::generate::Generator;
use super::{NAME, request, seed};
use crate::world::{World, loading, role_arn};

/// Number of specs, one after another: in every test run, and with all of the proof.
const SPECS: [usize; 2] = [100, 1000];

/// What is stored of a spec, or why it is refused.
async fn taken(world: &World, name: &str, spec: &Value, dry_run: bool) -> Result<Value, String> {
    let stored = request(world, name, spec, dry_run).await?;
    let mut spec = stored.data["spec"].clone();
    drop_empty(&mut spec);
    Ok(spec)
}

/// Drops what means the same as nothing.
fn drop_empty(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(drop_empty);
            fields.retain(|_, value| !is_empty(value));
        }
        Value::Array(all) => all.iter_mut().for_each(drop_empty),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_empty(value: &Value) -> bool {
    *value == json!({}) || *value == json!([])
}

/// Replaces the spec of the resource. Returns whether the API server accepts it, or how this depends on the spec before.
async fn replace(world: &World, spec: &Value) -> Result<bool, String> {
    let fresh = taken(world, "fresh", spec, true).await;
    let changed = taken(world, NAME, spec, false).await;
    match (&changed, &fresh) {
        (Ok(changed), Ok(fresh)) if changed == fresh => Ok(true),
        (Err(_), Err(_)) => Ok(false),
        (Ok(_) | Err(_), _) => Err(format!("{spec}: {changed:?} instead of {fresh:?}")),
    }
}

#[tokio::test]
async fn an_emptied_field_is_taken_as_if_it_were_the_first() {
    let world = World::new().await;
    let role = role_arn("reports");
    let identity = json!({"accessKeySecretRef": {"name": "inputs"}});
    for (row, before, after, accepted) in [
        (
            "labels",
            json!({"assumeRole": {"roleArn": role}, "secret": {"labels": {"a": "b"}}}),
            json!({"assumeRole": {"roleArn": role}, "secret": {"labels": {}}}),
            true,
        ),
        (
            "a request without fields",
            json!({"getSessionToken": {"duration": "1h"}, "identity": identity}),
            json!({"getSessionToken": {}, "identity": identity}),
            true,
        ),
        (
            "an identity",
            json!({"assumeRole": {"roleArn": role}, "identity": identity}),
            json!({"assumeRole": {"roleArn": role}, "identity": {}}),
            false,
        ),
        (
            "tags, none of which is transitive",
            json!({"assumeRole": {"roleArn": role, "tags": {"a": "b"}, "transitiveTagKeys": []}}),
            json!({"assumeRole": {"roleArn": role}}),
            true,
        ),
    ] {
        request(&world, NAME, &before, false).await.unwrap();
        assert_eq!(replace(&world, &after).await, Ok(accepted), "{row}");
    }
}

#[tokio::test]
async fn a_spec_is_accepted_and_stored_as_if_it_were_the_first() {
    let _loading = loading().await;
    let world = World::new().await;
    let (seed, count) = (seed(), SPECS[usize::from(super::runs_all())]);
    println!("seed {seed}");
    let mut generator = Generator::new(seed);
    let (mut accepted, mut wrong) = (0, vec![]);
    for _ in 0..count {
        let spec = generator.spec();
        match replace(&world, &spec).await {
            Ok(is_accepted) => accepted += usize::from(is_accepted),
            Err(difference) => wrong.push(difference),
        }
    }
    println!("{accepted} of {count} specs are accepted");
    assert!(wrong.is_empty(), "{} of {count}: {wrong:#?}", wrong.len());
    assert!(accepted * 8 > count, "too few are accepted: {accepted}");
}
