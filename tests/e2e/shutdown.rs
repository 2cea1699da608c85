//! SIGTERM: a call in flight is completed, and no new one begins.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rig::Request;
use rig::sts::Matching;

use crate::outage::{arrived, behind_proxy};
use crate::world::{SOON, World, is_ready, plain, wait_until};

/// The deadline that the operator sets itself. Kubernetes allows 30 s.
const GRACE: Duration = Duration::from_secs(25);

/// The deadline for an operator that has nothing to complete: less than one that waits for a call may take.
const AT_ONCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_call_in_flight_at_sigterm_is_completed() {
    let mut world = World::start().await;
    let hold = world.sts.hold(Matching::any());
    world.create("reports", plain()).await;
    arrived(&hold, 1).await;
    world.signal_operator();
    ends(&world).await;
    assert_eq!(world.http("/livez").await, "ok\n");
    assert!(world.operator_runs());
    hold.release();
    assert!(world.wait_for_operator_end(GRACE).success());

    let key = world.complete_key("reports").await;
    let status = world.credentials().get("reports").await.unwrap().status.unwrap();
    assert!(is_ready(&status));
    assert_eq!(status.access_key_id.as_deref(), Some(key.as_str()));
    assert_eq!(world.sts.calls_total(), 1);
}

#[tokio::test]
async fn a_queued_request_at_sigterm_is_left_to_the_next_operator() {
    let mut world = World::new().await;
    let kubeconfig = || world.rig.kubeconfig_for(world.rig.operator(), None).unwrap();
    let (one, two) = (kubeconfig(), kubeconfig());
    world.start_operator_with(one, &["--concurrency", "1"]).await;
    let hold = world.sts.hold(Matching::any());
    world.create("first", plain()).await;
    arrived(&hold, 1).await;
    world.create("second", plain()).await;
    wait_until("the second waits", SOON, || async {
        (world.metric("tempcred_sts_queue_depth").await == Some(1.0)).then_some(())
    })
    .await;
    world.signal_operator();
    ends(&world).await;
    hold.release();
    assert!(world.wait_for_operator_end(GRACE).success());
    assert_eq!(world.sts.calls_total(), 1);
    world.complete_key("first").await;
    assert!(world.secrets().get_opt("second").await.unwrap().is_none());

    world.start_operator_with(two, &[]).await;
    world.wait("second", "ready", is_ready).await;
    assert_eq!(world.sts.calls_total(), 2);
    // Now it is idle, and ends at once.
    let begin = Instant::now();
    assert!(world.stop_operator().success());
    let took = begin.elapsed();
    assert!(took < AT_ONCE, "{took:?}");
}

#[tokio::test]
async fn an_unreachable_api_server_does_not_delay_shutdown() {
    let (mut world, proxy) = behind_proxy().await;
    let hold = world.sts.hold(Matching::any());
    world.create("reports", plain()).await;
    arrived(&hold, 1).await;
    proxy.cut();
    world.signal_operator();
    hold.release();
    let begin = Instant::now();
    assert!(world.wait_for_operator_end(GRACE).success());
    println!("ended after {:?}", begin.elapsed());

    // The credentials in flight are lost with the process, which costs one more call.
    world.start_operator(&[]).await;
    world.wait("reports", "ready", is_ready).await;
    assert_eq!(world.sts.calls_total(), 2);
}

#[tokio::test]
async fn an_operator_that_is_not_ready_shuts_down_at_once() {
    let mut world = World::new().await;
    world.create("reports", plain()).await;
    let kubeconfig = || world.rig.kubeconfig_for(world.rig.tenant(), None).unwrap();
    let (one, two) = (kubeconfig(), kubeconfig());
    // As the tenant, which may list nothing here.
    end_unready(&mut world, one).await;

    // The same, but it may list resources: their reconciliation waits for the list of Secrets.
    let user = format!("--user={}", world.rig.tenant().name());
    let resource = "--resource=temporarycredentials.tempcred.dev";
    world.kubectl(&["create", "role", "half", "--verb=list,watch", resource]);
    world.kubectl(&["create", "rolebinding", "half", "--role=half", &user]);
    end_unready(&mut world, two).await;
}

/// Waits until the operator has begun to shut down.
async fn ends(world: &World) {
    wait_until("it says that it is not ready", SOON, || async {
        (world.http("/readyz").await == "shutting down\n").then_some(())
    })
    .await;
}

async fn end_unready(world: &mut World, kubeconfig: PathBuf) {
    let audit = world.rig.audit().expect("needs the rig's own API server").from_now().unwrap();
    world.launch(kubeconfig, &[]).await;
    wait_until("it may not list Secrets", SOON, || async {
        let requests = audit.requests(world.rig.tenant().name(), Some(&world.namespace)).unwrap();
        let is_refused = |r: &Request| r.resource == "secrets" && r.verb == "list" && r.code == 403;
        requests.iter().any(is_refused).then_some(())
    })
    .await;
    assert!(world.http("/readyz").await.starts_with("waiting"));
    let begin = Instant::now();
    assert!(world.stop_operator().success());
    let took = begin.elapsed();
    assert!(took < AT_ONCE, "{took:?}");
}
