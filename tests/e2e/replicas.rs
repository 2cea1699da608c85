//! Two replicas: a leader, and a standby that takes over.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::iter;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use rig::sts::{Fault, Matching};
use rig::{Proxy, User};
use serde_json::json;

use crate::chart::rights::installed_for;
use crate::outage::{arrived, wait_for_failed_write};
use crate::world::{
    Operator, SOON, World, assert_complete, data, heavy, is_ready, plain, wait_until,
};

/// How many credentials the killed leader manages.
const RESOURCES: usize = 200;

/// How long a Lease lasts.
const LEASE: Duration = Duration::from_secs(15);

/// A standby removes the holder of an expired Lease, waits for up to a second in case another replica does
/// the same, and then acquires the Lease.
const TAKING: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_from_a_killed_leader_and_renews_only_what_is_due() {
    let _alone = heavy().await;
    let (mut world, user) = installed().await;
    let first = replica(&mut world, &user).await;
    leads(&first).await;
    let second = replica(&mut world, &user).await;
    // One that rotates meanwhile: renewed with 40 s left, because a takeover takes up to half a minute.
    world.sts.inject(Fault::lifetime(Duration::from_secs(60)).for_role("role/rotating"));
    let mut rotating = plain();
    rotating["assumeRole"]["roleArn"] = "arn:aws:iam::123456789012:role/rotating".into();
    rotating["renewal"] = json!({"before": "40s"});
    world.issue("rotating", rotating).await;
    iter(0..RESOURCES)
        .for_each_concurrent(16, |n| {
            let world = &world;
            async move {
                world.create(&format!("c{n}"), plain()).await;
            }
        })
        .await;
    let issued = || world.sts.calls_for_role("arn:aws:iam::123456789012:role/reports");
    let rotations = || world.sts.calls_for_role("arn:aws:iam::123456789012:role/rotating");
    wait_until("all are issued", SOON * 4, || async {
        let all = world.credentials().list(&ListParams::default()).await.unwrap().items;
        let ready = |c: &&_| is_ready_resource(c);
        (all.iter().filter(ready).count() == RESOURCES + 1).then_some(())
    })
    .await;
    // On a slow machine, STS may reply too late, and the call is repeated. The operator counts that one as failed.
    let calls = issued();
    let is_failed = |labels: &str| !labels.contains("outcome=\"answered\"");
    let failed = first.metric_where("tempcred_sts_calls_total", is_failed).await.unwrap_or(0.0);
    assert!(calls as f64 <= RESOURCES as f64 + failed, "{calls} calls, of which {failed} failed");
    let issues = "tempcred_credentials_issued_total";
    assert_eq!(first.metric(issues).await, Some(RESOURCES as f64 + 1.0));
    assert_eq!(second.metric(issues).await, None, "the second only watches");
    assert_eq!(second.metric("tempcred_leader").await, Some(0.0));
    let is_silent = !second.http("/metrics").await.contains("tempcred_credentials{");
    assert!(is_silent, "only the leader reports resources");
    let versions = versions(&world).await;

    first.kill();
    let left = lease(&world).await;
    leads(&second).await;
    let acquired = lease(&world).await;
    let (left, acquired) = (left.renew_time.unwrap().0, acquired.acquire_time.unwrap().0);
    let vacancy = Duration::try_from(acquired.duration_since(left)).unwrap();
    println!("{vacancy:?} after its last renewal the Lease was acquired");
    assert!(vacancy <= LEASE + TAKING, "{vacancy:?}");

    // The credential that was due meanwhile did not expire.
    let secret = world.secrets().get("rotating").await.unwrap();
    assert_complete(&secret);
    let expiration: Timestamp = data(&secret)["AWS_CREDENTIAL_EXPIRATION"].parse().unwrap();
    assert!(expiration > Timestamp::now(), "{expiration}");
    let rotated = rotations();
    // It has reconciled all resources, and it works.
    wait_until("it has reconciled all resources", SOON, || async {
        let count = second.metric("tempcred_reconcile_duration_seconds_count").await?;
        (count > RESOURCES as f64).then_some(())
    })
    .await;
    world.issue("later", plain()).await;
    assert_eq!(issued(), calls + 1, "one for the new one, and none for those that are valid");
    let now = self::versions(&world).await;
    let same = |(name, version): &(&String, &String)| now.get(*name) == Some(*version);
    let untouched = versions.iter().filter(same).count();
    assert!(untouched >= RESOURCES, "{untouched} Secrets are as they were");
    wait_until("what is due is renewed", SOON * 2, || async {
        (rotations() > rotated).then_some(())
    })
    .await;
    assert!(second.stop().success());
    assert_eq!(lease(&world).await.holder_identity, None, "it gave the Lease back");
}

