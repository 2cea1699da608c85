//! What a watch sees of the resources: which are ready, and how often their credentials changed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::StreamExt;
use k8s_openapi::serde::Deserialize;
use kube::api::{NotUsed, Object, ObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Resource};
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::scene::Scene;

/// Time that a state may take to be reached: a minute, and this for each resource.
const PATIENCE: Duration = Duration::from_millis(100);

/// The part of a status that counts.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    access_key_id: Option<String>,
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Serialize, Deserialize, Clone, Debug)]
struct Condition {
    #[serde(rename = "type")]
    type_: String,
    status: String,
}

/// Totals over all resources.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Resources that are ready.
    pub ready: usize,
    /// Credentials that a status showed for the first time.
    pub issued: usize,
}

/// A watch of all resources. It ends when it is dropped.
pub struct Fleet {
    totals: watch::Receiver<Totals>,
    task: JoinHandle<()>,
    size: u32,
}

impl Fleet {
    /// Starts the watch, and waits until it has listed the resources.
    pub async fn watch(scene: &Scene) -> Result<Self> {
        let api = Api::<Object<NotUsed, Status>>::all_with(scene.admin.clone(), &scene.kind());
        let (sender, totals) = watch::channel(Totals::default());
        let (listed, is_listed) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            let mut listed = Some(listed);
            let mut seen = Seen::default();
            let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
            while let Some(event) = events.next().await {
                match event {
                    Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => {
                        seen.apply(object.meta(), object.status.as_ref());
                        sender.send_replace(seen.totals);
                    }
                    Ok(watcher::Event::InitDone) => {
                        listed.take().map(|listed| listed.send(()));
                    }
                    Ok(watcher::Event::Init | watcher::Event::Delete(_)) => {}
                    Err(error) => eprintln!("the watch of the benchmark failed: {error}"),
                }
            }
        });
        is_listed.await.context("the watch of the benchmark ended")?;
        Ok(Self { totals, task, size: u32::try_from(scene.size)? })
    }

    /// The current totals.
    pub fn totals(&self) -> Totals {
        *self.totals.borrow()
    }

    /// Waits until the totals are as wanted, and returns when they were.
    pub async fn wait(&self, what: &str, wanted: impl FnMut(&Totals) -> bool) -> Result<Instant> {
        let patience = Duration::from_secs(60) + PATIENCE * self.size;
        let mut totals = self.totals.clone();
        let waited = tokio::time::timeout(patience, totals.wait_for(wanted)).await;
        let reached = waited.map(|totals| totals.map(drop));
        reached
            .with_context(|| format!("{what}: not within {patience:?}; {:?}", self.totals()))?
            .with_context(|| format!("{what}: the watch of the benchmark ended"))?;
        Ok(Instant::now())
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Default)]
struct Seen {
    resources: HashMap<String, (Option<String>, bool)>,
    totals: Totals,
}

impl Seen {
    fn apply(&mut self, metadata: &ObjectMeta, status: Option<&Status>) {
        let uid = metadata.uid.clone().unwrap_or_default();
        let (key, ready) = self.resources.entry(uid).or_default();
        let now = status.is_some_and(|status| {
            status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True")
        });
        self.totals.ready = self.totals.ready + usize::from(now) - usize::from(*ready);
        *ready = now;
        let issued = status.and_then(|status| status.access_key_id.clone());
        if issued.is_some() && *key != issued {
            self.totals.issued += 1;
            *key = issued;
        }
    }
}
