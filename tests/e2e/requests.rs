//! Every request of the operator for each kind of reconciliation: to the API server by its audit log, and to STS by the
//! responder. Leader election is off, and events are not counted. `once` has the test of a minute without changes.

use std::time::Duration;

use jiff::Timestamp;
use rig::sts::Fault;
use rig::{ConnectionSampler, Request};
use serde_json::json;

use crate::world::{SOON, World, is_ready, plain, wait_until};

/// The requests of the operator about this world since a point in time, other than those for events: verb, resource and
/// subresource, in their order.
fn since(world: &World, begin: Timestamp) -> Vec<String> {
    let audit = world.rig.audit().expect("needs the rig's own API server");
    let requests = audit.requests(world.rig.operator().name(), Some(&world.namespace)).unwrap();
    let text = |r: &Request| match r.subresource.as_str() {
        "" => format!("{} {}", r.verb, r.resource),
        subresource => format!("{} {}/{subresource}", r.verb, r.resource),
    };
    let counted = |r: &&Request| r.at >= begin && r.resource != "events";
    requests.iter().filter(counted).map(text).collect()
}

/// The number of calls to STS since a point in time.
fn calls_since(world: &World, begin: Timestamp) -> usize {
    world.sts.requests().iter().filter(|request| request.at >= begin).count()
}

/// Waits until the audit log contains this number of status writes. Each ends a reconciliation.
async fn wait_for_statuses(world: &World, begin: Timestamp, count: usize) {
    wait_until("the status writes are in the audit log", SOON, || async {
        let all = since(world, begin);
        (all.iter().filter(|request| *request == STATUS).count() >= count).then_some(())
    })
    .await;
}

const SECRET: &str = "patch secrets";
const STATUS: &str = "patch temporarycredentials/status";

#[tokio::test]
async fn each_kind_of_reconciliation_makes_only_the_requests_that_it_needs() {
    let world = World::start().await;
    let begin = Timestamp::now();
    world.issue("reports", plain()).await;
    wait_for_statuses(&world, begin, 1).await;
    let mut expected = vec![SECRET, STATUS];
    assert_eq!((since(&world, begin), calls_since(&world, begin)), (texts(&expected), 1), "issue");

    world.request_renewal("reports", "1").await;
    world.wait("reports", "renewed", |s| s.last_renew_request.as_deref() == Some("1")).await;
    wait_for_statuses(&world, begin, 2).await;
    expected.extend([SECRET, STATUS]);
    assert_eq!(
        (since(&world, begin), calls_since(&world, begin)),
        (texts(&expected), 2),
        "renewal"
    );

    let written = world.secrets().get("reports").await.unwrap().metadata.resource_version;
    let edit = json!({"stringData": {"AWS_SECRET_ACCESS_KEY": "edited"}});
    let edited = world.edit_secret("reports", edit).await.metadata.resource_version;
    world
        .wait("reports", "repaired", |s| {
            let version = s.secret.as_ref().map(|secret| secret.resource_version.clone());
            is_ready(s) && version != written && version != edited
        })
        .await;
    wait_for_statuses(&world, begin, 3).await;
    expected.extend(["get secrets", SECRET, STATUS]);
    assert_eq!((since(&world, begin), calls_since(&world, begin)), (texts(&expected), 2), "repair");
    world.complete_key("reports").await;
}

fn texts(requests: &[&str]) -> Vec<String> {
    requests.iter().map(|request| (*request).to_owned()).collect()
}

#[tokio::test]
async fn a_restart_with_valid_credentials_only_lists_and_watches() {
    let mut world = World::start().await;
    let names = ["a", "b", "c", "d", "e"];
    for name in names {
        world.issue(name, plain()).await;
    }
    assert!(world.stop_operator().success());

    let begin = Timestamp::now();
    world.start_operator(&[]).await;
    world.wait_for_reconciliations(names.len()).await;
    // This status write comes after everything that the restart caused.
    world.patch("a", json!({"spec": {"suspend": true}})).await;
    world.wait("a", "suspended", |s| s.observed_generation == Some(2)).await;
    wait_for_statuses(&world, begin, 1).await;
    let mut made = since(&world, begin);
    made.retain(|request| !request.starts_with("list ") && !request.starts_with("watch "));
    assert_eq!((made, calls_since(&world, begin)), (vec![STATUS.to_owned()], 0));
}

#[tokio::test]
async fn connections_are_bounded_by_the_concurrency() {
    let mut world = World::new().await;
    world.start_operator(&["--concurrency", "8"]).await;
    // Slow enough that all calls of a moment are made at the same time.
    world.sts.inject(Fault::delay(Duration::from_millis(50)));
    let port = |url: &str| url.trim_end_matches('/').rsplit_once(':').unwrap().1.parse().unwrap();
    let ports = [port(world.rig.server()), port(&world.sts.url())];
    let sampler = ConnectionSampler::start(world.pid(), ports, Duration::from_millis(20));
    let names: Vec<_> = (0..100).map(|n| format!("r{n}")).collect();
    futures::future::join_all(names.iter().map(|name| world.create(name, plain()))).await;
    for name in &names {
        world.wait(name, "ready", is_ready).await;
    }
    let [api, sts] = sampler.most().unwrap();
    assert!((1..=16).contains(&api), "{api} connections to the API server");
    assert!((1..=16).contains(&sts), "{sts} connections to STS");
}

/// Events inform people. Thousands at once inform nobody, and each is a write.
#[tokio::test]
async fn events_have_a_budget_and_no_credential_waits_for_them() {
    let world = World::start().await;
    let names: Vec<_> = (0..150).map(|n| format!("r{n}")).collect();
    futures::future::join_all(names.iter().map(|name| world.create(name, plain()))).await;
    for name in &names {
        world.wait(name, "ready", is_ready).await;
    }
    // Each first issue is an event: one of them is published or dropped for each resource.
    wait_until("all events are published or dropped", SOON, || async {
        let dropped = world.metric("tempcred_events_dropped_total").await?;
        let published = world.metric("tempcred_api_writes_total{object=\"event\"}").await?;
        (dropped > 0.0 && published >= 100.0 && published + dropped >= 150.0).then_some(())
    })
    .await;
}
