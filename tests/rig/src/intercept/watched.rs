//! The events of a watch on their way to the process.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use hyper::body::{Bytes, Incoming};
use serde::Deserialize;
use serde_json::json;

use super::director::{Change, Director, Echo};

type Out = Sender<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// The body of a watch.
pub(super) type Body = Channel<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// What is read of an event.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: String,
    namespace: String,
    resource_version: String,
}

/// Passes on the events of `incoming`, unless the director decides otherwise. None for a watch without events.
pub(super) fn pass_on(
    resource: String,
    incoming: Option<Incoming>,
    director: Arc<Director>,
) -> Body {
    let (mut out, body) = Channel::new(64);
    tokio::task::spawn_local(async move {
        if let Err(error) = carry(&resource, incoming, &director, &mut out).await {
            out.abort(error.into());
        }
    });
    body
}

/// An event that says that the watch is too old.
fn expired() -> Bytes {
    let status = json!({"type": "ERROR", "object": {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "too old resource version", "reason": "Expired", "code": 410,
    }});
    Bytes::from(format!("{status}\n"))
}

async fn carry(
    resource: &str,
    incoming: Option<Incoming>,
    director: &Director,
    out: &mut Out,
) -> Result<()> {
    let mut flow = director.flow.subscribe();
    let begin = flow.borrow_and_update().cuts;
    let events = async {
        let Some(mut incoming) = incoming else {
            std::future::pending::<()>().await;
            return Ok(());
        };
        let mut buffer = Vec::new();
        while let Some(frame) = incoming.frame().await {
            if let Ok(data) = frame?.into_data() {
                buffer.extend_from_slice(&data);
            }
            while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<_> = buffer.drain(..=end).collect();
                event(resource, Bytes::from(line), director, out).await?;
            }
        }
        anyhow::Ok(())
    };
    let cut = async {
        // An error means that the interceptor was dropped.
        let _ = flow.wait_for(|flow| flow.cuts != begin).await;
    };
    tokio::select! {
        biased;
        () = cut => {
            if director.flow.borrow().expired {
                out.send_data(expired()).await?;
                return Ok(());
            }
            Err(anyhow!("the watch was cut"))
        }
        ended = events => ended,
    }
}

async fn event(resource: &str, line: Bytes, director: &Director, out: &mut Out) -> Result<()> {
    let mut flow = director.flow.subscribe();
    let (kind, object) = serde_json::from_slice::<Event>(&line)
        .map_or_else(|_| Default::default(), |event| (event.kind, event.object.metadata));
    let Metadata { name, namespace, resource_version } = object;
    let change = match kind.as_str() {
        "DELETED" => {
            Change::Deletion { resource: resource.to_owned(), namespace, name: name.clone() }
        }
        _ => Change::Version(resource_version),
    };
    loop {
        let seen = *flow.borrow_and_update();
        if !seen.stalled {
            match director.echo(resource, &name, &change) {
                Echo::Pass => break,
                Echo::Hide => return Ok(()),
                Echo::Delay(delay) => {
                    tokio::time::sleep(delay).await;
                    break;
                }
                Echo::Wait => {}
            }
        }
        flow.changed().await?;
    }
    out.send_data(line).await?;
    Ok(())
}
