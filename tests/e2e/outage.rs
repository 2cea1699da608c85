//! The API server is unreachable for a while.

use std::time::{Duration, Instant};

use rig::sts::{Fault, Matching};
use rig::{Proxy, Rig};

use crate::world::{SOON, World, is_ready, plain, prepare, wait_until};

/// How long the operator may take to recover after an outage: its watches and its writes back off.
pub const RECOVERY: Duration = Duration::from_secs(90);

#[tokio::test]
async fn credentials_issued_during_an_outage_of_the_api_server_are_written_after_it() {
    // The outage must not affect other tests.
    let rig = own_rig().await;
    let mut world = World::on(rig).await;
    world.start_operator(&[]).await;
    let hold = world.sts.hold(Matching::any());
    world.create("reports", plain()).await;
    arrived(&hold, 1).await;

    blocking(|| rig.stop_api_server().unwrap()).await;
    hold.release();
    wait_for_failed_write(&world).await;
    blocking(|| rig.start_api_server().unwrap()).await;

    let written = world.wait_at_most(RECOVERY, "reports", "ready", is_ready).await;
    let issued = world.sts.issued();
    assert_eq!(issued.len(), 1);
    let key = world.complete_key("reports").await;
    assert_eq!(key, issued[0].access_key_id);
    assert_eq!(written.status.unwrap().access_key_id, Some(key));
    assert!(world.stop_operator().success());
    // The rig remains until the last test has ended; without the API server it takes less memory.
    blocking(|| rig.stop_api_server().unwrap()).await;
}

#[tokio::test]
async fn a_connection_lost_during_a_rotation_costs_no_second_call() {
    let (mut world, proxy) = behind_proxy().await;
    // The first lives 15 s and is renewed after 9 to 10 s; the next one is valid for an hour.
    world.sts.inject(Fault::lifetime(Duration::from_secs(15)).times(1));
    let first = world.issue("reports", plain()).await;
    let hold = world.sts.hold(Matching::any());
    arrived(&hold, 1).await;

    proxy.cut();
    hold.release();
    wait_for_failed_write(&world).await;
    proxy.restore();

    let first = first.status.unwrap().access_key_id;
    let second = world
        .wait_at_most(RECOVERY, "reports", "rotated", |s| {
            is_ready(s) && s.access_key_id != first && s.failure.is_none()
        })
        .await;
    let issued = world.sts.issued();
    assert_eq!(issued.len(), 2, "one for the first issue, one for the rotation");
    let key = world.complete_key("reports").await;
    assert_eq!(key, issued[1].access_key_id);
    assert_eq!(second.status.unwrap().access_key_id, Some(key));
    assert!(world.stop_operator().success());
}

#[tokio::test]
async fn ten_seconds_without_the_api_server_cost_no_call_and_no_write() {
    let (mut world, proxy) = behind_proxy().await;
    for name in ["a", "b"] {
        world.issue(name, plain()).await;
    }
    wait_until("the first round is over", SOON, || async {
        (world.writes().events == 2).then_some(())
    })
    .await;
    proxy.cut();
    // This sleep waits for no condition: it is the duration of the outage.
    tokio::time::sleep(Duration::from_secs(10)).await;
    proxy.restore();
    let begin = Instant::now();
    world.create("later", plain()).await;
    world.wait_at_most(RECOVERY, "later", "ready", is_ready).await;
    println!("back at work after {:?}", begin.elapsed());
    let writes = world.writes();
    assert_eq!((writes.secrets, writes.statuses), (3, 3));
    assert_eq!(world.sts.calls_total(), 3);
    assert!(world.stop_operator().success());
}

#[tokio::test]
async fn a_renewal_requested_during_an_outage_happens_once_after_it() {
    let (mut world, proxy) = behind_proxy().await;
    world.issue("reports", plain()).await;
    proxy.cut();
    world.request_renewal("reports", "now").await;
    proxy.restore();
    world
        .wait_at_most(RECOVERY, "reports", "renewed", |s| {
            s.last_renew_request.as_deref() == Some("now")
        })
        .await;
    assert_eq!(world.sts.calls_total(), 2);
    assert!(world.stop_operator().success());
}

/// A world whose operator connects to the API server through a proxy that can cut the connection.
pub async fn behind_proxy() -> (World, Proxy) {
    let mut world = World::new().await;
    let proxy = Proxy::to(world.rig.server()).unwrap();
    let url = proxy.url();
    let kubeconfig = world.rig.kubeconfig_for(world.rig.operator(), Some(&url));
    world.start_operator_with(kubeconfig.unwrap(), &[]).await;
    (world, proxy)
}

/// Waits until so many calls to STS are held.
pub async fn arrived(hold: &rig::sts::Hold, count: usize) {
    tokio::time::timeout(SOON, hold.arrived(count)).await.expect("no call to STS came");
}

/// Waits until the operator has credentials that it cannot write.
pub async fn wait_for_failed_write(world: &World) {
    wait_until("a write fails", SOON, || async {
        let metrics = world.http("/metrics").await;
        let failed = |line: &str| {
            line.starts_with("tempcred_credentials_failed_total{")
                && line.contains("reason=\"ApiServerUnavailable\"")
        };
        metrics.lines().any(failed).then_some(())
    })
    .await;
}

/// A control plane that no other test uses. `World` needs it until the last test has ended.
pub async fn own_rig() -> &'static Rig {
    blocking(|| {
        let rig = Rig::start().unwrap();
        prepare(&rig);
        Box::leak(Box::new(rig))
    })
    .await
}

pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}
