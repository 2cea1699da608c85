//! Kills: what a killed operator leaves behind, and how the next one continues.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::TryStreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt};
use rig::sts::Fault;
use serde_json::json;

use crate::random::Random;
use crate::world::{
    SOON, World, Writes, assert_complete, data, heavy, is_ready, plain, wait_until,
};

const RESOURCES: usize = 100;
const KILLS: usize = 50;
const CONCURRENCY: usize = 8;

/// The lifetime that STS returns instead of the requested 15 minutes, so that a late renewal would show.
const LIFETIME: Duration = Duration::from_secs(120);

/// How long a run lasts at most before it is killed.
const LONGEST_RUN: u64 = 2500;

/// How long a call to STS takes: long enough to be hit by a kill.
const STS_DELAY: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_during_a_hundred_rotations_leave_every_secret_complete_and_unexpired() {
    let _alone = heavy().await;
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut random = Random(seed.as_secs());
    println!("seed {}", random.0);

    let mut world = World::new().await;
    world.sts.inject(Fault::lifetime(LIFETIME));
    world.sts.inject(Fault::delay(STS_DELAY));
    let kubeconfig = world.rig.kubeconfig_for(world.rig.operator(), None).unwrap();
    let concurrency = CONCURRENCY.to_string();
    let flags = ["--concurrency", concurrency.as_str()];
    // Each rotates every 18 to 20 s, and has 100 s to be late on a busy machine.
    let mut spec = plain();
    spec["renewal"] = json!({"beforePercentage": 83});
    for number in 0..RESOURCES {
        world.create(&format!("c{number}"), spec.clone()).await;
    }
    let watch = Watch::start(world.secrets());
    world.start_operator_with(kubeconfig.clone(), &flags).await;
    watch.wait_for("all have a Secret", |s| s.len() == RESOURCES).await;

    for kill in 1..=KILLS {
        // The one kind of wait that is not for a condition: a kill comes at any time.
        let run = Duration::from_millis(random.below(LONGEST_RUN));
        tokio::time::sleep(run).await;
        world.kill_operator();
        watch.check().await;
        world.launch(kubeconfig.clone(), &flags).await;
        assert!(world.operator_runs(), "after kill {kill}");
        // Every second run becomes ready before its time starts; on a busy machine none would otherwise.
        if kill % 2 == 0 {
            world.wait_for_readiness().await;
        }
    }

    let before = watch.current();
    watch
        .wait_for("all rotate once more", |now| {
            before.iter().all(|(name, key)| now.get(name) != Some(key))
        })
        .await;
    let all = wait_until("all are ready", SOON, || async {
        let all = world.credentials().list(&ListParams::default()).await.unwrap().items;
        all.iter()
            .all(|c| c.status.as_ref().is_some_and(|s| is_ready(s) && s.failure.is_none()))
            .then_some(all)
    })
    .await;
    assert_eq!(all.len(), RESOURCES);
    assert!(world.stop_operator().success());
    let latest = world.secrets().list(&ListParams::default()).await.unwrap().items;
    let latest: HashMap<_, _> = latest.iter().map(|s| (s.name_any(), assert_complete(s))).collect();
    watch.wait_for("the last write is seen", |now| *now == latest).await;

    let issued: HashMap<_, _> =
        world.sts.issued().into_iter().map(|m| (m.access_key_id, m.expiration)).collect();
    let written = watch.written();
    for (key, expiration) in &written {
        assert_eq!(issued.get(key), Some(expiration), "{key} is not as STS issued it");
    }
    let (versions, wasted) = (watch.versions(), issued.len() - written.len());
    println!(
        "{KILLS} kills: {} issued, {} written in {versions} versions, {wasted} lost",
        issued.len(),
        written.len()
    );
    assert!(
        wasted <= KILLS * CONCURRENCY,
        "{wasted} lost by {KILLS} kills with {CONCURRENCY} in flight"
    );
    assert!(written.len() >= RESOURCES * 3, "they hardly rotated: {}", written.len());
}

