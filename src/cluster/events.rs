//! Events.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType};

use super::Cluster;
use super::errors::request;
use crate::notice::Notice;
use crate::reason::Reason;

impl Cluster {
    /// Publishes a notice about a resource. A failure to do so is logged and changes nothing else.
    pub async fn publish(&self, about: &ObjectReference, notice: Notice) {
        let event = Event {
            type_: if notice.warning { EventType::Warning } else { EventType::Normal },
            reason: notice.reason,
            note: Some(notice.note),
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
                tracing::warn!(?failed, reason = event.reason, "could not publish an event")
            }
        }
    }
}
