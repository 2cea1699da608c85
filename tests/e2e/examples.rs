//! Examples work: every manifest in `examples/`, in the README and under `docs/`. SDKs read what tempcred
//! writes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use rig::flux_crd;
use rig::sts::Responder;
use serde::Deserialize;
use serde_json::{Value, json};
use tempcred_core::api::TemporaryCredential;

use crate::world::{SOON, World, is_ready, rig, wait_until};

/// Above a block that the API server must refuse.
const REFUSED: &str = "<!-- refused -->";

/// The first line of a block that is a configuration of kustomize.
const KUSTOMIZE: &str = "nameReference:";

/// The first line of a block that is for Helm.
const VALUES: &str = "# values.yaml";

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below `dir` that end so, in a stable order.
pub fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|e| e == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The objects of a file or block, without their namespace: the test chooses that.
pub fn objects(yaml: &str) -> Vec<Value> {
    let parsed = serde_yaml::Deserializer::from_str(yaml).map(|d| Value::deserialize(d).unwrap());
    let mut objects: Vec<_> = parsed.filter(|object| !object.is_null()).collect();
    for object in &mut objects {
        if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
            metadata.remove("namespace");
        }
    }
    objects
}

pub fn is_credential(object: &Value) -> bool {
    object["kind"] == "TemporaryCredential"
}

/// Applies an object with kubectl, and returns its error if it fails.
pub fn apply(world: &World, namespace: &str, object: &Value, dry: bool) -> Result<(), String> {
    let name = format!(
        "{namespace}-{}-{}.json",
        object["kind"].as_str().unwrap(),
        object["metadata"]["name"].as_str().unwrap()
    );
    let path = world.rig.dir().join(name);
    fs::write(&path, object.to_string()).unwrap();
    let mut kubectl = world.rig.kubectl();
    kubectl.args(["--namespace", namespace, "apply", "--server-side"]);
    kubectl.arg("--filename").arg(&path);
    if dry {
        kubectl.arg("--dry-run=server");
    }
    let output = kubectl.output().unwrap();
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Waits until every credential of a namespace is ready; returns their names.
async fn all_ready(world: &World, namespace: &str, what: &str) -> Vec<String> {
    let api: Api<TemporaryCredential> = Api::namespaced(world.client.clone(), namespace);
    wait_until(&format!("{what} is ready"), SOON, || async {
        let all = api.list(&Default::default()).await.ok()?.items;
        let ready = |tc: &TemporaryCredential| tc.status.as_ref().is_some_and(is_ready);
        all.iter().all(ready).then(|| all.iter().map(ResourceExt::name_any).collect())
    })
    .await
}

#[tokio::test]
async fn every_example_becomes_ready_against_moto() {
    let moto = tokio::task::spawn_blocking(|| rig().moto()).await.unwrap().unwrap();
    let mut world = World::new().await;
    world.sts = Responder::forwarding_to(&moto).unwrap();
    world.start_operator(&[]).await;
    every_example_becomes_ready(&world).await;
    // The actions that moto implements; the responder answers the others itself.
    for action in [
        "AssumeRole",
        "AssumeRoleWithWebIdentity",
        "AssumeRoleWithSAML",
        "GetSessionToken",
        "GetFederationToken",
    ] {
        assert!(world.sts.calls(action) > 0, "no example asks for {action}");
    }
}

/// Applies every example to the namespace of a world, and waits for its operator.
pub async fn every_example_becomes_ready(world: &World) {
    let mut expected = vec![];
    for file in files(&root().join("examples"), "yaml") {
        // The tests of the injection render these and apply the result.
        if file.ancestors().any(|folder| folder.join("kustomization.yaml").exists()) {
            continue;
        }
        for object in objects(&fs::read_to_string(&file).unwrap()) {
            apply(world, &world.namespace, &object, false)
                .unwrap_or_else(|refusal| panic!("{}: {refusal}", file.display()));
            if is_credential(&object) {
                expected.push(object["metadata"]["name"].as_str().unwrap().to_owned());
            }
        }
    }
    expected.sort();
    let mut ready = all_ready(world, &world.namespace, "every example").await;
    ready.sort();
    assert_eq!(ready, expected, "no two examples share a name");
    assert!(ready.len() >= 6, "{ready:?}");
}

/// A manifest shown in a text.
pub struct Block {
    place: String,
    refused: bool,
    pub objects: Vec<Value>,
}

/// The fenced `yaml` blocks in a Markdown text: the position of each, the line above it, its lines.
fn fences<'a>(place: &str, text: &'a str) -> Vec<(String, &'a str, Vec<&'a str>)> {
    let mut fences = vec![];
    let mut lines = text.lines().enumerate();
    let mut before = "";
    while let Some((number, line)) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        if line.trim() == "```yaml" {
            let body = lines.by_ref().map(|(_, line)| line);
            let body: Vec<_> = body
                .take_while(|line| line.trim() != "```")
                .map(|line| line.get(indent..).unwrap_or(""))
                .collect();
            fences.push((format!("{place}:{}", number + 1), before, body));
        }
        if !line.trim().is_empty() {
            before = line.trim();
        }
    }
    fences
}

/// The manifests in a Markdown text: the blocks with a `kind`.
pub fn blocks(place: &str, text: &str) -> Vec<Block> {
    let manifests = fences(place, text).into_iter();
    let manifests = manifests.filter(|(.., body)| body.iter().any(|l| l.starts_with("kind:")));
    let block = |(place, before, body): (String, &str, Vec<&str>)| Block {
        place,
        refused: before == REFUSED,
        objects: objects(&body.join("\n")),
    };
    manifests.map(block).collect()
}

