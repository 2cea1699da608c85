//! The events about one resource.

use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use tempcred_core::text::one_line;

use crate::commands::terminal::kube::{Connection, Credential};

/// Number of events that are shown: the latest ones.
const SHOWN: usize = 10;

/// Longest note that is shown, in characters.
const LONGEST_NOTE: usize = 400;

/// What is shown of an event.
#[derive(Clone, Debug)]
pub struct Shown {
    /// When it was last seen.
    pub at: Option<Timestamp>,
    /// `Normal` or `Warning`.
    pub type_: String,
    /// The reason.
    pub reason: String,
    /// The text.
    pub note: String,
}

/// The latest events about a resource, or why they cannot be read.
pub async fn about(connection: &Connection, credential: &Credential) -> Result<Vec<Shown>, String> {
    let name = credential.metadata.name.as_deref().unwrap_or_default();
    let api: Api<Event> = Api::namespaced(connection.client.clone(), &connection.namespace);
    let fields = format!("regarding.kind=TemporaryCredential,regarding.name={name}");
    let found = api.list(&ListParams::default().fields(&fields)).await;
    let found = found.map_err(|error| match error {
        kube::Error::Api(status) if status.code == 403 => {
            "you may not list events.k8s.io in this namespace".to_owned()
        }
        _ => "the request for them failed".to_owned(),
    })?;
    // A resource of the same name may have existed before.
    let uid = credential.metadata.uid.as_ref();
    let of_this = |event: &Event| event.regarding.as_ref().is_some_and(|r| r.uid.as_ref() == uid);
    let mut events: Vec<_> = found.items.into_iter().filter(of_this).map(shown).collect();
    events.sort_by_key(|event| event.at);
    let older = events.len().saturating_sub(SHOWN);
    Ok(events.split_off(older))
}

fn shown(event: Event) -> Shown {
    let series = event.series.map(|series| series.last_observed_time.0);
    Shown {
        at: series.or(event.event_time.map(|at| at.0)),
        type_: event.type_.unwrap_or_default(),
        reason: event.reason.unwrap_or_default(),
        note: one_line(&event.note.unwrap_or_default(), LONGEST_NOTE),
    }
}
