//! An STS that refuses, that cannot be reached, or whose clock differs.

use std::time::{Duration, Instant};

use rig::sts::{Fault, Matching};
use tempcred::aws::codes::CODES;

use super::Pod;
use crate::world::World;

#[tokio::test]
async fn a_refused_identity_is_explained() {
    let world = World::new().await;
    let refused = CODES.iter().find(|row| row.codes.contains(&"InvalidClientTokenId")).unwrap();
    world.sts.inject(Fault::error(refused.status, refused.codes[0], refused.example).times(1));
    let report = Pod::of(&world).report(&world, &[]).await;
    report.assert("sts", "problem", "STS returned InvalidClientTokenId (HTTP 403)");
    assert_eq!(report.advice("sts"), refused.advice);
    report.assert("identity", "skipped", "STS did not say");
    // What does not depend on it is known.
    report.assert("clock", "ok", "that of STS");
    report.assert("credentials", "ok", "environment variables");
    report.assert("session-tags", "ok", "None are inherited.");
}

#[tokio::test]
async fn an_sts_that_cannot_be_reached_is_explained() {
    let world = World::new().await;
    let refused = format!("http://127.0.0.1:{}", rig::free_port().unwrap());
    // Its certificate is signed by itself.
    let untrusted = world.rig.server().to_owned();
    let plain = world.sts.url().replace("http://", "https://");
    for (endpoint, part, advice) in [
        (&refused, "the host refuses the connection", "Check host and port"),
        (&untrusted, "its certificate was rejected", "SSL_CERT_FILE"),
        (&plain, "the connection broke before a reply", "speaks the protocol"),
    ] {
        let pod = Pod::of(&world).set("TEMPCRED_STS_ENDPOINT", endpoint);
        let report = pod.report(&world, &[]).await;
        report.assert("sts", "problem", part);
        report.assert("sts", "problem", endpoint);
        assert!(report.advice("sts").contains(advice), "{:#}", report.json);
        report.assert("identity", "skipped", "STS did not say");
        report.assert("clock", "ok", "that of the API server");
        report.assert("rbac", "ok", "all");
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_told_apart_from_a_broken_connection() {
    let world = World::new().await;
    let unknown = Pod::of(&world).set("TEMPCRED_STS_ENDPOINT", "https://sts.tempcred.invalid");
    let report = unknown.report(&world, &[]).await;
    report.assert("sts", "problem", "the name of the host does not resolve");
    assert!(report.advice("sts").contains("DNS"), "{:#}", report.json);
    world.sts.inject(Fault::reset());
    let report = Pod::of(&world).report(&world, &[]).await;
    report.assert("sts", "problem", "the connection broke before a reply");
}

#[tokio::test]
async fn an_sts_that_does_not_reply_delays_the_report_by_seconds_only() {
    let world = World::new().await;
    let _hold = world.sts.hold(Matching::any());
    let begin = Instant::now();
    let report = Pod::of(&world).report(&world, &[]).await;
    report.assert("sts", "problem", "did not reply in time");
    assert!(report.advice("sts").contains("network policies"), "{:#}", report.json);
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    report.assert("rbac", "ok", "all");
}

#[tokio::test]
async fn a_clock_that_differs_is_measured() {
    let world = World::new().await;
    for (skew, result, part) in [
        (45, "warning", "behind that of STS, and within 5s of that of the API server."),
        (-45, "warning", "ahead of that of STS"),
        (3600, "problem", "AWS rejects signatures"),
    ] {
        let fault = world.sts.inject(Fault::clock_skew(skew));
        let report = Pod::of(&world).report(&world, &[]).await;
        report.assert("clock", result, part);
        assert!(report.advice("clock").contains("NTP"), "{:#}", report.json);
        world.sts.remove(fault);
    }
    // AWS rejects the signature, and the reply says what its clock is.
    let expired = CODES.iter().find(|row| row.part == Some("Signature expired")).unwrap();
    world.sts.inject(Fault::error(expired.status, expired.codes[0], expired.example));
    world.sts.inject(Fault::clock_skew(2730));
    let report = Pod::of(&world).report(&world, &[]).await;
    report.assert("clock", "problem", "45m");
    report.assert("sts", "problem", "STS returned SignatureDoesNotMatch");
    assert!(report.advice("sts").contains("NTP"), "{:#}", report.json);
}

#[tokio::test]
async fn the_region_and_the_endpoint_are_those_of_the_settings() {
    let world = World::new().await;
    let report = Pod::of(&world).without(&["AWS_REGION"]).report(&world, &[]).await;
    report.assert("region", "problem", "No AWS region is known.");
    report.assert("sts", "skipped", "Without a region");
    report.assert("endpoint", "skipped", "No request");
    assert_eq!(world.sts.calls_total(), 0);

    let pod = Pod::of(&world)
        .without(&["TEMPCRED_STS_ENDPOINT"])
        .set("AWS_ENDPOINT_URL_STS", &world.sts.url())
        .set("TEMPCRED_REGION", "eu-west-1")
        .set("TEMPCRED_ALLOWED_REGIONS", "us-east-1,cn-north-1");
    let report = pod.report(&world, &[]).await;
    report.assert_has("region", "ok", "eu-west-1 (partition aws), from TEMPCRED_REGION. Resources may also set us-east-1, cn-north-1.");
    report.assert_has(
        "region",
        "warning",
        "cn-north-1. The operator's identity does not exist there.",
    );
    report.assert("endpoint", "ok", "from AWS_ENDPOINT_URL_STS");
    assert_eq!(world.sts.calls("GetCallerIdentity"), 1);
    let flag = pod.report(&world, &["--region", "cn-north-1"]).await;
    flag.assert_has(
        "identity",
        "problem",
        "The identity belongs to the partition aws, but the region cn-north-1 to aws-cn.",
    );
}
