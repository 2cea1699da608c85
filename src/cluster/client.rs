//! The clients of the Kubernetes API.

use std::sync::Arc;

use axum::http::Request;
use axum::http::header::{CONNECTION, HeaderValue};
use kube::client::{Body, ClientBuilder};
use kube::runtime::events::{Recorder, Reporter};
use kube::{Client, Config};
use tokio::sync::OnceCell;
use tower::util::MapRequestLayer;

use crate::telemetry::metrics::Metrics;

/// The field manager of tempcred, and the reporting controller of its events.
pub(super) const MANAGER: &str = "tempcred";

/// Access to the Kubernetes API.
pub struct Cluster {
    pub(super) client: Client,
    /// The client for requests whose replies contain secret values.
    pub(super) values: Client,
    pub(super) recorder: Recorder,
    pub(super) metrics: Arc<Metrics>,
    /// The user name of the operator, when it is known.
    pub(super) user: OnceCell<String>,
}

impl Cluster {
    /// Uses `values` for requests whose replies contain secret values, and `client` for all others. `instance` is the
    /// name of this replica in events.
    pub fn new(
        client: Client,
        values: Client,
        instance: Option<String>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let reporter = Reporter { controller: MANAGER.to_owned(), instance };
        let recorder = Recorder::new(client.clone(), reporter);
        Self { recorder, client, values, metrics, user: OnceCell::new() }
    }
}

/// A client for requests whose replies contain secret values. It closes each connection after the reply: an idle
/// connection would keep the last reply in its buffers, decrypted.
///
/// # Errors
/// If the configuration is invalid.
pub fn client_for_values(config: Config) -> kube::Result<Client> {
    let close = MapRequestLayer::new(|mut request: Request<Body>| {
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        request
    });
    Ok(ClientBuilder::try_from(config)?.with_layer(&close).build())
}
