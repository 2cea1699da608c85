//! How GitOps tools show a resource: Flux by the library kstatus, Argo CD by the Lua of `examples/argocd`.
//! Both evaluate objects that the operator and the API server have written.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use rig::Tool;
use rig::sts::{Fault, Matching};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::world::{
    SOON, World, assume, condition, failure_reason, is_ready, plain, true_conditions, wait_until,
};

/// Long enough to become ready, short enough to wait for the expiry.
const SHORT_LIFE: Duration = Duration::from_secs(8);

/// The output of a tool for an input.
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

/// The verdict of kstatus on an object: status and message.
fn kstatus(object: &Value) -> (String, String) {
    let verdict: Value =
        serde_json::from_str(&ask(Tool::Kstatus, &[], &object.to_string())).unwrap();
    let text = |key: &str| verdict[key].as_str().unwrap().to_owned();
    (text("status"), text("message"))
}

/// The configuration of Argo CD for our resources.
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
        let actions = serde_yaml::from_str(&Self::entry("actions", "TemporaryCredential")).unwrap();
        Self { health: Self::entry("health", "TemporaryCredential"), actions }
    }

    fn entry(what: &str, kind: &str) -> String {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/argocd/argocd-cm.yaml");
        let map: Value = serde_yaml::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        let key = format!("resource.customizations.{what}.tempcred.dev_{kind}");
        map["data"][key].as_str().unwrap().to_owned()
    }

    fn run(script: &str, object: &Value, args: &[&str]) -> Value {
        let task = json!({"script": script, "object": object}).to_string();
        serde_json::from_str(&ask(Tool::Lua, args, &task)).unwrap()
    }

    /// Health and message of an object.
    fn health(&self, object: &Value) -> (String, String) {
        Self::health_by(&self.health, object)
    }

    fn health_by(script: &str, object: &Value) -> (String, String) {
        let health = Self::run(script, object, &[]);
        let text = |key: &str| health[key].as_str().unwrap().to_owned();
        (text("status"), text("message"))
    }

    /// The enabled actions.
    fn offered(&self, object: &Value) -> Vec<String> {
        let found = Self::run(&self.actions.discovery, object, &[]);
        let found: BTreeMap<String, Value> = serde_json::from_value(found).unwrap();
        assert_eq!(found.len(), self.actions.definitions.len());
        let enabled = found.into_iter().filter(|(_, action)| action["disabled"] == json!(false));
        enabled.map(|(name, _)| name).collect()
    }

    /// Runs an action, and returns the patch that Argo CD sends.
    fn click(&self, world: &World, name: &str, action: &str) -> Value {
        let object = live(world, name);
        assert!(self.offered(&object).contains(&action.to_owned()), "{action} is not offered");
        let action = self.actions.definitions.iter().find(|a| a.name == action).unwrap();
        let patch = Self::run(&action.script, &object, &["patch"]);
        world.kubectl(&["patch", "tempcred", name, "--type=merge", "--patch", &patch.to_string()]);
        patch
    }
}

/// An object as the API server returns it.
fn live(world: &World, name: &str) -> Value {
    serde_json::from_str(&world.kubectl(&["get", "tempcred", name, "--output=json"])).unwrap()
}

/// Objects in a state, and how Flux and Argo CD must show them.
struct States {
    argo: Argo,
    shown: Vec<String>,
}

impl States {
    fn assert_shown(&mut self, world: &World, name: &str, flux: &str, argo: &str, words: &str) {
        let object = live(world, name);
        let yaml = serde_yaml::to_string(&object["status"]).unwrap();
        let (status, message) = kstatus(&object);
        assert_eq!(status, flux, "kstatus of {name}: {message}\n{yaml}");
        let (status, message) = self.argo.health(&object);
        assert_eq!(status, argo, "health of {name}: {message}\n{yaml}");
        assert!(message.contains(words), "{name}: {message:?} does not say {words:?}");
        self.shown.push(name.to_owned());
    }
}

