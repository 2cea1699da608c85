//! What others write is bounded, and stays where it belongs, whatever it holds.

use kube::api::{Patch, PatchParams, PostParams};
use rig::sts::Fault;
use serde_json::json;

use crate::check::{condition, failure_reason};
use crate::world::{SOON, World, is_ready, plain, wait_until};

/// Breaks a line, or what a person sees of it, in every way that XML can carry.
const ODD: &str = "no\nway\r\n2026-01-01T00:00:00Z  INFO forged\u{85}\u{2028}\u{202e}\u{9b}31m";

#[tokio::test]
async fn a_request_to_renew_may_be_as_long_as_an_annotation() {
    let world = World::start().await;
    world.issue("reports", plain()).await;
    let mut known = String::new();
    for (calls, letter) in [(2, "x"), (3, "y")] {
        let request = format!("{ODD}{}", letter.repeat(200 * 1024));
        let annotations = json!({"tempcred.dev/renew-requested-at": request});
        world.patch("reports", json!({"metadata": {"annotations": annotations}})).await;
        let new = |known: &str| known.starts_with("sha256:");
        let status = world
            .wait("reports", "renewed", |s| {
                s.last_renew_request.as_deref().is_some_and(|it| new(it) && it != known)
            })
            .await
            .status
            .unwrap();
        assert!(is_ready(&status) && status.failure.is_none());
        known = status.last_renew_request.unwrap();
        let secret = world.secrets().get("reports").await.unwrap();
        assert_eq!(secret.metadata.annotations.unwrap()["tempcred.dev/last-renew-request"], known);
        assert_eq!(world.sts.calls_total(), calls);
    }
}

#[tokio::test]
async fn a_foreign_secret_may_say_of_itself_what_it_likes() {
    let world = World::start().await;
    let name = format!("{ODD}{}", "x".repeat(200 * 1024));
    let foreign = json!({"metadata": {
        "name": "reports", "labels": {"tempcred.dev/credential-uid": "another"},
        "annotations": {"tempcred.dev/credential-name": name},
    }});
    let foreign = serde_json::from_value(foreign).unwrap();
    world.secrets().create(&PostParams::default(), &foreign).await.unwrap();
    world.create("reports", plain()).await;
    let conflict = |s: &_| failure_reason(s) == Some("SecretConflict");
    let status = world.wait("reports", "in conflict", conflict).await.status.unwrap();
    assert_eq!(condition(&status, "Ready"), Some((false, "SecretConflict")));
    assert!(status.failure.unwrap().message.len() < 1000);
}

#[tokio::test]
async fn an_edited_annotation_does_not_stop_the_operator() {
    let world = World::start().await;
    world.issue("reports", plain()).await;
    let annotations = json!({
        "tempcred.dev/issued-at": "9999-12-30T21:59:59Z", "tempcred.dev/principal-arn": ODD,
        "tempcred.dev/expiration": "-009999-01-03T00:00:00Z",
    });
    let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
    world.secrets().patch("reports", &PatchParams::default(), &patch).await.unwrap();
    wait_until("it is restored", SOON, || async {
        let secret = world.secrets().get("reports").await.unwrap();
        let now = secret.metadata.annotations.unwrap();
        now["tempcred.dev/principal-arn"].starts_with("arn:").then_some(())
    })
    .await;
    assert!(world.operator_runs());
    assert!(!world.log().contains("panicked"), "{}", world.log());
}

#[tokio::test]
async fn what_sts_says_stays_in_its_line_of_the_log() {
    for format in ["text", "json"] {
        let mut world = World::new().await;
        world.start_operator(&["--log-format", format]).await;
        let message = format!("{ODD}{}", "x".repeat(100 * 1024));
        world.sts.inject(Fault::error(403, &format!("Odd{ODD}"), &message));
        world.create("reports", plain()).await;
        let failing = |s: &_| failure_reason(s) == Some("Refused");
        let status = world.wait("reports", "refused", failing).await.status.unwrap();
        let message = status.failure.unwrap().message;
        assert!(message.contains("no way") && message.len() < 2000, "{message}");
        let log = world.whole_log();
        assert!(log.contains("no way"), "{log}");
        for line in log.lines() {
            let begin = if format == "json" { "{\"timestamp\":\"20" } else { "20" };
            assert!(line.starts_with(begin) && line.len() < 8000, "{line}");
            let forged = line.starts_with("2026-01-01T00:00:00Z");
            assert!(
                !forged && !line.contains(['\u{2028}', '\u{202e}', '\u{9b}', '\u{85}']),
                "{line}"
            );
        }
    }
}
