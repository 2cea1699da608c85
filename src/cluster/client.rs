//! The clients of the Kubernetes API.

use std::sync::Arc;

use axum::http::header::{ACCEPT, CONNECTION, HeaderValue};
use axum::http::{Request, Response};
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use tokio::sync::{OnceCell, Semaphore};
use tower::util::MapRequestLayer;

use super::events::Events;
use crate::telemetry::metrics::Metrics;

/// Access to the Kubernetes API.
pub struct Cluster {
    pub(super) client: Client,
    /// The client for requests whose replies contain secret values.
    pub(super) values: Client,
    /// The events about resources.
    pub events: Events,
    pub(super) metrics: Arc<Metrics>,
    /// The user name of the operator, when it is known.
    pub(super) user: OnceCell<String>,
}

impl Cluster {
    /// Access through these clients: one for replies with secret values, and one for others.
    pub fn new(client: Client, values: Client, events: Events, metrics: Arc<Metrics>) -> Self {
        Self { client, values, events, metrics, user: OnceCell::new() }
    }
}

/// Number of requests at the same time whose replies contain secret values. Each opens a connection of its own.
const VALUE_REQUESTS: usize = 4;

/// Number of other requests at the same time, at least. With one, each would wait for all earlier ones.
const LEAST_REQUESTS: usize = 2;

/// Number of requests at the same time whose replies contain no secret values. A connection that is opened just before
/// another one becomes idle also stays open, so each may take two connections. More of them are not faster.
fn requests_at_once(connections: u16) -> usize {
    usize::from(connections.saturating_sub(1) / 2).max(LEAST_REQUESTS)
}

/// The clients of the Kubernetes API. For a single scope, with five watches, they have at most `connections` + 8 connections,
/// if `connections` is at least 5.
///
/// # Errors
/// If the configuration is invalid.
pub fn clients(config: Config, connections: u16) -> kube::Result<Clients> {
    let watches = Client::try_from(config.clone())?;
    let client = bounded(Client::try_from(config.clone())?, requests_at_once(connections));
    // Each connection is closed after the reply: an idle connection would keep the last reply in its buffers, decrypted.
    let close = MapRequestLayer::new(|mut request: Request<Body>| {
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        request
    });
    let values = ClientBuilder::try_from(config)?.with_layer(&close).build();
    Ok(Clients { watches, client, values: bounded(values, VALUE_REQUESTS) })
}

/// The clients of the Kubernetes API.
pub struct Clients {
    /// For lists and watches.
    pub watches: Client,
    /// For other requests whose replies contain no secret values.
    pub client: Client,
    /// For requests whose replies contain secret values.
    pub values: Client,
}

/// A client that makes at most `most` requests at the same time. A request lasts until its reply has been read: before, its
/// connection serves no other request. It cannot watch.
fn bounded(client: Client, most: usize) -> Client {
    let namespace = client.default_namespace().to_owned();
    let permits = Arc::new(Semaphore::new(most));
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, permits) = (client.clone(), Arc::clone(&permits));
        async move {
            // The semaphore is never closed.
            let _permit = permits.acquire().await;
            let (head, body) = client.send(request).await?.into_parts();
            let body = body.collect_bytes().await?;
            Ok::<_, kube::Error>(Response::from_parts(head, Body::from(body)))
        }
    });
    Client::new(service, namespace)
}

/// A request whose reply contains only the metadata of an object.
pub(super) fn for_metadata(mut request: Request<Vec<u8>>) -> Request<Vec<u8>> {
    const METADATA: HeaderValue =
        HeaderValue::from_static("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
    request.headers_mut().insert(ACCEPT, METADATA);
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_leave_connections_for_the_watches_and_never_wait_for_all_others() {
        const WATCHES: usize = 5;
        for connections in 1..1000 {
            let requests = requests_at_once(connections);
            assert!(requests >= 2, "{connections}");
            let most = WATCHES + VALUE_REQUESTS + 2 * requests;
            assert!(most <= usize::from(connections.max(5)) + 8, "{connections}: {most}");
        }
        assert_eq!([8, 96].map(requests_at_once), [3, 47]);
    }
}
