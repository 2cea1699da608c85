//! The attacks.

use std::time::{Duration, Instant};

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::siege::Siege;
use crate::world::{condition, is_ready};

fn role(name: impl std::fmt::Display) -> Value {
    json!({"roleArn": format!("arn:aws:iam::123456789012:role/{name}")})
}

/// A spec that reads this Secret.
fn reading(secret: impl std::fmt::Display) -> Value {
    json!({
        "assumeRole": role("attacker"),
        "identity": {"accessKeySecretRef": {"name": secret.to_string()}},
    })
}

fn size(spec: &Value) -> usize {
    spec.to_string().len()
}

#[tokio::test]
async fn a_long_chain_of_resources() {
    let siege = Siege::begin().await;
    let spec = |n: usize| reading(format_args!("r{}", n + 1));
    siege.create(siege.size, spec).await;
    let too_deep = |s: &_| condition(s, "Ready") == Some((false, "ReferenceTooDeep"));
    siege.attacker.wait("r0", "rejected", too_deep).await;
    let size = siege.size;
    siege.end("chain", size, size * self::size(&spec(1000))).await;
}

#[tokio::test]
async fn a_loop_of_resources() {
    let siege = Siege::begin().await;
    let count = siege.size;
    let spec = |n: usize| reading(format_args!("r{}", if n % 4 == 3 { n - 3 } else { n + 1 }));
    siege.create(count / 4 * 4, spec).await;
    let in_loop = |s: &_| condition(s, "Ready") == Some((false, "ReferenceLoop"));
    siege.attacker.wait("r0", "rejected", in_loop).await;
    siege.end("loops of four", count, count * size(&spec(1000))).await;
}

#[tokio::test]
async fn a_fan_of_references() {
    let siege = Siege::begin().await;
    let count = siege.size;
    // Three layers. Each resource of a layer writes the same Secret, which the next layer reads.
    let spec = |n: usize| {
        let mut spec = reading(format_args!("layer{}", n % 3 + 1));
        spec["secret"] = json!({"name": format!("layer{}", n % 3)});
        spec
    };
    siege.create(count, spec).await;
    siege.attacker.wait("r0", "rejected", |s| s.failure.is_some()).await;
    siege.end("fan", count, count * size(&spec(0))).await;
}

#[tokio::test]
async fn many_readers_and_writers_of_a_secret_that_changes() {
    let siege = Siege::begin().await;
    let count = siege.size;
    siege.attacker.create_secret("shared", json!({"n": "0"})).await;
    let spec = |n: usize| match n % 2 {
        0 => reading("shared"),
        _ => json!({"assumeRole": role("attacker"), "secret": {"name": "shared"}}),
    };
    siege.create(count, spec).await;
    let begin = Instant::now();
    while begin.elapsed() < siege.duration() {
        let edit = json!({"stringData": {"n": begin.elapsed().as_nanos().to_string()}});
        siege.attacker.edit_secret("shared", edit).await;
    }
    siege.end("readers and writers", count, count * size(&spec(0))).await;
}

#[tokio::test]
async fn large_resources() {
    let mut siege = Siege::begin().await;
    let count = siege.size / 5;
    let annotations: serde_json::Map<_, _> =
        (0..4).map(|n| (format!("a{n}"), json!("x".repeat(3900)))).collect();
    let spec = |n: usize| {
        let mut spec = json!({"assumeRole": role(n), "secret": {"annotations": annotations}});
        spec["assumeRole"]["policy"] = json!(format!("{{{}}}", " ".repeat(2046)));
        spec
    };
    siege.create(count, spec).await;
    let metadata = json!({"metadata": {"annotations": {"large": "x".repeat(200 << 10)}}});
    siege.patch(count.min(500), &metadata).await;
    siege.restart().await;
    siege.end("large resources", count, count * size(&spec(0))).await;
}

#[tokio::test]
async fn large_secrets_of_others() {
    let mut siege = Siege::begin().await;
    let count = siege.size / 10;
    let large = "x".repeat(240 << 10);
    siege.create_secrets(count, |_| json!({"annotations": {"large": large}})).await;
    siege.restart().await;
    siege.end("large Secrets of others", 0, 0).await;
}

#[tokio::test]
async fn many_resources() {
    let siege = Siege::begin().await;
    let count = siege.size;
    let spec = |n: usize| json!({"assumeRole": role(n)});
    siege.create(count, spec).await;
    siege.end("many resources", count, count * size(&spec(1000))).await;
}

#[tokio::test]
async fn thousands_of_regions() {
    let siege = Siege::begin().await;
    let count = siege.size;
    let keys = json!({"AWS_ACCESS_KEY_ID": "AKIAATTACKER00000001", "AWS_SECRET_ACCESS_KEY": "x"});
    siege.attacker.create_secret("keys", keys).await;
    let spec = |n: usize| {
        let letters: String = [n / 676 % 26, n / 26 % 26, n % 26]
            .map(|l| char::from(b'a' + l as u8))
            .iter()
            .collect();
        let mut spec = reading("keys");
        spec["region"] = json!(format!("eu-{letters}-{}", n / 17_576 + 1));
        spec
    };
    siege.create(count, spec).await;
    siege.end("regions", count, count * size(&spec(0))).await;
}