/// The pages of the documentation: the path of each, and its text.
pub fn texts() -> Vec<(String, String)> {
    let mut texts = files(&root().join("docs"), "md");
    texts.push(root().join("README.md"));
    let place = |path: &Path| path.strip_prefix(root()).unwrap().display().to_string();
    // There may be no README yet.
    texts.iter().map(|path| (place(path), fs::read_to_string(path).unwrap_or_default())).collect()
}

/// The values for Helm in the README and under `docs/`, with their place.
pub fn values_in_documentation() -> Vec<(String, String)> {
    let texts = texts();
    let all = texts.iter().flat_map(|(place, text)| fences(place, text));
    let values = all.filter(|(.., body)| body.first() == Some(&VALUES));
    values.map(|(place, _, body)| (place, body.join("\n"))).collect()
}

#[test]
fn blocks_are_found_with_the_line_above_them() {
    let text = "A\n<!-- refused -->\n\n```yaml\nkind: A\n```\n- list\n\n  ```yaml\n  kind: B\n  a:\n    b: 1\n  ```\n```yaml\nvalues: 1\n```\n";
    let found = blocks("x.md", text);
    let seen: Vec<_> =
        found.iter().map(|b| (b.place.as_str(), b.refused, b.objects.clone())).collect();
    assert_eq!(
        seen,
        [
            ("x.md:4", true, vec![json!({"kind": "A"})]),
            ("x.md:9", false, vec![json!({"kind": "B", "a": {"b": 1}})]),
        ]
    );
}

#[tokio::test]
async fn every_manifest_in_the_documentation_is_accepted_or_rejected_as_marked() {
    let mut found = vec![];
    for (place, text) in texts() {
        found.extend(blocks(&place, &text));
        // The tests of the chart cover the values, those of GitOps the configuration of kustomize; every other
        // block is tested here.
        for (place, _, body) in fences(&place, &text) {
            let elsewhere = [VALUES, KUSTOMIZE].contains(&body[0]);
            let known = body.iter().any(|l| l.starts_with("kind:")) || elsewhere;
            assert!(known, "{place}: neither a manifest nor {VALUES} nor {KUSTOMIZE}");
        }
    }
    if found.is_empty() {
        return;
    }
    // A namespace each: texts may use one name for different things.
    let mut world = World::new().await;
    let crd = flux_crd().unwrap().display().to_string();
    world.kubectl(&["apply", "--server-side", "--filename", &crd]);
    world.rig.wait_for_crds(&["crd/kustomizations.kustomize.toolkit.fluxcd.io"]).unwrap();
    let names: Vec<_> = (0..found.len()).map(|i| format!("{}-doc{i}", world.namespace)).collect();
    for name in &names {
        let object = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        let api = Api::<Namespace>::all(world.client.clone());
        api.create(&PostParams::default(), &object).await.unwrap();
    }
    let served = names.join(",");
    world.start_operator(&["--namespaces", &served]).await;
    for (block, namespace) in found.iter().zip(&names) {
        for object in &block.objects {
            let dry = block.refused || !is_credential(object);
            let done = apply(&world, namespace, object, dry);
            let refusal = done.as_ref().err().cloned().unwrap_or_default();
            match block.refused {
                false => assert!(done.is_ok(), "{}: {refusal}", block.place),
                true => assert!(refusal.contains("invalid"), "{}: {refusal:?}", block.place),
            }
        }
        all_ready(&world, namespace, &block.place).await;
    }
}

/// The caller identity of boto3 with the credentials that it finds in this environment.
fn whoami(world: &World, moto: &str, env: &[(&str, &str)]) -> String {
    let script = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])";
    let mut python = Command::new(world.rig.python());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            python.env_remove(name);
        }
    }
    let nowhere = world.rig.dir().join("no-such-file");
    let output = python
        .args(["-c", script])
        .env("AWS_CONFIG_FILE", &nowhere)
        .env("AWS_SHARED_CREDENTIALS_FILE", &nowhere)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_DEFAULT_REGION", "eu-central-1")
        .env("AWS_ENDPOINT_URL_STS", moto)
        .envs(env.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test]
async fn an_sdk_reads_working_credentials_in_every_format() {
    let moto = tokio::task::spawn_blocking(|| rig().moto()).await.unwrap().unwrap();
    let mut world = World::new().await;
    world.sts = Responder::forwarding_to(&moto).unwrap();
    world.start_operator(&[]).await;
    let spec = json!({
        "assumeRole": {"roleArn": "arn:aws:iam::123456789012:role/reports"},
        "secret": {"profile": "reports"},
    });
    world.issue("reports", spec).await;
    let data = world.data("reports").await;
    let expected = format!(
        "arn:aws:sts::123456789012:assumed-role/reports/tempcred-{}.reports",
        world.namespace
    );

    // As in a pod: the Secret mounted as a folder.
    let mount = world.rig.dir().join(format!("mount-{}", world.namespace));
    fs::create_dir(&mount).unwrap();
    for (key, value) in &data {
        fs::write(mount.join(key), value).unwrap();
    }
    let path = |key: &str| mount.join(key).display().to_string();

    let file = path("credentials");
    let by_file = [("AWS_SHARED_CREDENTIALS_FILE", file.as_str()), ("AWS_PROFILE", "reports")];
    assert_eq!(whoami(&world, &moto, &by_file), expected, "credentialsFile");

    let config = path("config");
    let process = format!("[default]\ncredential_process = cat {}\n", path("credentials.json"));
    fs::write(&config, process).unwrap();
    let by_process = [("AWS_CONFIG_FILE", config.as_str())];
    assert_eq!(whoami(&world, &moto, &by_process), expected, "credentialProcess");

    let variables: Vec<_> = data
        .iter()
        .filter(|(key, _)| key.starts_with("AWS_"))
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(whoami(&world, &moto, &variables), expected, "env");
}