#[tokio::test]
async fn a_leader_that_cannot_renew_its_lease_steps_down_and_keeps_pending_credentials() {
    let (mut world, user) = installed().await;
    let proxy = Proxy::to(world.rig.server()).unwrap();
    let kubeconfig = world.rig.kubeconfig_for(&user, Some(&proxy.url())).unwrap();
    world.start_operator_with(kubeconfig, &["--leader-elect"]).await;
    becomes_leader(&world, true).await;
    let hold = world.sts.hold(Matching::any());
    world.create("reports", plain()).await;
    arrived(&hold, 1).await;
    proxy.cut();
    hold.release();
    wait_for_failed_write(&world).await;
    becomes_leader(&world, false).await;
    proxy.restore();
    let written = world.wait_at_most(SOON * 2, "reports", "ready", is_ready).await;
    assert_eq!(world.sts.calls_total(), 1, "it wrote its pending credentials");
    let key = world.complete_key("reports").await;
    assert_eq!(written.status.unwrap().access_key_id, Some(key));
    assert!(world.stop_operator().success());
}

#[tokio::test]
async fn a_leader_that_shuts_down_releases_the_lease() {
    let (mut world, user) = installed().await;
    let first = replica(&mut world, &user).await;
    leads(&first).await;
    world.issue("reports", plain()).await;
    assert!(first.stop().success());
    assert_eq!(lease(&world).await.holder_identity, None, "it gave the Lease back");
    let second = replica(&mut world, &user).await;
    leads(&second).await;
    world.issue("later", plain()).await;
    assert_eq!(world.sts.calls_total(), 2);
    assert!(second.stop().success());
}

/// Nobody waits for the renewal time of a clock that was ahead: neither another replica, nor the same one after its restart.
#[tokio::test]
async fn a_lease_of_a_clock_that_was_ahead_is_taken_over() {
    for same in [false, true] {
        let (mut world, user) = installed().await;
        if same {
            world.environment.insert("POD_NAME", Some("the-only-one".to_owned()));
        }
        let first = replica(&mut world, &user).await;
        leads(&first).await;
        first.kill();
        let api: Api<Lease> = Api::namespaced(world.client.clone(), &world.namespace);
        let begin = Timestamp::now();
        let ahead = begin + SignedDuration::from_hours(1);
        let patch = Patch::Merge(json!({"spec": {"renewTime": format!("{ahead:.6}")}}));
        api.patch("tempcred", &PatchParams::default(), &patch).await.unwrap();
        let second = replica(&mut world, &user).await;
        leads(&second).await;
        world.issue("reports", plain()).await;
        let lease = lease(&world).await;
        assert!(lease.renew_time.unwrap().0 < ahead, "it was acquired, and will be renewed");
        let vacancy = Duration::try_from(lease.acquire_time.unwrap().0.duration_since(begin));
        assert!(vacancy.unwrap() <= 2 * LEASE + TAKING);
        assert!(second.stop().success());
    }
}

#[tokio::test]
async fn a_leader_that_renews_its_lease_keeps_it() {
    let (mut world, user) = installed().await;
    let first = replica(&mut world, &user).await;
    leads(&first).await;
    let second = replica(&mut world, &user).await;
    let before = lease(&world).await;
    let renewed = |lease: &LeaseSpec| lease.renew_time.as_ref().unwrap().0;
    let long = SignedDuration::try_from(2 * LEASE).unwrap();
    let after = wait_until("it was renewed for two durations", SOON, || async {
        let now = lease(&world).await;
        (renewed(&now) > renewed(&before) + long).then_some(now)
    })
    .await;
    assert_eq!(after.holder_identity, before.holder_identity);
    assert_eq!(after.lease_transitions, before.lease_transitions);
    assert!(first.stop().success() && second.stop().success());
}

/// A world with a release of its own, which has its own Lease.
async fn installed() -> (World, User) {
    let world = World::new().await;
    let (user, _) = installed_for(&world, &[&world.namespace]).await;
    (world, user)
}

async fn replica(world: &mut World, user: &User) -> Operator {
    let kubeconfig = world.rig.kubeconfig_for(user, None).unwrap();
    let replica = world.replica(kubeconfig, &["--leader-elect"]).await;
    replica.wait_until_ready().await;
    replica
}

async fn leads(replica: &Operator) {
    wait_until("it leads", LEASE + SOON, || async {
        (replica.metric("tempcred_leader").await == Some(1.0)).then_some(())
    })
    .await;
}

/// Waits until the operator of a world leads, or does not.
async fn becomes_leader(world: &World, leads: bool) {
    let wanted = Some(f64::from(u8::from(leads)));
    wait_until(&format!("leads: {leads}"), LEASE + SOON, || async {
        (world.metric("tempcred_leader").await == wanted).then_some(())
    })
    .await;
}

fn is_ready_resource(resource: &tempcred_core::api::TemporaryCredential) -> bool {
    resource.status.as_ref().is_some_and(is_ready)
}

async fn lease(world: &World) -> LeaseSpec {
    let api: Api<Lease> = Api::namespaced(world.client.clone(), &world.namespace);
    api.get("tempcred").await.unwrap().spec.unwrap_or_default()
}

/// The version of each Secret.
async fn versions(world: &World) -> BTreeMap<String, String> {
    let secrets = world.secrets().list(&ListParams::default()).await.unwrap().items;
    secrets.iter().map(|s| (s.name_any(), s.resource_version().unwrap())).collect()
}
