//! Many resources that are due at the same time, with an STS that allows fewer calls than the operator would make.

use futures::future::join_all;
use rig::sts::Fault;

use super::spec;
use crate::world::{World, heavy, is_ready};

#[tokio::test]
async fn a_herd_makes_few_calls_that_sts_throttles() {
    const COUNT: usize = 200;
    let _alone = heavy().await;
    let mut world = World::new().await;
    world.sts.inject(Fault::throttling_above(20));
    let names: Vec<_> = (0..COUNT).map(|number| format!("r{number}")).collect();
    join_all(names.iter().map(|name| world.create(name, spec(name)))).await;
    world.start_operator(&[]).await;
    join_all(names.iter().map(|name| world.wait(name, "ready", is_ready))).await;
    let (calls, issued) = (world.sts.calls_total(), world.sts.issued().len());
    assert_eq!(issued, COUNT);
    assert!(calls > issued, "the limit was not reached");
    // The rate needs some throttled calls to adapt. In a herd as small as this one, they are a larger part than in the
    // simulation of the queue.
    assert!(calls * 4 <= issued * 5, "{calls} calls for {issued} credentials");
    let rate = world.metric("tempcred_sts_rate").await.unwrap();
    assert!(rate < 50.0, "{rate} calls per second are allowed");
}
