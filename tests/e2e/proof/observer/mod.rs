//! Watches Secrets, resources and STS from outside, and reports each invariant of the contract that is violated.
//!
//! It shares no code with the operator: objects are JSON to it, and it knows credentials from the records of STS.

mod seen;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use jiff::Timestamp;
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use rig::sts::Responder;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::check::{POLL, wait_until};
use crate::world::World;
use seen::Seen;

/// How far one watch may be behind another one.
const BEHIND: Duration = Duration::from_secs(20);

/// Watches the Secrets and resources of a namespace, until it is dropped.
pub struct Observer {
    seen: Arc<Mutex<Seen>>,
    watches: [JoinHandle<()>; 3],
}

impl Observer {
    /// Starts to watch the namespace of a world.
    pub fn start(world: &World) -> Self {
        Self::of(&world.client, &world.namespace, &world.sts)
    }

    /// Starts to watch a namespace.
    pub fn of(client: &Client, namespace: &str, sts: &Responder) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let kind = |group: &str, version: &str, kind: &str| {
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
            (client.clone(), namespace.to_owned(), resource)
        };
        let secrets = watch(kind("", "v1", "Secret"), Arc::clone(&seen), Seen::secret);
        let resource = kind("tempcred.dev", "v1alpha1", "TemporaryCredential");
        let resources = watch(resource, Arc::clone(&seen), Seen::resource);
        let (theirs, sts) = (Arc::clone(&seen), sts.clone());
        let clock = tokio::spawn(async move {
            loop {
                theirs.lock().unwrap().tick(&sts.issued(), Timestamp::now());
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        });
        Self { seen, watches: [secrets, resources, clock] }
    }

    /// The violations so far.
    pub fn violations(&self) -> Vec<String> {
        self.seen.lock().unwrap().violations.iter().cloned().collect()
    }

    /// Judges what only the end of a run shows.
    pub fn end(&self) {
        self.seen.lock().unwrap().end();
    }

    /// Waits while one watch seems to be behind another one. What it has not shown until the deadline never was.
    async fn catch_up(&self) {
        let begin = Instant::now();
        while self.seen.lock().unwrap().is_behind() && begin.elapsed() < BEHIND {
            tokio::time::sleep(POLL).await;
        }
    }

    /// Fails if an invariant was violated, or a watch has ended.
    pub async fn check(&self) {
        // What was written last must have been seen: one more turn of the clock.
        let ticks = || self.seen.lock().unwrap().ticks;
        let before = ticks();
        wait_until("the clock of the observer ticks", BEHIND, || async {
            (ticks() > before + 1).then_some(())
        })
        .await;
        self.catch_up().await;
        assert!(self.watches.iter().all(|one| !one.is_finished()), "a watch of the observer ended");
        self.end();
        let violations = self.violations();
        assert!(violations.is_empty(), "violated: {violations:#?}");
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.watches.iter().for_each(JoinHandle::abort);
    }
}

/// Passes every change to `take`: the object, or only its name once it is gone.
fn watch(
    (client, namespace, resource): (Client, String, ApiResource),
    seen: Arc<Mutex<Seen>>,
    take: fn(&mut Seen, &str, Option<&Value>),
) -> JoinHandle<()> {
    let api: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &resource);
    tokio::spawn(async move {
        let events = watcher(api, watcher::Config::default()).default_backoff();
        let mut events = std::pin::pin!(events);
        loop {
            // The watcher begins again after an error.
            let Ok(Some(event)) = events.try_next().await else { continue };
            let (object, gone) = match event {
                Event::Init | Event::InitDone => continue,
                Event::Apply(object) | Event::InitApply(object) => (object, false),
                Event::Delete(object) => (object, true),
            };
            let value = serde_json::to_value(&object).unwrap();
            let name = object.metadata.name.unwrap_or_default();
            take(&mut seen.lock().unwrap(), &name, (!gone).then_some(&value));
        }
    })
}