#[tokio::test]
async fn flux_and_argo_cd_show_every_state_correctly() {
    let mut world = World::new().await;
    let mut states = States { argo: Argo::configured(), shown: vec![] };

    world.create("new", assume("new")).await;
    states.assert_shown(&world, "new", "InProgress", "Progressing", "Waiting for tempcred");
    world.start_operator(&[]).await;
    world.wait("new", "ready", is_ready).await;
    states.assert_shown(&world, "new", "Current", "Healthy", "Secret new holds credentials");

    world.sts.inject(Fault::access_denied().for_role("refused"));
    world.sts.inject(Fault::throttling().for_role("throttled"));
    world.sts.inject(Fault::service_unavailable().for_role("away"));
    world.create_secret("taken", json!({"not": "ours"})).await;
    for (name, reason, flux, argo) in [
        ("refused", "AccessDenied", "Failed", "Degraded"),
        ("taken", "SecretConflict", "Failed", "Degraded"),
        ("throttled", "Throttled", "InProgress", "Progressing"),
        ("away", "StsUnavailable", "InProgress", "Progressing"),
    ] {
        world.create(name, assume(name)).await;
        world.wait(name, reason, |status| failure_reason(status) == Some(reason)).await;
        let message =
            live(&world, name)["status"]["failure"]["message"].as_str().unwrap().to_owned();
        states.assert_shown(&world, name, flux, argo, &message);
    }

    // Valid credentials are ready, even if their renewal fails.
    world.issue("failing", assume("failing")).await;
    world.sts.inject(Fault::access_denied().for_role("failing"));
    world.request_renewal("failing", "1").await;
    world
        .wait("failing", "failing", |s| true_conditions(s).iter().any(|t| t.0 == "RenewalFailing"))
        .await;
    states.assert_shown(&world, "failing", "Current", "Healthy", "The renewal fails: ");

    // A change that STS has not answered yet, and one that it refuses: the old credentials are not ready.
    world.issue("changed", assume("changed")).await;
    let hold = world.sts.hold(Matching::any().role("refused-later"));
    world.sts.inject(Fault::access_denied().for_role("refused-later"));
    world.patch("changed", json!({"spec": assume("refused-later")})).await;
    states.assert_shown(&world, "changed", "InProgress", "Progressing", "this version");
    hold.release();
    world.wait("changed", "refused", |s| failure_reason(s) == Some("AccessDenied")).await;
    states.assert_shown(&world, "changed", "Failed", "Degraded", "refused-later");

    world.issue("suspended", assume("suspended")).await;
    world.patch("suspended", json!({"spec": {"suspend": true}})).await;
    world
        .wait("suspended", "suspended", |s| condition(s, "Ready") == Some((true, "Suspended")))
        .await;
    states.assert_shown(&world, "suspended", "Current", "Suspended", "spec.suspend is set");
    let mut never = assume("never");
    never["suspend"] = json!(true);
    world.create("never", never).await;
    world.wait("never", "seen", |s| condition(s, "Ready") == Some((false, "Suspended"))).await;
    states.assert_shown(&world, "never", "InProgress", "Suspended", "No credentials are issued");

    world.withdraw(&world.namespace).await;
    for name in ["new", "suspended"] {
        let denied = |s: &_| condition(s, "Ready") == Some((false, "NotGranted"));
        world.wait(name, "not granted", denied).await;
        states.assert_shown(
            &world,
            name,
            "Failed",
            "Degraded",
            "stays until its credentials expire",
        );
    }

    assert_eq!(states.shown.len(), 13);
}

#[tokio::test]
async fn flux_and_argo_cd_show_expired_credentials() {
    let mut world = World::start().await;
    let mut states = States { argo: Argo::configured(), shown: vec![] };
    world.sts.inject(Fault::lifetime(SHORT_LIFE));
    let names = ["refused", "away", "suspended"];
    for name in names {
        world.issue(name, assume(name)).await;
    }
    world.patch("suspended", json!({"spec": {"suspend": true}})).await;
    world.sts.inject(Fault::access_denied().for_role("refused"));
    world.sts.inject(Fault::service_unavailable().for_role("away"));
    for name in names {
        world.wait(name, "expired", |s| condition(s, "Ready") == Some((false, "Expired"))).await;
    }
    states.assert_shown(&world, "refused", "Failed", "Degraded", "that expired at");
    states.assert_shown(&world, "away", "InProgress", "Degraded", "that expired at");
    states.assert_shown(&world, "suspended", "InProgress", "Degraded", "that expired at");
    assert_eq!(states.shown.len(), names.len());
    world.stop_operator();
}

#[tokio::test]
async fn flux_recognizes_a_resource_in_deletion_and_a_deleted_one() {
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

/// The health of the grant of a world: status and message.
fn grant_health(world: &World) -> (String, String) {
    let grant = world.kubectl(&["get", "rolegrant", &world.namespace, "--output=json"]);
    let script = Argo::entry("health", "RoleGrant");
    Argo::health_by(&script, &serde_json::from_str(&grant).unwrap())
}

#[tokio::test]
async fn argo_cd_shows_whether_a_grant_is_in_effect() {
    let mut world = World::new().await;
    assert_eq!(grant_health(&world).0, "Progressing", "no operator has seen it");
    world.start_operator(&[]).await;
    let mut invalid = world.any_role();
    invalid["session"] = json!({"externalId": "{{ cluster }}"});
    let valid = world.any_role();
    for (spec, health, words) in [
        (None, "Healthy", "in effect"),
        (Some(invalid), "Degraded", "--cluster-name"),
        (Some(valid), "Healthy", "in effect"),
    ] {
        if let Some(spec) = spec {
            world.grant(&world.namespace, spec).await;
        }
        wait_until(health, SOON, || async {
            let (shown, message) = grant_health(&world);
            (shown == health && message.contains(words)).then_some(())
        })
        .await;
    }
    world.stop_operator();
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

    // Flux removes an annotation that is not in Git: that is no request.
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

    // Run again, at the latest a second later, the action causes a second renewal.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let patch = argo.click(&world, "reports", "renew");
    let second = patch["metadata"]["annotations"]["tempcred.dev/renew-requested-at"].clone();
    assert_ne!(second, value);
    world.wait("reports", "renewed again", done(&second)).await;
    assert_eq!(world.sts.calls_total(), 3);
}

#[tokio::test]
async fn the_argo_cd_example_keeps_other_settings() {
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
    assert_eq!(map["data"].as_object().unwrap().len(), 4);
}

/// The block of `docs/gitops.md` that begins so.
fn shown(first: &str) -> String {
    let page = include_str!("../../docs/gitops.md");
    let found = page.split("```").find(|block| block.starts_with(&format!("yaml\n{first}")));
    found.unwrap().trim_start_matches("yaml\n").to_owned()
}

#[tokio::test]
async fn kustomize_renames_references_to_a_secret_as_documented() {
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
