//! Watches Secrets, resources and STS from outside, and reports each invariant of the contract that is violated.
//!
//! It shares no code with the operator: objects are JSON to it, and it knows credentials from the records of STS.

mod seen;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use rig::sts::Responder;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::check::{POLL, wait_until};
use crate::world::World;
use seen::Seen;

/// How far one watch may be behind another one.
const BEHIND: Duration = Duration::from_secs(20);

/// How long a status may say Ready after its Secret was deleted or changed: an operator is killed, starts again, and waits for
/// an API server.
const UNNOTICED: SignedDuration = SignedDuration::from_secs(45);

/// Watches the Secrets and resources of a namespace, until it is dropped.
pub struct Observer {
    seen: Arc<Mutex<Seen>>,
    watches: [JoinHandle<()>; 3],
}

impl Observer {
    /// Starts to watch the namespace of a world.
    pub fn start(world: &World) -> Self {
        Self::of(&world.client, &world.namespace, &world.sts, UNNOTICED)
    }

    /// Starts to watch a namespace. A status may say Ready for `unnoticed` after its Secret was deleted or changed.
    pub fn of(
        client: &Client,
        namespace: &str,
        sts: &Responder,
        unnoticed: SignedDuration,
    ) -> Self {
        let seen = Arc::new(Mutex::new(Seen::new(unnoticed)));
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
        let mut names = Names::default();
        loop {
            // The watcher begins again after an error.
            let Ok(Some(event)) = events.try_next().await else { continue };
            let mut seen = seen.lock().unwrap();
            for (name, object) in names.changes(event) {
                take(&mut seen, &name, object.as_ref());
            }
        }
    })
}

/// The names of the objects that a watch has shown. A new list shows what was deleted only by what it lacks.
#[derive(Default)]
struct Names {
    known: BTreeSet<String>,
    listed: BTreeSet<String>,
}

impl Names {
    /// What an event says: the objects that exist, and the names of those that do not any more.
    fn changes(&mut self, event: Event<DynamicObject>) -> Vec<(String, Option<Value>)> {
        match event {
            Event::Init => {
                self.listed.clear();
                vec![]
            }
            Event::Apply(object) | Event::InitApply(object) => {
                let (name, value) = (object.name_any(), serde_json::to_value(&object).unwrap());
                self.listed.insert(name.clone());
                self.known.insert(name.clone());
                vec![(name, Some(value))]
            }
            Event::Delete(object) => {
                self.known.remove(&object.name_any());
                vec![(object.name_any(), None)]
            }
            Event::InitDone => {
                let gone = self.known.extract_if(.., |name| !self.listed.contains(name));
                gone.map(|name| (name, None)).collect()
            }
        }
    }
}

#[test]
fn a_deletion_that_only_a_new_list_shows_is_seen() {
    let object = |name: &str| DynamicObject::new(name, &ApiResource::erase::<Secret>(&()));
    let mut names = Names::default();
    let mut gone = |events: Vec<Event<DynamicObject>>| -> Vec<_> {
        let changes = events.into_iter().flat_map(|event| names.changes(event));
        changes.filter(|(_, object)| object.is_none()).map(|(name, _)| name).collect()
    };
    let listed = |name| Event::InitApply(object(name));
    let first = vec![Event::Init, listed("a"), listed("b"), listed("c"), Event::InitDone];
    assert_eq!(gone(first), [""; 0]);
    assert_eq!(gone(vec![Event::Delete(object("c"))]), ["c"]);
    assert_eq!(gone(vec![Event::Init, listed("b"), Event::InitDone]), ["a"]);
    assert_eq!(gone(vec![Event::Init, listed("b"), Event::InitDone]), [""; 0]);
}
