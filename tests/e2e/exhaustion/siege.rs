//! An attacked operator, and what must hold meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use rig::sts::Fault;
use serde_json::{Value, json};
use tempcred_core::api::TemporaryCredential;
use tokio::sync::SemaphorePermit;
use tokio::task::JoinHandle;

use crate::world::{SOON, World, heavy, is_ready, loading, wait_until};

/// Number of objects of an attack, unless the environment says otherwise.
const FEW: usize = 300;

/// Lifetime of the victim's credentials. Without a setting, they are renewed when a third of it is left, and up to a
/// tenth of the wait earlier.
const LIFETIME: Duration = Duration::from_secs(18);

/// The role of the victim.
const VICTIM: &str = "arn:aws:iam::123456789012:role/victim";

/// How many requests an attacker makes at the same time.
const AT_ONCE: usize = 16;

/// A victim and an attacker in two namespaces, and an operator that serves both with few calls per second.
pub struct Siege {
    pub attacker: World,
    victim: World,
    /// Number of objects of the attack.
    pub size: usize,
    probe: JoinHandle<()>,
    slowest: Arc<AtomicU64>,
    done: Arc<AtomicBool>,
    /// Before this time, no renewal is late: the first operator was not ready, or, with few objects on a machine that runs
    /// many other tests, the last one.
    ready_at: jiff::Timestamp,
    _turn: SemaphorePermit<'static>,
}

