//! Every status that was written, in order: polling would miss some.

use std::sync::{Arc, Mutex, PoisonError};

use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::api::{ListParams, WatchEvent, WatchParams};
use tempcred_core::api::{CredentialStatus, FailureStatus};

use crate::world::World;

/// A status, and when the watch delivered it.
pub type Entry = (Timestamp, CredentialStatus);

/// Watches the resources of a world.
pub struct History {
    entries: Arc<Mutex<Vec<(String, Entry)>>>,
    watch: tokio::task::JoinHandle<()>,
}

impl History {
    pub async fn of(world: &World) -> Self {
        let api = world.credentials();
        let list = api.list(&ListParams::default()).await.unwrap();
        let version = list.metadata.resource_version.unwrap();
        let entries = Arc::<Mutex<Vec<(String, Entry)>>>::default();
        let theirs = Arc::clone(&entries);
        let watch = tokio::spawn(async move {
            let params = WatchParams::default().timeout(290);
            let mut events = Box::pin(api.watch(&params, &version).await.unwrap());
            while let Some(event) = events.try_next().await.unwrap() {
                if let WatchEvent::Added(resource) | WatchEvent::Modified(resource) = event {
                    let name = resource.name_any();
                    let status = resource.status.unwrap_or_default();
                    let mut entries = theirs.lock().unwrap_or_else(PoisonError::into_inner);
                    entries.push((name, (Timestamp::now(), status)));
                }
            }
        });
        Self { entries, watch }
    }

    /// The statuses of one resource.
    pub fn entries(&self, name: &str) -> Vec<Entry> {
        assert!(!self.watch.is_finished(), "the watch broke");
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let of = entries.iter().filter(|(about, _)| about == name);
        of.map(|(_, entry)| entry.clone()).collect()
    }

    /// The failed attempts of one resource, each with the time at which the watch delivered it.
    pub fn failures(&self, name: &str) -> Vec<(Timestamp, FailureStatus)> {
        let mut failures: Vec<(Timestamp, FailureStatus)> = vec![];
        for (at, status) in self.entries(name) {
            let Some(failure) = status.failure else {
                continue;
            };
            if failures.last().is_none_or(|(_, last)| *last != failure) {
                failures.push((at, failure));
            }
        }
        failures
    }

    /// Asserts that each attempt came no sooner than the one before had announced, and that the
    /// announced backoff is that of the class of the failure. Returns the number of attempts.
    pub fn assert_paced(&self, name: &str, calls: &[Timestamp]) -> usize {
        let failures = self.failures(name);
        for (number, (delivered, failure)) in failures.iter().enumerate() {
            let row = format!("{name}, attempt {}", number + 1);
            assert_eq!(failure.count as usize, number + 1, "{row}");
            let announced = failure.next_attempt.0;
            let doubled = failure.class.shortest_wait() * (1 << number.min(20));
            let full = doubled.min(failure.class.longest_wait());
            // Times in a status are whole seconds.
            let second = SignedDuration::from_secs(1);
            assert!(
                announced >= calls[number] + full * 9 / 10 - second,
                "{row}: called at {}, again at {announced}, not {full:?} later",
                calls[number]
            );
            assert!(
                announced <= *delivered + full + second,
                "{row}: failed by {delivered}, again only at {announced}"
            );
            if let Some(next) = calls.get(number + 1) {
                assert!(*next >= announced, "{row}: called again at {next}, before {announced}");
            }
        }
        failures.len()
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.watch.abort();
    }
}
