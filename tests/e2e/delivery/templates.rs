//! `secret.template`: files of other formats, each read by a reader of its format.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use tempcred_core::api::CredentialStatus;

use crate::examples::{blocks, root};
use crate::world::{SOON, World, assume, failure_reason, is_ready, wait_until};

fn templated(template: Value) -> Value {
    let mut spec = assume("reports");
    spec["secret"] = json!({"formats": ["env"], "template": template});
    spec
}

#[tokio::test]
async fn a_changed_template_is_rendered_without_a_call_and_with_each_rotation() {
    let world = World::start().await;
    world
        .issue(
            "reports",
            templated(json!({"a.txt": "{{ accessKeyId }} {{ namespace }}/{{ name }}\n"})),
        )
        .await;
    let data = world.data("reports").await;
    let first = &data["AWS_ACCESS_KEY_ID"];
    assert_eq!(data["a.txt"], format!("{first} {}/reports\n", world.namespace));

    let template =
        json!({"a.txt": null, "b.txt": "{{ sessionToken | tojson }}", "c": "{{ expiration }}"});
    world.patch("reports", json!({"spec": {"secret": {"template": template}}})).await;
    let data = wait_until("the new keys", SOON, || async {
        let data = world.data("reports").await;
        data.contains_key("c").then_some(data)
    })
    .await;
    assert!(!data.contains_key("a.txt"), "a key without a template is removed");
    assert_eq!(data["b.txt"], format!("{:?}", data["AWS_SESSION_TOKEN"]));
    assert_eq!(data["c"], data["AWS_CREDENTIAL_EXPIRATION"]);
    assert_eq!(world.sts.calls_total(), 1, "rendered from the Secret");

    // An edit is repaired.
    world.edit_secret("reports", json!({"stringData": {"c": "mine"}})).await;
    wait_until("the repair", SOON, || async {
        (world.data("reports").await == data).then_some(())
    })
    .await;
    assert_eq!(world.sts.calls_total(), 1);

    world.request_renewal("reports", "now").await;
    wait_until("the rotation", SOON, || async {
        let now = world.data("reports").await;
        (now["AWS_SESSION_TOKEN"] != data["AWS_SESSION_TOKEN"]
            && now["b.txt"] == format!("{:?}", now["AWS_SESSION_TOKEN"]))
        .then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_template_that_cannot_be_rendered_is_reported_and_costs_no_call() {
    let world = World::start().await;
    let invalid = |status: &CredentialStatus| failure_reason(status) == Some("InvalidSpec");
    for (name, template, says) in [
        ("unknown", "{{ password }}", "there is no variable \"password\""),
        ("without-region", "a\n{{ region }}", "line 2: a variable has no value"),
        ("loop", "{% for x in range(100000) %}{{ x }}{% endfor %}", "\"for\" is not supported"),
        ("product", "{{ sessionToken * 1000000000 }}", "only variables and filters"),
        ("deep", &"{% if name %}".repeat(1200), "at most 32 conditions"),
        ("wide", &"{{ sessionToken }}".repeat(250), "more than 256 KiB"),
    ] {
        world.create(name, templated(json!({"file": template}))).await;
        let status = world.wait(name, "refused", invalid).await.status.unwrap();
        let message = status.failure.unwrap().message;
        assert!(message.contains(says), "{name}: {message}");
        assert!(message.starts_with("spec.secret.template[\"file\"], line"), "{message}");
    }
    // A spec that is corrected works, and one that is broken later costs nobody the working Secret.
    let template = |text: &str| json!({"spec": {"secret": {"template": {"file": text}}}});
    world.patch("unknown", template("{{ accessKeyId }}")).await;
    world.wait("unknown", "ready", is_ready).await;
    let data = world.data("unknown").await;
    assert_eq!(data["file"], data["AWS_ACCESS_KEY_ID"]);
    world.patch("unknown", template("{{ accessKeyID }}")).await;
    world.wait("unknown", "refused", invalid).await;
    assert_eq!(world.data("unknown").await, data);
    assert_eq!(world.sts.calls_total(), 1);
}

/// Reads a file with a reader of its format. Prints the access key ID, the secret access key and the session token, a
/// line each.
const READERS: &[(&str, &str)] = &[
    ("java-properties", "
properties = dict(line.split('=', 1) for line in open(path).read().splitlines() if line and line[0] not in '#!')
# What java.util.Properties would change: escapes, and spaces around the separator.
assert not any('\\\\' in v or v != v.strip() for v in properties.values())
print(properties['aws.accessKeyId'], properties['aws.secretAccessKey'], properties['aws.sessionToken'], sep='\\n')
"),
    ("json", "
import json
read = json.load(open(path))
print(read['accessKey'], read['secretKey'], read['token'], sep='\\n')
"),
    ("rclone", "
import configparser
read = configparser.ConfigParser(interpolation=None)
read.read(path)
remote = read['s3']
print(remote['access_key_id'], remote['secret_access_key'], remote['session_token'], sep='\\n')
"),
    ("s3cmd", "
import configparser
read = configparser.ConfigParser(interpolation=None)
read.read(path)
print(read['default']['access_key'], read['default']['secret_key'], read['default']['access_token'], sep='\\n')
"),
    ("hadoop", "
import xml.etree.ElementTree as tree
read = {p.find('name').text: p.find('value').text for p in tree.parse(path).getroot().iter('property')}
print(read['fs.s3a.access.key'], read['fs.s3a.secret.key'], read['fs.s3a.session.token'], sep='\\n')
"),
    ("thanos", "
import yaml
read = yaml.safe_load(open(path))['config']
print(read['access_key'], read['secret_key'], read['session_token'], sep='\\n')
"),
    ("loki", "
import yaml
read = yaml.safe_load(open(path))['storage_config']['aws']
print(read['access_key_id'], read['secret_access_key'], read['session_token'], sep='\\n')
"),
    ("velero", "
import configparser
read = configparser.ConfigParser(interpolation=None)
read.read(path)
print(*(read['velero']['aws_' + key] for key in ['access_key_id', 'secret_access_key', 'session_token']), sep='\\n')
"),
];

#[tokio::test]
async fn every_template_in_the_documentation_is_read_by_its_format() {
    let world = World::start().await;
    let page = "docs/delivery/templates.md";
    let examples = blocks(page, &fs::read_to_string(root().join(page)).unwrap());
    let examples: Vec<_> = examples.into_iter().flat_map(|block| block.objects).collect();
    assert_eq!(examples.len(), READERS.len());
    for credential in examples {
        let name = credential["metadata"]["name"].as_str().unwrap();
        let (_, reader) = READERS.iter().find(|(format, _)| *format == name).expect(name);
        world.issue(name, credential["spec"].clone()).await;
        let secret = &credential["spec"]["secret"];
        let data = world.data(secret["name"].as_str().unwrap_or(name)).await;
        let keys: Vec<_> = secret["template"].as_object().unwrap().keys().collect();
        assert_eq!(keys.len(), 1, "{name}");
        let file = world.rig.dir().join(format!("{}-{name}", world.namespace));
        fs::write(&file, &data[keys[0]]).unwrap();
        let script = format!("import sys\npath = sys.argv[1]\n{reader}");
        let mut python = Command::new(world.rig.python());
        let output = python.arg("-c").arg(script).arg(&file).output().unwrap();
        fs::remove_file(&file).unwrap();
        let read = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let expected = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
            .map(|key| data[key].clone());
        assert_eq!(read.lines().collect::<Vec<_>>(), expected, "{name}");
    }
}
