//! All resources are due while STS issues nothing. How long does it take, once STS works again, until all are renewed?

use std::time::{Duration, Instant};

use anyhow::Result;
use rig::sts::{Fault, Matching};
use serde_json::{Map, Value};

use crate::figures::{Figure, Figures};
use crate::fleet::Fleet;
use crate::operator::{Binary, Operator};
use crate::scene::{Contents, Scene};

/// How long the outage lasts. Longer than the timeout of a call, so calls without a reply fail and are repeated.
pub const OUTAGE: Duration = Duration::from_secs(30);

/// Measures an outage of either kind, each on a control plane of its own.
pub async fn measure(size: usize, spec: &Map<String, Value>, binary: &Binary) -> Result<Figures> {
    let mut figures = Figures::default();
    let (recovery, calls) = outage(size, spec, binary, Outage::NoReply).await?;
    figures.set(Figure::SilentRecovery, recovery);
    figures.set(Figure::SilentCalls, calls);
    let (recovery, calls) = outage(size, spec, binary, Outage::Throttling).await?;
    figures.set(Figure::ThrottledRecovery, recovery);
    figures.set(Figure::ThrottledCalls, calls);
    Ok(figures)
}

#[derive(Clone, Copy)]
enum Outage {
    /// STS accepts calls and does not reply.
    NoReply,
    /// STS rejects each call as one too many.
    Throttling,
}

/// Seconds from the end of the outage until all are renewed, and calls for each renewal since its beginning.
async fn outage(
    size: usize,
    spec: &Map<String, Value>,
    binary: &Binary,
    kind: Outage,
) -> Result<(f64, f64)> {
    let scene = Scene::start(Contents::Chart, size, spec).await?;
    scene.create_resources().await?;
    let fleet = Fleet::watch(&scene).await?;
    let operator = Operator::start(&scene, binary).await?;
    fleet.wait("all Ready", |totals| totals.ready == size).await?;
    operator.wait_quiet().await?;

    let (calls, all) = (scene.sts.calls_total(), fleet.totals().issued + size);
    let begin = Instant::now();
    let (hold, fault) = match kind {
        Outage::NoReply => (Some(scene.sts.hold(Matching::any())), None),
        Outage::Throttling => (None, Some(scene.sts.inject(Fault::throttling()))),
    };
    scene.request_renewals("outage").await?;
    tokio::time::sleep(OUTAGE.saturating_sub(begin.elapsed())).await;
    let end = Instant::now();
    hold.iter().for_each(|hold| hold.release());
    fault.into_iter().for_each(|fault| scene.sts.remove(fault));
    let done = fleet.wait("all renewed", |totals| totals.issued >= all).await?;
    let calls = (scene.sts.calls_total() - calls) as f64;
    operator.stop().await?;
    Ok((done.duration_since(end).as_secs_f64(), calls / size as f64))
}
