//! A backlog: several resources wait for the only worker, and those that arrived last are the most urgent.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rig::sts::{Fault, Matching};
use serde_json::json;

use super::stage::Stage;
use crate::world::{World, assume, condition};

/// One worker.
pub const FLAGS: [&str; 2] = ["--concurrency", "1"];

/// The resources: their names, the lifetime of their first credentials in seconds, and after how many seconds these are
/// due. The first one to be due occupies the worker.
const RESOURCES: [(&str, u64, u64); 3] = [("first", 80, 10), ("later", 70, 12), ("urgent", 60, 14)];

/// The names in the order of their calls: of those that wait, the one that expires first goes first.
const ORDER: [&str; 3] = ["first", "urgent", "later"];

/// Only credentials that were renewed last as long.
const LONG: SignedDuration = SignedDuration::from_mins(10);

/// Issues the first credentials of each.
pub async fn prepare(world: &World) {
    for (name, lifetime, wait) in RESOURCES {
        world.sts.inject(Fault::lifetime(Duration::from_secs(lifetime)).times(1));
        let mut spec = assume(name);
        spec["renewal"] = json!({"before": format!("{}s", lifetime - wait)});
        world.issue(name, spec).await;
    }
}

/// Lets all of them wait, and asserts the order of the calls.
pub async fn act(stage: &mut Stage) {
    let before = stage.world.sts.calls_total();
    let hold = stage.world.sts.hold(Matching::any());
    let waiting = (RESOURCES.len() - 1) as f64;
    stage
        .until("the others wait", async |world| {
            hold.arrivals() > 0 && world.metric("tempcred_sts_queue_depth").await == Some(waiting)
        })
        .await;
    hold.release();
    stage.until("all are renewed", all_renewed).await;
    let requests = stage.world.sts.requests().split_off(before);
    let mut roles: Vec<_> = requests
        .iter()
        .filter_map(|one| Some(one.role_arn()?.rsplit_once('/')?.1.to_owned()))
        .collect();
    // A fault may have repeated a call.
    roles.dedup();
    assert_eq!(roles, ORDER, "spread and fair: another order");
}

async fn all_renewed(world: &World) -> bool {
    let resources = world.credentials().list(&Default::default()).await.unwrap().items;
    resources.iter().filter_map(|one| one.status.as_ref()).all(|status| {
        let lasts = |at: &Timestamp| *at > Timestamp::now() + LONG;
        let is_new = status.expiration.as_ref().is_some_and(|at| lasts(&at.0));
        is_new && condition(status, "Ready").is_some_and(|(ready, _)| ready)
    })
}
