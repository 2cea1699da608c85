//! `tempcred renew`.

use rig::sts::Fault;
use serde_json::json;

use super::run;
use crate::world::{World, plain};

#[tokio::test]
async fn waits_for_the_renewal_or_says_why_there_is_none() {
    let world = World::start().await;
    world.issue("reports", plain()).await;
    let before = world.complete_key("reports").await;
    let renewed = run(&world, &["renew", "reports", "--wait"]).await;
    assert_eq!(renewed.code, Some(0), "{}", renewed.err);
    assert!(renewed.out.starts_with("reports: renewed, valid until "), "{}", renewed.out);
    assert_ne!(world.complete_key("reports").await, before);

    world.sts.inject(Fault::access_denied());
    let refused = run(&world, &["renew", "reports", "--wait"]).await;
    assert_eq!(refused.code, Some(1), "{}", refused.out);
    assert!(refused.err.contains("renewal failed (AccessDenied)"), "{}", refused.err);
    // Once more, while it fails already.
    let refused = run(&world, &["renew", "reports", "--wait"]).await;
    assert!(refused.err.contains("renewal failed (AccessDenied)"), "{}", refused.err);

    world.patch("reports", json!({"spec": {"suspend": true}})).await;
    let suspended = run(&world, &["renew", "reports"]).await;
    assert_eq!(suspended.code, Some(1));
    assert!(suspended.err.contains("spec.suspend is set"), "{}", suspended.err);
    assert_eq!(run(&world, &["renew", "none"]).await.code, Some(2));
}
