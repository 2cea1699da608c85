//! The operator from its first start to a restart.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::DynamicObject;
use rig::ConnectionSampler;
use tempcred_core::schedule::CALL_INTERVAL;

use crate::counts::ApiCounts;
use crate::figures::{Figure, Figures};
use crate::fleet::Fleet;
use crate::operator::{Binary, Operator};
use crate::process;
use crate::scene::{Scene, name, namespace};

const MIB: f64 = 1024.0 * 1024.0;

/// Time between two counts of the connections.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(250);

/// Measures it.
pub async fn measure(scene: Scene, binary: &Binary) -> Result<Figures> {
    let mut figures = Figures::default();
    let empty = without_resources(&scene, binary).await?;
    figures.set(Figure::EmptyMemory, empty / MIB);
    scene.create_resources().await?;
    let fleet = Fleet::watch(&scene).await?;
    let operator = first_start(&scene, binary, &fleet, empty, &mut figures).await?;
    stored_sizes(&scene, &mut figures).await?;
    rotations(&scene, &fleet, &mut figures).await?;
    figures.set(Figure::RotatedMemory, process::peak_memory(operator.pid())? / MIB);
    operator.wait_quiet().await?;
    operator.stop().await?;
    restart(&scene, binary, &mut figures).await?;
    Ok(figures)
}

/// The peak of an operator with nothing to do.
async fn without_resources(scene: &Scene, binary: &Binary) -> Result<f64> {
    let operator = Operator::start(scene, binary).await?;
    operator.wait_quiet().await?;
    let peak = process::peak_memory(operator.pid())?;
    operator.stop().await?;
    Ok(peak)
}

async fn first_start(
    scene: &Scene,
    binary: &Binary,
    fleet: &Fleet,
    empty: f64,
    figures: &mut Figures,
) -> Result<Operator> {
    let size = scene.size as f64;
    let counts = ApiCounts::read(scene).await?;
    let calls = scene.sts.calls_total();
    let api_cpu = process::cpu(scene.api_server()?)?;
    let operator = Operator::start(scene, binary).await?;
    let pid = operator.pid();
    let sampler =
        ConnectionSampler::start(pid, [scene.api_port()?, scene.sts_port()?], SAMPLE_INTERVAL);
    let all = scene.size;
    let done = fleet.wait("all Ready", |totals| totals.ready == all).await?;
    let took = done.duration_since(operator.started).as_secs_f64();
    let api_cpu = process::cpu(scene.api_server()?)?.saturating_sub(api_cpu);
    let own_cpu = process::cpu(pid)?;
    let [to_api, to_sts] = sampler.most()?;
    operator.wait_quiet().await?;
    let peak = process::peak_memory(pid)?;
    figures.set(Figure::StartSeconds, took);
    figures.set(Figure::StartRate, size / took);
    figures.set(Figure::OperatorCpu, own_cpu.as_secs_f64() * 1000.0 / size);
    figures.set(Figure::ApiServerCpu, api_cpu.as_secs_f64() * 1000.0 / size);
    figures.set(Figure::ApiConnections, to_api as f64);
    figures.set(Figure::StsConnections, to_sts as f64);
    figures.set(Figure::PeakMemory, peak / MIB);
    figures.set(Figure::PeakMemoryEach, (peak - empty) / size / 1024.0);
    figures.set(Figure::SteadyMemory, process::resident_memory(pid)? / MIB);
    figures.set(Figure::StsCalls, (scene.sts.calls_total() - calls) as f64 / size);
    let counts = ApiCounts::read(scene).await? - counts;
    figures.set(Figure::Reads, counts.reads / size);
    figures.set(Figure::SecretWrites, counts.secret_writes / size);
    figures.set(Figure::StatusWrites, counts.status_writes / size);
    figures.set(Figure::Events, counts.events / size);
    figures.set(Figure::OtherWrites, counts.other_writes / size);
    figures.set(Figure::RequestBytes, counts.request_bytes / size);
    figures.set(Figure::ReplyBytes, counts.reply_bytes / size);
    operator.page("/metrics").await?;
    figures.set(Figure::ScrapedMemory, process::peak_memory(pid)? / MIB);
    Ok(operator)
}

/// The sizes of one resource and of its Secret, as JSON.
async fn stored_sizes(scene: &Scene, figures: &mut Figures) -> Result<()> {
    let (namespace, name, admin) = (namespace(0), name(0), scene.admin.clone());
    let resource = Api::<DynamicObject>::namespaced_with(admin.clone(), &namespace, &scene.kind());
    let resource = serde_json::to_vec(&resource.get(&name).await?)?;
    figures.set(Figure::ResourceBytes, resource.len() as f64);
    let secret = Api::<Secret>::namespaced(admin, &namespace).get(&name).await?;
    figures.set(Figure::SecretBytes, serde_json::to_vec(&secret)?.len() as f64);
    Ok(())
}

/// Requests a renewal of all resources, much faster than they can be renewed, and measures from the last request to the
/// last renewal.
///
/// Short lifetimes would not suffice: credentials are never renewed within six seconds after their issue, so a thousand
/// of them cannot keep the operator busy.
async fn rotations(scene: &Scene, fleet: &Fleet, figures: &mut Figures) -> Result<()> {
    // Earlier, the operator would delay the renewals.
    tokio::time::sleep(CALL_INTERVAL.unsigned_abs()).await;
    let (size, all) = (scene.size as f64, fleet.totals().issued + scene.size);
    let (counts, calls) = (ApiCounts::read(scene).await?, scene.sts.calls_total());
    scene.request_renewals("rotation").await?;
    let (begin, before) = (Instant::now(), fleet.totals().issued);
    let done = fleet.wait("all renewed", |totals| totals.issued >= all).await?;
    let rotations = (all - before) as f64;
    figures.set(Figure::RotationRate, rotations / done.duration_since(begin).as_secs_f64());
    let counts = ApiCounts::read(scene).await? - counts;
    figures.set(Figure::RotationCalls, (scene.sts.calls_total() - calls) as f64 / size);
    figures.set(Figure::RotationReads, counts.reads / size);
    let writes = counts.secret_writes + counts.status_writes + counts.events;
    figures.set(Figure::RotationWrites, writes / size);
    Ok(())
}

/// Starts the operator again while all credentials are valid, with empty caches.
async fn restart(scene: &Scene, binary: &Binary, figures: &mut Figures) -> Result<()> {
    let (counts, calls) = (ApiCounts::read(scene).await?, scene.sts.calls_total());
    let operator = Operator::start(scene, binary).await?;
    let quiet = operator.wait_quiet().await?;
    figures.set(Figure::RestartSeconds, quiet.duration_since(operator.started).as_secs_f64());
    figures.set(Figure::RestartCpu, process::cpu(operator.pid())?.as_secs_f64());
    figures.set(Figure::RestartMemory, process::peak_memory(operator.pid())? / MIB);
    let counts = ApiCounts::read(scene).await? - counts;
    figures.set(Figure::RestartReads, counts.reads);
    figures.set(Figure::RestartWrites, counts.writes());
    figures.set(Figure::RestartCalls, (scene.sts.calls_total() - calls) as f64);
    let reconciled = reconciliations(&operator.page("/metrics").await?)?;
    ensure!(reconciled >= scene.size as f64, "quiet after {reconciled} reconciliations only");
    operator.stop().await
}

fn reconciliations(metrics: &str) -> Result<f64> {
    let name = "tempcred_reconcile_duration_seconds_count";
    let value = metrics.lines().find_map(|line| line.strip_prefix(name));
    Ok(value.with_context(|| format!("no metric {name}"))?.trim().parse()?)
}
