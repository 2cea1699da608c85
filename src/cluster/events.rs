//! Events. They are published by a task of their own, so that no credential waits for them, and within a budget.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;

use super::errors::request;
use super::manager::MANAGER;
use crate::telemetry::metrics::Metrics;
use tempcred_core::event_budget::EventBudget;
use tempcred_core::problem::Reason;
use tempcred_core::status::StatusEvent;

/// Number of events that wait for the API server, at most.
const MOST_WAITING: usize = 100;

type About = (ObjectReference, StatusEvent);

/// The events to publish.
pub struct Events {
    waiting: mpsc::Sender<About>,
    budget: Mutex<EventBudget>,
    since: Instant,
    metrics: Arc<Metrics>,
}

impl Events {
    /// The events, and what publishes them. `instance` is the name of this replica.
    pub fn new(
        client: Client,
        instance: Option<String>,
        metrics: Arc<Metrics>,
    ) -> (Self, Publisher) {
        let (waiting, receiver) = mpsc::channel(MOST_WAITING);
        let reporter = Reporter { controller: MANAGER.to_owned(), instance };
        let recorder = Recorder::new(client, reporter);
        let publisher = Publisher { recorder, receiver, metrics: Arc::clone(&metrics) };
        let budget = Mutex::default();
        (Self { waiting, budget, since: Instant::now(), metrics }, publisher)
    }

    /// Publishes an event about a resource soon, or drops it if the budget is used up.
    pub fn publish(&self, about: ObjectReference, event: StatusEvent) {
        let namespace = about.namespace.as_deref().unwrap_or_default();
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        let granted = budget.take(namespace, self.since.elapsed());
        drop(budget);
        if !granted || self.waiting.try_send((about, event)).is_err() {
            self.metrics.event_dropped();
        }
    }
}

/// Publishes events.
pub struct Publisher {
    recorder: Recorder,
    receiver: mpsc::Receiver<About>,
    metrics: Arc<Metrics>,
}

impl Publisher {
    /// Publishes the events, one at a time, until there can be no further ones. Failures are logged.
    pub async fn run(mut self) {
        while let Some((about, event)) = self.receiver.recv().await {
            let event = Event {
                type_: if event.warning { EventType::Warning } else { EventType::Normal },
                reason: event.reason.as_str().to_owned(),
                note: Some(event.note),
                action: "Issue".to_owned(),
                secondary: None,
            };
            let published = self.recorder.publish(&event, &about);
            match request("Publishing an event", Reason::ClusterRefused, published).await {
                Ok(()) => self.metrics.write("event"),
                Err(failed) => {
                    tracing::warn!(?failed, reason = event.reason, "cannot publish an event");
                }
            }
        }
    }
}
