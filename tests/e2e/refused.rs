//! The API server rejects writes for a while.

use std::time::Duration;

use jiff::Timestamp;
use rig::Request;

use crate::denial::{Denial, Denied};
use crate::world::{
    SOON, World, assert_complete, condition, failure_reason, is_ready, plain, wait_until,
};

/// Longer than the first backoffs after a rejected write.
const AFTER_BACKOFF: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_lost_status_write_is_repeated_without_a_second_call() {
    let mut world = World::new().await;
    world.create("reports", plain()).await;
    let denial = Denial::start(&world, Denied::Statuses("reports")).await;
    let begin = Timestamp::now();
    world.start_operator(&[]).await;
    wait_for_lost_status(&world, begin).await;
    let key = world.complete_key("reports").await;
    denial.end().await;

    let status = world.wait("reports", "ready", is_ready).await.status.unwrap();
    assert_eq!(status.access_key_id.as_deref(), Some(key.as_str()));
    assert_eq!(condition(&status, "Stalled"), None);
    assert_eq!(world.sts.calls_total(), 1);
    assert_eq!(world.complete_key("reports").await, key);
}

#[tokio::test]
async fn a_killed_operator_that_lost_a_status_write_does_not_issue_again() {
    let mut world = World::new().await;
    world.create("reports", plain()).await;
    let denial = Denial::start(&world, Denied::Statuses("reports")).await;
    for _ in 0..3 {
        let begin = Timestamp::now();
        world.start_operator(&[]).await;
        wait_for_lost_status(&world, begin).await;
        world.kill_operator();
    }
    let key = world.complete_key("reports").await;
    denial.end().await;
    world.start_operator(&[]).await;

    let status = world.wait("reports", "ready", is_ready).await.status.unwrap();
    assert_eq!(status.access_key_id.as_deref(), Some(key.as_str()));
    assert_eq!(world.sts.calls_total(), 1);
    let secret = world.secrets().get("reports").await.unwrap();
    assert_eq!(assert_complete(&secret), key);
    assert_eq!(status.secret.unwrap().resource_version, secret.metadata.resource_version.unwrap());
    assert_eq!(world.writes().secrets, 1);
}

#[tokio::test]
async fn a_requested_renewal_whose_status_write_was_lost_is_not_repeated() {
    let mut world = World::start().await;
    let first = world.issue("reports", plain()).await.status.unwrap();
    let denial = Denial::start(&world, Denied::Statuses("reports")).await;
    let begin = Timestamp::now();
    world.request_renewal("reports", "now").await;
    wait_for_lost_status(&world, begin).await;
    world.kill_operator();
    assert_ne!(world.data("reports").await["AWS_ACCESS_KEY_ID"], first.access_key_id.unwrap());
    let begin = Timestamp::now();
    world.start_operator(&[]).await;
    wait_for_lost_status(&world, begin).await;
    world.kill_operator();
    denial.end().await;
    world.start_operator(&[]).await;
    world.wait("reports", "renewed", |s| s.last_renew_request.as_deref() == Some("now")).await;
    assert_eq!(world.sts.calls_total(), 2);
}

#[tokio::test]
async fn credentials_that_the_cluster_rejects_stay_pending_and_are_written_later() {
    let world = World::start().await;
    let denial = Denial::start(&world, Denied::Secrets).await;
    world.create("reports", plain()).await;
    let refused = world
        .wait("reports", "refused", |s| failure_reason(s) == Some("SecretRejected"))
        .await
        .status
        .unwrap();
    let failure = refused.failure.as_ref().unwrap();
    assert_eq!(format!("{:?}", failure.class), "Blocked");
    assert!(failure.message.contains("admission policies"), "{}", failure.message);
    assert_eq!(condition(&refused, "Ready"), Some((false, "SecretRejected")));
    assert_eq!(condition(&refused, "Stalled"), Some((true, "SecretRejected")));
    denial.end().await;

    world.wait_at_most(AFTER_BACKOFF, "reports", "ready", is_ready).await;
    let issued = world.sts.issued();
    assert_eq!(issued.len(), 1);
    let key = world.complete_key("reports").await;
    assert_eq!(key, issued[0].access_key_id);
    let events: Vec<_> = world.events("reports").await.into_iter().map(|e| e.1).collect();
    assert!(events.contains(&"SecretRejected".to_owned()), "{events:?}");
}

