//! Random transitions between valid specs: what a resource ends with depends on its last spec alone.

mod accepted;
mod generate;

use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use tempcred_core::api::{CredentialStatus, TemporaryCredential};

use super::end_state::EndState;
use super::faults::runs_all;
use super::observer::Observer;
use super::turn;
use crate::world::{World, condition, is_ready, plain, wait_until};
use generate::Generator;

/// Number of resources, each of which goes through a chain of specs: in every test run, and with all of the proof.
const CHAINS: [u64; 2] = [2, 24];

/// Number of transitions of each.
const TRANSITIONS: usize = 10;

/// The name of the resource in each namespace.
const NAME: &str = "reports";

/// A step waits for calls that a user causes: at most one in 5 s.
const STEP: Duration = Duration::from_secs(60);

/// A namespace with everything that a spec may name, and an operator.
async fn world() -> World {
    let world = World::start().await;
    let inputs = json!({
        "AWS_ACCESS_KEY_ID": "AKIAINPUT00000000001", "AWS_SECRET_ACCESS_KEY": "inputSecretKey",
        "token": "aGVhZGVy.cGF5bG9hZA.c2lnbmF0dXJl",
    });
    world.create_secret("inputs", inputs).await;
    world.kubectl(&["create", "serviceaccount", "runner"]);
    world
}

/// The number that all random choices follow from. `TEMPCRED_PROOF_SEED` repeats them. Each run of all of the proof makes
/// others, and the few choices of every test run are the same each time.
fn seed() -> u64 {
    let default = if runs_all() { u64::from(std::process::id()) } else { 1 };
    let text = std::env::var("TEMPCRED_PROOF_SEED");
    text.map_or(default, |text| text.parse().expect("TEMPCRED_PROOF_SEED"))
}

/// Replaces the spec of a resource, and returns the resource. Or says why the API server refuses the spec.
async fn request(
    world: &World,
    name: &str,
    spec: &Value,
    dry_run: bool,
) -> Result<DynamicObject, String> {
    let object = json!({
        "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
        "metadata": {"name": name}, "spec": spec,
    });
    let kind = ApiResource::erase::<TemporaryCredential>(&());
    let api: Api<DynamicObject> =
        Api::namespaced_with(world.client.clone(), &world.namespace, &kind);
    let params = PatchParams { dry_run, ..PatchParams::apply("user").force() };
    match api.patch(name, &params, &Patch::Apply(object)).await {
        Ok(applied) => Ok(applied),
        Err(kube::Error::Api(status)) if status.code == 422 => Err(status.message),
        Err(error) => panic!("{error}"),
    }
}

/// Replaces the spec of the resource. Returns the generation, or why the API server refuses the spec.
async fn apply(world: &World, spec: &Value) -> Result<i64, String> {
    Ok(request(world, NAME, spec, false).await?.metadata.generation.unwrap_or_default())
}

/// Applies generated specs until the API server accepts one, and returns it with its generation.
async fn apply_next(world: &World, generator: &mut Generator) -> (Value, i64) {
    loop {
        let spec = generator.spec();
        if let Ok(generation) = apply(world, &spec).await {
            return (spec, generation);
        }
    }
}

/// Whether the resource is Ready, and the reason.
fn readiness(status: &CredentialStatus) -> (bool, &str) {
    condition(status, "Ready").unwrap()
}

/// Waits until the resource was reconciled in this generation, and no call is about to be made.
async fn reconciled(world: &World, generation: i64) -> CredentialStatus {
    let done = |s: &CredentialStatus| {
        let waits = ["Pending", "Retrying"].contains(&readiness(s).1);
        s.observed_generation == Some(generation)
            && !waits
            && !s.conditions.iter().any(|one| one.type_ == "Reconciling" && one.status == "True")
    };
    world.wait_at_most(STEP, NAME, "reconciled", done).await.status.unwrap()
}

