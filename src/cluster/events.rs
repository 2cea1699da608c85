//! Events.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType};

use super::client::Cluster;
use super::errors::request;
use tempcred_core::problem::Reason;
use tempcred_core::status::StatusEvent;

impl Cluster {
    /// Publishes an event about a resource. A failure is logged, and does not affect the reconciliation.
    pub async fn publish(&self, about: &ObjectReference, event: StatusEvent) {
        let event = Event {
            type_: if event.warning { EventType::Warning } else { EventType::Normal },
            reason: event.reason.as_str().to_owned(),
            note: Some(event.note),
            action: "Issue".to_owned(),
            secondary: None,
        };
        match request(
            "Publishing an event",
            Reason::ClusterRefused,
            self.recorder.publish(&event, about),
        )
        .await
        {
            Ok(()) => self.metrics.write("event"),
            Err(failed) => {
                tracing::warn!(?failed, reason = event.reason, "cannot publish an event")
            }
        }
    }
}
