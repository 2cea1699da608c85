//! What the tools of GitOps make of a resource: Flux by the library kstatus, Argo CD by the Lua of
//! `examples/argocd`. Both are asked about objects that the operator and the API server have made.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use rig::Tool;
use rig::sts::{Fault, Matching};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::world::{SOON, World, condition, failure_reason, is_ready, plain, truths, wait_until};

/// Long enough to be issued and seen, short enough to wait for.
const SHORT_LIFE: Duration = Duration::from_secs(8);

/// What a program of others says to some input.
fn ask(tool: Tool, args: &[&str], input: &str) -> String {
    let mut command = Command::new(tool.ready().unwrap());
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{tool:?} {args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// What kstatus says of an object: its status and why.
fn kstatus(object: &Value) -> (String, String) {
    let verdict: Value =
        serde_json::from_str(&ask(Tool::Kstatus, &[], &object.to_string())).unwrap();
    let text = |key: &str| verdict[key].as_str().unwrap().to_owned();
    (text("status"), text("message"))
}

/// What Argo CD knows of our resources.
struct Argo {
    health: String,
    actions: Actions,
}

#[derive(Deserialize)]
struct Actions {
    #[serde(rename = "discovery.lua")]
    discovery: String,
    definitions: Vec<Action>,
}

#[derive(Deserialize)]
struct Action {
    name: String,
    #[serde(rename = "action.lua")]
    script: String,
}

impl Argo {
    /// As Argo CD reads it from its ConfigMap.
    fn configured() -> Self {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/argocd/argocd-cm.yaml");
        let map: Value = serde_yaml::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        let entry = |what: &str| {
            let key = format!("resource.customizations.{what}.tempcred.dev_TemporaryCredential");
            map["data"][key].as_str().unwrap().to_owned()
        };
        let actions = serde_yaml::from_str(&entry("actions")).unwrap();
        Self { health: entry("health"), actions }
    }

    fn run(script: &str, object: &Value, args: &[&str]) -> Value {
        let task = json!({"script": script, "object": object}).to_string();
        serde_json::from_str(&ask(Tool::Lua, args, &task)).unwrap()
    }

    /// Health and message of an object.
    fn health(&self, object: &Value) -> (String, String) {
        let health = Self::run(&self.health, object, &[]);
        let text = |key: &str| health[key].as_str().unwrap().to_owned();
        (text("status"), text("message"))
    }

    /// The actions that can be clicked on.
    fn offered(&self, object: &Value) -> Vec<String> {
        let found = Self::run(&self.actions.discovery, object, &[]);
        let found: BTreeMap<String, Value> = serde_json::from_value(found).unwrap();
        assert_eq!(found.len(), self.actions.definitions.len());
        let enabled = found.into_iter().filter(|(_, action)| action["disabled"] == json!(false));
        enabled.map(|(name, _)| name).collect()
    }

    /// Clicks on an action, and gives the patch that Argo CD sends.
    fn click(&self, world: &World, name: &str, action: &str) -> Value {
        let object = live(world, name);
        assert!(self.offered(&object).contains(&action.to_owned()), "{action} is not offered");
        let action = self.actions.definitions.iter().find(|a| a.name == action).unwrap();
        let patch = Self::run(&action.script, &object, &["patch"]);
        world.kubectl(&["patch", "tempcred", name, "--type=merge", "--patch", &patch.to_string()]);
        patch
    }
}

/// An object as the API server gives it to everybody.
fn live(world: &World, name: &str) -> Value {
    serde_json::from_str(&world.kubectl(&["get", "tempcred", name, "--output=json"])).unwrap()
}

fn role(name: &str) -> Value {
    json!({"assumeRole": {"roleArn": format!("arn:aws:iam::123456789012:role/{name}")}})
}

/// Objects in a state, with what Flux and Argo CD must say of them.
struct States {
    argo: Argo,
    seen: Vec<String>,
}

impl States {
    fn look(&mut self, world: &World, name: &str, flux: &str, argo: &str, words: &str) {
        let object = live(world, name);
        let yaml = serde_yaml::to_string(&object["status"]).unwrap();
        let (status, message) = kstatus(&object);
        assert_eq!(status, flux, "kstatus of {name}: {message}\n{yaml}");
        let (status, told) = self.argo.health(&object);
        assert_eq!(status, argo, "health of {name}: {told}\n{yaml}");
        assert!(told.contains(words), "{name}: {told:?} does not say {words:?}");
        self.seen.push(name.to_owned());
    }
}

#[tokio::test]
async fn flux_and_argo_cd_see_every_state_for_what_it_is() {
    let mut world = World::new().await;
    let mut states = States { argo: Argo::configured(), seen: vec![] };

    world.create("new", role("new")).await;
    states.look(&world, "new", "InProgress", "Progressing", "Waiting for tempcred");
    world.start_operator(&[]).await;
    world.wait("new", "ready", is_ready).await;
    states.look(&world, "new", "Current", "Healthy", "Secret new holds credentials");

    world.sts.inject(Fault::access_denied().for_role("refused"));
    world.sts.inject(Fault::throttling().for_role("throttled"));
    world.sts.inject(Fault::service_unavailable().for_role("away"));
    let taken = json!({"metadata": {"name": "taken"}, "stringData": {"not": "ours"}});
    world
        .secrets()
        .create(&Default::default(), &serde_json::from_value(taken).unwrap())
        .await
        .unwrap();
    for (name, reason, flux, argo) in [
        ("refused", "AccessDenied", "Failed", "Degraded"),
        ("taken", "SecretConflict", "Failed", "Degraded"),
        ("throttled", "Throttled", "InProgress", "Progressing"),
        ("away", "StsUnavailable", "InProgress", "Progressing"),
    ] {
        world.create(name, role(name)).await;
        world.wait(name, reason, |status| failure_reason(status) == Some(reason)).await;
        let message =
            live(&world, name)["status"]["failure"]["message"].as_str().unwrap().to_owned();
        states.look(&world, name, flux, argo, &message);
    }

    // What works is ready, even if it will not for long.
    world.issue("failing", role("failing")).await;
    world.sts.inject(Fault::access_denied().for_role("failing"));
    world.patch("failing", renew("1")).await;
    world.wait("failing", "failing", |s| truths(s).iter().any(|t| t.0 == "RenewalFailing")).await;
    states.look(&world, "failing", "Current", "Healthy", "The renewal fails: ");

    // A change that STS has not answered yet, and one that it refuses: the old credentials count no more.
    world.issue("changed", role("changed")).await;
    let hold = world.sts.hold(Matching::any().role("refused-later"));
    world.sts.inject(Fault::access_denied().for_role("refused-later"));
    world.patch("changed", json!({"spec": role("refused-later")})).await;
    states.look(&world, "changed", "InProgress", "Progressing", "this version");
    hold.release();
    world.wait("changed", "refused", |s| failure_reason(s) == Some("AccessDenied")).await;
    states.look(&world, "changed", "Failed", "Degraded", "refused-later");

    world.issue("suspended", role("suspended")).await;
    world.patch("suspended", json!({"spec": {"suspend": true}})).await;
    world
        .wait("suspended", "suspended", |s| condition(s, "Ready") == Some((true, "Suspended")))
        .await;
    states.look(&world, "suspended", "Current", "Suspended", "spec.suspend is set");
    let mut never = role("never");
    never["suspend"] = json!(true);
    world.create("never", never).await;
    world.wait("never", "seen", |s| condition(s, "Ready") == Some((false, "Suspended"))).await;
    states.look(&world, "never", "InProgress", "Suspended", "No credentials are issued");

    assert_eq!(states.seen.len(), 11);
}

#[tokio::test]
async fn flux_and_argo_cd_see_what_has_expired() {
    let mut world = World::start().await;
    let mut states = States { argo: Argo::configured(), seen: vec![] };
    world.sts.inject(Fault::lifetime(SHORT_LIFE));
    let names = ["refused", "away", "suspended"];
    for name in names {
        world.issue(name, role(name)).await;
    }
    world.patch("suspended", json!({"spec": {"suspend": true}})).await;
    world.sts.inject(Fault::access_denied().for_role("refused"));
    world.sts.inject(Fault::service_unavailable().for_role("away"));
    for name in names {
        world.wait(name, "expired", |s| condition(s, "Ready") == Some((false, "Expired"))).await;
    }
    states.look(&world, "refused", "Failed", "Degraded", "that expired at");
    states.look(&world, "away", "InProgress", "Degraded", "that expired at");
    states.look(&world, "suspended", "InProgress", "Degraded", "that expired at");
    assert_eq!(states.seen.len(), names.len());
    world.stop_operator();
}

#[tokio::test]
async fn flux_sees_what_is_being_deleted_and_what_is_gone() {
    let world = World::start().await;
    world.issue("reports", plain()).await;
    let finalizers = |list: Value| json!({"metadata": {"finalizers": list}});
    world.patch("reports", finalizers(json!(["example.com/wait"]))).await;
    world.credentials().delete("reports", &Default::default()).await.unwrap();
    assert_eq!(kstatus(&live(&world, "reports")).0, "Terminating");
    world.patch("reports", finalizers(json!([]))).await;
    wait_until("it is gone", SOON, || async {
        world.credentials().get_opt("reports").await.unwrap().is_none().then_some(())
    })
    .await;
    assert_eq!(kstatus(&json!({})).0, "NotFound");
}

#[tokio::test]
async fn actions_of_argo_cd_renew_once_suspend_and_resume() {
    let world = World::start().await;
    let argo = Argo::configured();
    // With an empty object, of which Lua cannot tell whether it is a list.
    let mut spec = plain();
    spec["secret"] = json!({});
    world.issue("reports", spec).await;
    assert_eq!(argo.offered(&live(&world, "reports")), ["renew", "suspend"]);

    let patch = argo.click(&world, "reports", "renew");
    let value = patch["metadata"]["annotations"]["tempcred.dev/renew-requested-at"].clone();
    assert_eq!(patch, renew(value.as_str().unwrap()), "it changes nothing else");
    let done = |wanted: &Value| {
        let wanted = wanted.as_str().map(str::to_owned);
        move |s: &tempcred_core::api::CredentialStatus| s.last_renew_request == wanted
    };
    world.wait("reports", "renewed", done(&value)).await;
    assert_eq!(world.sts.calls_total(), 2);

    // Flux takes away an annotation that is not in Git: that is no request.
    world.patch("reports", renew_with(Value::Null)).await;

    assert_eq!(argo.click(&world, "reports", "suspend"), json!({"spec": {"suspend": true}}));
    let reason = |wanted: &'static str| {
        move |s: &tempcred_core::api::CredentialStatus| {
            condition(s, "Ready") == Some((true, wanted))
        }
    };
    world.wait("reports", "suspended", reason("Suspended")).await;
    assert_eq!(argo.offered(&live(&world, "reports")), ["resume"]);
    assert_eq!(argo.click(&world, "reports", "resume"), json!({"spec": {"suspend": false}}));
    world.wait("reports", "resumed", reason("Issued")).await;
    assert_eq!(argo.offered(&live(&world, "reports")), ["renew", "suspend"]);
    assert_eq!(world.sts.calls_total(), 2, "neither costs a call");

    // A second click is a second renewal, at the latest a second later.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let patch = argo.click(&world, "reports", "renew");
    let second = patch["metadata"]["annotations"]["tempcred.dev/renew-requested-at"].clone();
    assert_ne!(second, value);
    world.wait("reports", "renewed again", done(&second)).await;
    assert_eq!(world.sts.calls_total(), 3);
}

#[tokio::test]
async fn the_example_for_argo_cd_leaves_its_other_settings_alone() {
    let world = World::new().await;
    world.kubectl(&[
        "create",
        "configmap",
        "argocd-cm",
        "--from-literal=url=https://cd.example.com",
    ]);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/argocd/argocd-cm.yaml");
    let here = format!("namespace: {}", world.namespace);
    let patch = fs::read_to_string(file).unwrap().replace("namespace: argocd", &here);
    let path = world.rig.dir().join(format!("{}-argocd-cm.yaml", world.namespace));
    fs::write(&path, patch).unwrap();
    world.kubectl(&["patch", "configmap", "argocd-cm", "--patch-file", path.to_str().unwrap()]);
    let map = world.kubectl(&["get", "configmap", "argocd-cm", "--output=json"]);
    let map: Value = serde_json::from_str(&map).unwrap();
    assert_eq!(map["data"]["url"], "https://cd.example.com");
    assert_eq!(map["data"].as_object().unwrap().len(), 3);
}

/// The block of `docs/gitops.md` that begins so.
fn shown(first: &str) -> String {
    let page = include_str!("../../docs/gitops.md");
    let found = page.split("```").find(|block| block.starts_with(&format!("yaml\n{first}")));
    found.unwrap().trim_start_matches("yaml\n").to_owned()
}

#[tokio::test]
async fn kustomize_renames_where_a_secret_is_used_as_the_text_says() {
    let world = World::new().await;
    let dir = world.rig.dir().join(format!("{}-kustomize", world.namespace));
    fs::create_dir(&dir).unwrap();
    let mut credential =
        json!({"apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential"});
    credential["metadata"] = json!({"name": "reports"});
    credential["spec"] = plain();
    let pod = json!({
        "containers": [{"name": "app", "envFrom": [{"secretRef": {"name": "reports"}}]}],
        "volumes": [{"name": "aws", "secret": {"secretName": "reports"}}],
    });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "app"},
        "spec": {"template": {"spec": pod}},
    });
    let kustomization = json!({
        "nameSuffix": "-blue", "configurations": ["names.yaml"],
        "resources": ["credential.yaml", "deployment.yaml"],
    });
    for (file, content) in [
        ("credential.yaml", credential.to_string()),
        ("deployment.yaml", deployment.to_string()),
        ("kustomization.yaml", kustomization.to_string()),
        ("names.yaml", shown("nameReference:")),
    ] {
        fs::write(dir.join(file), content).unwrap();
    }
    let built = world.kubectl(&["kustomize", dir.to_str().unwrap()]);
    let places = ["name: reports-blue", "secretName: reports-blue"];
    let count = |place: &str| built.lines().filter(|line| line.trim() == place).count();
    assert_eq!(places.map(count), [2, 1], "{built}");
}

fn renew(value: &str) -> Value {
    renew_with(json!(value))
}

fn renew_with(value: Value) -> Value {
    json!({"metadata": {"annotations": {"tempcred.dev/renew-requested-at": value}}})
}