/// Goes through a chain of specs, and returns what is wrong.
async fn chain(seed: u64) -> Result<usize, String> {
    let mut generator = Generator::new(seed);
    let (changed, fresh) = (world().await, world().await);
    let observer = Observer::start(&changed);
    let (mut last, mut generation) = (json!({}), 0);
    for _ in 0..TRANSITIONS {
        (last, generation) = apply_next(&changed, &mut generator).await;
        // Some users do not wait.
        if generator.below(2) == 0 {
            reconciled(&changed, generation).await;
        }
    }
    let changed_status = reconciled(&changed, generation).await;
    let generation = apply(&fresh, &last)
        .await
        .map_err(|why| format!("refused for a new resource: {why}: {last}"))?;
    let fresh_status = reconciled(&fresh, generation).await;
    observer.check().await;
    let (left, right) = (readiness(&changed_status), readiness(&fresh_status));
    if left != right {
        return Err(format!("{left:?} instead of {right:?} with {last}"));
    }
    if !is_ready(&fresh_status) {
        return Ok(0);
    }
    let differences = wait_for_equal(&changed, &fresh).await;
    if differences.is_empty() { Ok(1) } else { Err(format!("{differences:#?} with {last}")) }
}

/// Whether only this number differs: it counts the specs.
fn is_generation(difference: &str) -> bool {
    difference.split_once(": ").is_some_and(|(path, _)| path.ends_with(".observedGeneration"))
}

/// What differs between two namespaces, once writes have ended.
async fn wait_for_equal(changed: &World, fresh: &World) -> Vec<String> {
    let mut last = vec![];
    for _ in 0..20 {
        last = EndState::of(changed).await.differences(&EndState::of(fresh).await);
        last.retain(|one| !is_generation(one));
        if last.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    last
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_resource_ends_with_depends_on_its_last_spec_alone() {
    let _turn = turn().await;
    let seed = seed();
    println!("seed {seed}");
    let count = CHAINS[usize::from(runs_all())];
    let chains = stream::iter(0..count).map(|number| async move {
        let task = tokio::spawn(chain(seed.wrapping_mul(1000) + number));
        (number, task.await.unwrap_or_else(|panic| Err(panic.to_string())))
    });
    let results: Vec<_> = chains.buffer_unordered(4).collect().await;
    let failed: Vec<_> = results.iter().filter(|(_, result)| result.is_err()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let ready: usize = results.iter().filter_map(|(_, result)| result.as_ref().ok()).sum();
    println!("{count} chains of {TRANSITIONS} transitions: {ready} ended Ready");
    assert!(ready > 0, "none is Ready, so none was compared");
}

#[tokio::test]
async fn a_bad_spec_keeps_the_secret_and_its_rollback_needs_no_call() {
    let world = world().await;
    let good = json!({"assumeRole": {"roleArn": "arn:aws:iam::123456789012:role/good"}});
    world.issue(NAME, good.clone()).await;
    let key = world.complete_key(NAME).await;
    let before = EndState::of(&world).await;
    world.sts.inject(rig::sts::Fault::access_denied().for_role("role/refused"));
    let role = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
    for (row, bad) in [
        ("a refused role", json!({"assumeRole": {"roleArn": role("refused")}})),
        (
            "a role without a grant",
            json!({"assumeRole": {"roleArn": "arn:aws:iam::999999999999:role/x"}}),
        ),
        (
            "a missing input",
            json!({"getSessionToken": {}, "identity": {"accessKeySecretRef": {"name": "none"}}}),
        ),
        (
            "a template that fails",
            json!({
                "assumeRole": {"roleArn": role("good")}, "secret": {"template": {"x": "{{ region }}"}},
            }),
        ),
    ] {
        let generation = apply(&world, &bad).await.unwrap();
        let status = reconciled(&world, generation).await;
        assert!(!is_ready(&status), "{row}");
        assert_eq!(world.complete_key(NAME).await, key, "{row}");
        let calls = world.sts.calls_total();
        let generation = apply(&world, &good).await.unwrap();
        let status = reconciled(&world, generation).await;
        assert!(is_ready(&status), "{row}: {status:?}");
        assert_eq!(world.complete_key(NAME).await, key, "{row}");
        assert_eq!(world.sts.calls_total(), calls, "{row}");
        wait_until(&format!("as before {row}"), STEP, || async {
            let differences = EndState::of(&world).await.differences(&before);
            differences.iter().all(|one| is_generation(one)).then_some(())
        })
        .await;
    }
}

/// The defaults of an earlier apply have no manager, so that lists which are merged would keep them.
#[tokio::test]
async fn server_side_apply_replaces_the_default_formats() {
    let world = world().await;
    let mut spec = plain();
    apply(&world, &spec).await.unwrap();
    world.wait(NAME, "ready", is_ready).await;
    spec["secret"] = json!({"formats": ["env"]});
    apply(&world, &spec).await.unwrap();
    wait_until("only that format is left", STEP, || async {
        (!world.data(NAME).await.contains_key("credentials")).then_some(())
    })
    .await;
}