#[tokio::test]
async fn renewal_requests_without_end() {
    let siege = Siege::begin().await;
    let count = siege.size / 5;
    let spec = |n: usize| json!({"assumeRole": role(n)});
    siege.create(count, spec).await;
    let begin = Instant::now();
    while begin.elapsed() < siege.duration() {
        let value = begin.elapsed().as_nanos().to_string();
        let patch =
            json!({"metadata": {"annotations": {"tempcred.dev/renew-requested-at": value}}});
        siege.patch(count, &patch).await;
    }
    // The attacker gets what the victim leaves.
    siege.attacker.wait("r0", "ready", is_ready).await;
    siege.end("renewal requests", count, count * size(&spec(1000))).await;
}

#[tokio::test]
async fn resources_that_are_deleted_and_created_again() {
    let siege = Siege::begin().await;
    let count = siege.size / 10;
    let begin = Instant::now();
    while begin.elapsed() < siege.duration() {
        siege.create(count, |n| json!({"assumeRole": role(n)})).await;
        siege.delete(count).await;
    }
    siege.end("deleted and created again", count, 0).await;
}

#[tokio::test]
async fn statuses_that_cannot_be_decoded() {
    let siege = Siege::begin().await;
    let count = siege.size / 10;
    siege.create(count, |n| json!({"assumeRole": role(n)})).await;
    // As somebody with rights to the status. The schema accepts the text, and the operator does not.
    let status = json!({"status": {"failure": {
        "class": "Blocked", "reason": "x", "message": "x".repeat(10_000), "count": 1,
        "since": "0000-01-01T00:00:00Z", "nextAttempt": "9999-12-31T23:59:59.999999Z",
    }}});
    let begin = Instant::now();
    while begin.elapsed() < siege.duration() {
        let patches = (0..count).map(|n| {
            let (api, status) = (siege.resources(), &status);
            async move {
                let patch = Patch::Merge(status);
                api.patch_status(&format!("r{n}"), &PatchParams::default(), &patch).await.unwrap();
            }
        });
        siege.all(patches).await;
    }
    siege.delete(count).await;
    siege.attacker.wait_for_removal("r0").await;
    siege.end("statuses", count, count * 10_000).await;
}

#[tokio::test]
async fn calls_that_hang() {
    let siege = Siege::begin().await;
    let count = siege.size / 2;
    siege.attacker.sts.inject(rig::sts::Fault::delay(Duration::from_secs(9)).for_role("role/slow"));
    let keys = json!({"AWS_ACCESS_KEY_ID": "AKIAATTACKER00000001", "AWS_SECRET_ACCESS_KEY": "x"});
    siege.attacker.create_secret("keys", keys).await;
    // Signed by identities of its own, so that the rate of the operator's identity does not limit them.
    let spec = |n: usize| {
        let mut spec = reading("keys");
        spec["assumeRole"] = role("slow");
        spec["region"] = json!(format!("eu-{}-1", ["a", "b", "c", "d"][n % 4].repeat(n % 7 + 2)));
        spec
    };
    siege.create(count, spec).await;
    siege.end("slow calls", count, count * size(&spec(0))).await;
}

#[tokio::test]
async fn chains_of_roles() {
    let siege = Siege::begin().await;
    let count = siege.size / 5;
    siege
        .attacker
        .sts
        .inject(rig::sts::Fault::delay(Duration::from_millis(300)).for_role("role/hub"));
    let spec = |n: usize| {
        let mut spec = json!({"assumeRole": role(n)});
        spec["assumeRole"]["via"] = json!([role("hub"), role("hub2"), role("hub3"), role("hub4")]);
        spec
    };
    siege.create(count, spec).await;
    siege.end("chains of roles", count, count * size(&spec(1000))).await;
}

#[tokio::test]
async fn own_secrets_that_are_edited_without_end() {
    let siege = Siege::begin().await;
    let count = siege.size / 10;
    siege.create(count, |n| json!({"assumeRole": role(n)})).await;
    let begin = Instant::now();
    while begin.elapsed() < siege.duration() {
        let edit = json!({"data": {"AWS_ACCESS_KEY_ID": "ZWRpdGVk"}});
        let edits = (0..count).map(|n| {
            let (api, edit) = (siege.attacker.secrets(), &edit);
            async move {
                // Some are not issued yet.
                let _ =
                    api.patch(&format!("r{n}"), &PatchParams::default(), &Patch::Merge(edit)).await;
            }
        });
        siege.all(edits).await;
    }
    siege.end("own Secrets edited", count, count * size(&json!({"assumeRole": role(1000)}))).await;
}

#[tokio::test]
async fn many_small_secrets_of_others() {
    let siege = Siege::begin().await;
    let count = siege.size;
    // Half of them look as if tempcred had written them.
    let metadata = |n: usize| match n % 2 {
        0 => json!({"labels": {"tempcred.dev/credential-uid": n.to_string()}}),
        _ => json!({}),
    };
    siege.create_secrets(count, metadata).await;
    siege.end("small Secrets of others", count, 0).await;
}