impl Siege {
    pub async fn begin() -> Self {
        let size = std::env::var("TEMPCRED_ATTACK_SIZE").ok().and_then(|size| size.parse().ok());
        let size = size.unwrap_or(FEW);
        // At full size, one attack at a time.
        let turn = if size > FEW { heavy().await } else { loading().await };
        let (victim, mut attacker) = (World::new().await, World::new().await);
        attacker.sts.inject(Fault::lifetime(LIFETIME).for_role("role/victim"));
        // All namespaces, as in an ordinary installation: victim and attacker share everything.
        start(&mut attacker).await;
        let spec = json!({"assumeRole": {"roleArn": VICTIM}});
        let object = labelled(&attacker.namespace, "victim", &spec);
        let api = resources(&victim);
        api.create(&PostParams::default(), &object).await.unwrap();
        victim.wait("victim", "ready", is_ready).await;
        let (slowest, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let probe =
            tokio::spawn(probe(attacker.address(), Arc::clone(&slowest), Arc::clone(&done)));
        let ready_at = jiff::Timestamp::now();
        Self { attacker, victim, size, probe, slowest, done, ready_at, _turn: turn }
    }

    /// Whether the attack has its full size, so that the promised limits apply. Few objects are for a machine that runs
    /// many other tests at the same time.
    fn is_full(&self) -> bool {
        self.size > FEW
    }

    /// How long an attack goes on that repeats requests.
    pub fn duration(&self) -> Duration {
        Duration::from_secs(if self.is_full() { 30 } else { 6 })
    }

    /// Creates resources of the attacker. `spec` returns the spec of each.
    pub async fn create(&self, count: usize, spec: impl Fn(usize) -> Value) {
        let api = self.resources();
        let objects = (0..count).map(|n| {
            let object = labelled(&self.attacker.namespace, &format!("r{n}"), &spec(n));
            let api = api.clone();
            async move { api.create(&PostParams::default(), &object).await.map(drop) }
        });
        let results: Vec<_> = stream::iter(objects).buffer_unordered(AT_ONCE).collect().await;
        results.into_iter().for_each(|result| result.unwrap());
    }

    /// Restarts the operator, so that it lists all objects at once.
    pub async fn restart(&mut self) {
        self.end_probe().await;
        self.attacker.stop_operator();
        start(&mut self.attacker).await;
        if !self.is_full() {
            self.ready_at = jiff::Timestamp::now();
        }
        self.done.store(false, Ordering::Relaxed);
        let (slowest, done) = (Arc::clone(&self.slowest), Arc::clone(&self.done));
        self.probe = tokio::spawn(probe(self.attacker.address(), slowest, done));
    }

    async fn end_probe(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        (&mut self.probe).await.unwrap();
    }

    /// The attacker's resources.
    pub fn resources(&self) -> Api<DynamicObject> {
        resources(&self.attacker)
    }

    /// Changes the first resources of the attacker by a merge patch.
    pub async fn patch(&self, count: usize, patch: &Value) {
        let patches = (0..count).map(|n| {
            let api = self.resources();
            async move {
                let patch = Patch::Merge(patch);
                api.patch(&format!("r{n}"), &PatchParams::default(), &patch).await.unwrap();
            }
        });
        self.all(patches).await;
    }

    /// Deletes the first resources of the attacker.
    pub async fn delete(&self, count: usize) {
        let deletions = (0..count).map(|n| {
            let api = self.resources();
            async move { api.delete(&format!("r{n}"), &DeleteParams::default()).await.unwrap() }
        });
        self.all(deletions).await;
    }

    /// Creates Secrets of the attacker. `metadata` returns the metadata of each, without its name.
    pub async fn create_secrets(&self, count: usize, metadata: impl Fn(usize) -> Value) {
        let secrets = (0..count).map(|n| {
            let (api, mut metadata) = (self.attacker.secrets(), metadata(n));
            metadata["name"] = json!(format!("s{n}"));
            async move {
                let secret = serde_json::from_value(json!({"metadata": metadata})).unwrap();
                api.create(&PostParams::default(), &secret).await.unwrap();
            }
        });
        self.all(secrets).await;
    }

    /// Makes requests, some at the same time.
    pub async fn all<F: Future>(&self, requests: impl Iterator<Item = F>) {
        stream::iter(requests).buffer_unordered(AT_ONCE).for_each(|_| async {}).await;
    }

    /// Waits for two further renewals of the victim, and asserts what must hold. `resources` and `bytes` are the number of
    /// resources and the size of their specs.
    pub async fn end(mut self, name: &str, resources: usize, bytes: usize) {
        let calls = || self.attacker.call_times("role/victim").len();
        let before = calls();
        wait_until("the victim is renewed twice", 4 * LIFETIME, || async {
            (calls() >= before + 2).then_some(())
        })
        .await;
        assert!(self.attacker.operator_runs(), "{name}: the operator ended");
        self.end_probe().await;
        let slowest = Duration::from_millis(self.slowest.load(Ordering::Relaxed));
        let times = self.attacker.call_times("role/victim");
        let lateness = |pair: &[jiff::Timestamp]| {
            let due = (pair[0] + (LIFETIME - LIFETIME / 3)).max(self.ready_at);
            Duration::try_from(pair[1].duration_since(due)).unwrap_or_default()
        };
        let latest = times.windows(2).map(lateness).max().unwrap();
        let peak = self.attacker.memory("VmHWM");
        let allowed = (40 << 20) + (8 << 10) * resources + 2 * bytes;
        println!(
            "{name}: {resources} resources, {} KiB of specs; probe at most {slowest:?}, renewal at most {latest:?} late, peak {} MiB of {} MiB",
            bytes >> 10,
            peak >> 20,
            allowed >> 20,
        );
        let status = self.victim.wait("victim", "ready", is_ready).await.status.unwrap();
        assert!(status.failure.is_none(), "{name}: {:?}", status.failure);
        if self.is_full() {
            assert!(slowest <= Duration::from_secs(1), "{name}: the probe took {slowest:?}");
            assert!(latest <= Duration::from_secs(5), "{name}: {latest:?} late");
            assert!(peak <= allowed, "{name}: {peak} bytes of {allowed}");
        } else {
            // Nothing expired.
            assert!(latest <= LIFETIME / 3, "{name}: {latest:?} late");
            assert!(peak <= allowed + (60 << 20), "{name}: {peak} bytes of {allowed}");
        }
    }
}

/// Starts the operator of a siege.
async fn start(attacker: &mut World) {
    let selector = format!("siege={}", attacker.namespace);
    attacker.start_operator(&["--selector", &selector, "--sts-rate", "10", "--log", "warn"]).await;
}

fn resources(world: &World) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<TemporaryCredential>(&());
    Api::namespaced_with(world.client.clone(), &world.namespace, &resource)
}

/// A resource that the operator of this siege serves.
fn labelled(siege: &str, name: &str, spec: &Value) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
        "metadata": {"name": name, "labels": {"siege": siege}}, "spec": spec,
    }))
    .unwrap()
}

/// Asks the listener whether the operator lives, until `done`.
async fn probe(address: std::net::SocketAddr, slowest: Arc<AtomicU64>, done: Arc<AtomicBool>) {
    while !done.load(Ordering::Relaxed) {
        let begin = Instant::now();
        let alive = tokio::time::timeout(SOON, crate::operator::get(address, "/livez")).await;
        assert_eq!(alive.unwrap(), "ok\n");
        let took = u64::try_from(begin.elapsed().as_millis()).unwrap();
        slowest.fetch_max(took, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