#[tokio::test]
async fn a_renewal_request_skips_the_backoff_once() {
    let world = World::start().await;
    let denial = Denial::start(&world, Denied::Secrets).await;
    world.create("reports", plain()).await;
    world.wait("reports", "refused", |s| failure_reason(s) == Some("SecretRejected")).await;
    world.request_renewal("reports", "1").await;
    let second = world
        .wait("reports", "refused again", |s| s.failure.as_ref().is_some_and(|f| f.count == 2))
        .await;
    // The second backoff of this class is half a minute: no attempt comes within a few seconds.
    let begin = world.writes();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.writes(), begin, "it does not wait");
    let failure = second.status.unwrap().failure.unwrap();
    assert_eq!(failure.class.shortest_wait().as_secs(), 15);
    denial.end().await;

    // A new value skips the rest of the backoff.
    world.request_renewal("reports", "2").await;
    let ready = world.wait("reports", "ready", is_ready).await.status.unwrap();
    assert_eq!(ready.last_renew_request.as_deref(), Some("2"));
    assert_eq!(world.sts.issued().len(), 1, "the pending credentials were not written");
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_not_read_in_a_loop() {
    let mut world = World::new().await;
    // As the tenant: the test grants and revokes its permissions in this namespace.
    let user = format!("--user={}", world.rig.tenant().name());
    world.kubectl(&["create", "rolebinding", "tempcred", "--clusterrole=tempcred", &user]);
    // Its permissions for cluster-scoped objects stay.
    let beyond = format!("{}-grants", world.namespace);
    let of_grants = "--resource=rolegrants.tempcred.dev,namespaces";
    world.kubectl(&["create", "clusterrole", &beyond, "--verb=list,watch", of_grants]);
    let of_crd = format!("{beyond}-crd");
    let crds = "--resource=customresourcedefinitions.apiextensions.k8s.io";
    world.kubectl(&["create", "clusterrole", &of_crd, "--verb=get", crds]);
    for role in [&beyond, &of_crd] {
        let to = format!("--clusterrole={role}");
        world.kubectl(&["create", "clusterrolebinding", role, &to, &user]);
    }
    let kubeconfig = world.rig.kubeconfig_for(world.rig.tenant(), None);
    world.start_operator_with(kubeconfig.unwrap(), &[]).await;
    world.issue("reports", plain()).await;
    world.kubectl(&["delete", "rolebinding", "tempcred"]);
    world.kubectl(&[
        "create",
        "role",
        "no-get",
        "--verb=list,watch,create,patch",
        "--resource=secrets",
    ]);
    world.kubectl(&[
        "create",
        "role",
        "rest",
        "--verb=list,watch,patch",
        "--resource=temporarycredentials.tempcred.dev,temporarycredentials.tempcred.dev/status",
    ]);
    for role in ["no-get", "rest"] {
        world.kubectl(&["create", "rolebinding", role, &format!("--role={role}"), &user]);
    }
    wait_until("it may no longer read", SOON, || async {
        let who = format!("--as={}", world.rig.tenant().name());
        let mut ask = world.rig.kubectl();
        ask.args(["auth", "can-i", "get", "secrets", "-n", &world.namespace, &who]);
        let answer = ask.output().unwrap();
        answer.stdout.starts_with(b"no").then_some(())
    })
    .await;

    world.kubectl(&["label", "secret", "reports", "edited=yes"]);
    world.wait("reports", "failing", |s| failure_reason(s) == Some("SecretRejected")).await;
    // The first backoff of this class is 15 s: no attempt comes within a few seconds.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let status = world.credentials().get("reports").await.unwrap().status.unwrap();
    assert_eq!(status.failure.as_ref().unwrap().count, 1);
    assert!(is_ready(&status), "the credentials still work");
    assert_eq!(world.sts.calls_total(), 1);
}

/// Waits until a status write of the operator since then was rejected.
async fn wait_for_lost_status(world: &World, since: Timestamp) {
    let audit = world.rig.audit().expect("needs the rig's own API server");
    wait_until("a status write fails", SOON, || async {
        let requests = audit.requests(world.rig.operator().name(), Some(&world.namespace)).unwrap();
        let is_lost = |r: &Request| r.subresource == "status" && r.code >= 400 && r.at >= since;
        requests.iter().any(is_lost).then_some(())
    })
    .await;
}
