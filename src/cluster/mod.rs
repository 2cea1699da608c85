//! The Kubernetes API: what tempcred reads from it and writes to it. No decisions are made here.

mod errors;
mod events;
mod grants;
mod secrets;
mod sources;
mod status;
pub mod watch;

use std::sync::Arc;
use std::time::Duration;

use axum::http::Request;
use axum::http::header::{CONNECTION, HeaderValue};
use kube::client::{Body, ClientBuilder};
use kube::runtime::events::{Recorder, Reporter};
use kube::{Client, Config};
use tower::util::MapRequestLayer;

pub use errors::Failed;

use crate::metrics::Metrics;

/// Name under which tempcred owns fields and reports events.
const MANAGER: &str = "tempcred";

/// How long one request may take. Longer than the API server's own limit for ordinary requests
/// would only hide that it hangs.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// The Kubernetes API.
pub struct Cluster {
    client: Client,
    values: Client,
    recorder: Recorder,
    metrics: Arc<Metrics>,
}

impl Cluster {
    /// Speaks through `client`, and through `values` where a reply holds values; `instance` tells this
    /// process from its replicas in events.
    pub fn new(
        client: Client,
        values: Client,
        instance: Option<String>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let reporter = Reporter { controller: MANAGER.to_owned(), instance };
        Self { recorder: Recorder::new(client.clone(), reporter), client, values, metrics }
    }
}

/// A client for requests whose replies hold values: a connection ends with its reply. One that is kept for
/// the next request keeps the last reply in its buffers, decrypted, for as long as it idles.
///
/// # Errors
/// If the cluster cannot be used.
pub fn client_for_values(config: Config) -> kube::Result<Client> {
    let close = MapRequestLayer::new(|mut request: Request<Body>| {
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        request
    });
    Ok(ClientBuilder::try_from(config)?.with_layer(&close).build())
}
