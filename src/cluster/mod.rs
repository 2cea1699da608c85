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

use kube::Client;
use kube::runtime::events::{Recorder, Reporter};

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
    recorder: Recorder,
    metrics: Arc<Metrics>,
}

impl Cluster {
    /// Speaks through `client`; `instance` tells this process from its replicas in events.
    pub fn new(client: Client, instance: Option<String>, metrics: Arc<Metrics>) -> Self {
        let reporter = Reporter { controller: MANAGER.to_owned(), instance };
        Self { recorder: Recorder::new(client.clone(), reporter), client, metrics }
    }
}