#[tokio::test]
async fn restarts_and_kills_cost_no_call_and_no_write() {
    let mut world = World::start().await;
    let names = ["a", "b", "c"];
    for name in names {
        world.issue(name, plain()).await;
    }
    // An event is the last thing that a first issue does.
    wait_until("all is written", SOON, || async {
        (world.writes().events == names.len()).then_some(())
    })
    .await;
    for _ in 0..5 {
        world.kill_operator();
        world.start_operator(&[]).await;
        world.wait_for_reconciliations(names.len()).await;
        assert!(world.stop_operator().success());
        world.start_operator(&[]).await;
        world.wait_for_reconciliations(names.len()).await;
    }
    // A later issue is complete, so every earlier call or write would show.
    world.issue("later", plain()).await;
    wait_until("all is written", SOON, || async {
        (world.writes().events == names.len() + 1).then_some(())
    })
    .await;
    assert_eq!(world.sts.calls_total(), names.len() + 1);
    assert_eq!(
        world.writes(),
        Writes { secrets: names.len() + 1, statuses: names.len() + 1, events: names.len() + 1 }
    );
}

/// Watches every version of every Secret.
struct Watch {
    seen: Arc<Mutex<Seen>>,
    task: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

#[derive(Default)]
struct Seen {
    /// Access key and expiry by Secret.
    current: HashMap<String, (String, Timestamp)>,
    /// Every access key with its expiry.
    written: HashMap<String, Timestamp>,
    versions: HashSet<String>,
}

impl Watch {
    fn start(secrets: Api<Secret>) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let theirs = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut events = std::pin::pin!(watcher(secrets, watcher::Config::default()));
            while let Some(event) = events.try_next().await.unwrap() {
                match event {
                    Event::Init | Event::InitDone => {}
                    Event::Apply(secret) | Event::InitApply(secret) => {
                        theirs.lock().unwrap().record(&secret);
                    }
                    Event::Delete(secret) => panic!("{} was deleted", secret.name_any()),
                }
            }
        });
        Self { seen, task: Mutex::new(Some(task)) }
    }

    /// Fails if a version was invalid.
    async fn check(&self) {
        let failed = self.task.lock().unwrap().take_if(|task| task.is_finished());
        if let Some(failed) = failed {
            failed.await.unwrap();
            panic!("the watch ended");
        }
        let now = Timestamp::now();
        for (name, (key, expiration)) in &self.seen.lock().unwrap().current {
            assert!(*expiration > now, "{name}: {key} expired at {expiration}, it is {now}");
        }
    }

    async fn wait_for(&self, what: &str, done: impl Fn(&HashMap<String, String>) -> bool) {
        wait_until(what, Duration::from_secs(60), || async {
            self.check().await;
            done(&self.current()).then_some(())
        })
        .await;
    }

    fn current(&self) -> HashMap<String, String> {
        let seen = self.seen.lock().unwrap();
        let all = seen.current.iter();
        all.map(|(name, (key, _))| (name.clone(), key.clone())).collect()
    }

    fn written(&self) -> HashMap<String, Timestamp> {
        self.seen.lock().unwrap().written.clone()
    }

    fn versions(&self) -> usize {
        self.seen.lock().unwrap().versions.len()
    }
}

impl Seen {
    fn record(&mut self, secret: &Secret) {
        let (name, key) = (secret.name_any(), assert_complete(secret));
        let expiration: Timestamp = data(secret)["AWS_CREDENTIAL_EXPIRATION"].parse().unwrap();
        let now = Timestamp::now();
        assert!(expiration > now, "{name}: {key} expired at {expiration}, it is {now}");
        self.versions.insert(secret.resource_version().unwrap_or_default());
        self.written.insert(key.clone(), expiration);
        if let Some((last, until)) = self.current.insert(name.clone(), (key, expiration)) {
            assert!(until > now, "{name}: {last} was replaced only after it expired at {until}");
        }
    }
}
