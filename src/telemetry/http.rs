//! The HTTP listener for `/livez`, `/readyz` and `/metrics`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::metrics::Metrics;

/// Counts the synced caches. The operator is ready when all caches are synced.
#[derive(Default)]
pub struct Readiness {
    expected: AtomicUsize,
    synced: AtomicUsize,
}

impl Readiness {
    /// Sets the number of caches.
    pub fn expect(&self, caches: usize) {
        self.expected.store(caches, Ordering::Release);
    }

    /// Counts one more synced cache.
    pub fn synced(&self) {
        self.synced.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether all caches are synced.
    pub fn is_ready(&self) -> bool {
        let expected = self.expected.load(Ordering::Acquire);
        expected > 0 && self.synced.load(Ordering::Acquire) >= expected
    }
}

/// The state that the handlers share.
#[derive(Clone)]
pub struct HandlerState {
    /// Whether the operator is ready.
    pub readiness: Arc<Readiness>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Cancelled when the operator shuts down.
    pub stop: CancellationToken,
}

/// Binds `address` (port 0 selects a free port) and serves requests until the runtime ends.
///
/// # Errors
/// If the address cannot be bound.
pub async fn serve(address: SocketAddr, state: HandlerState) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "serving /livez, /readyz and /metrics");
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(state);
    tokio::spawn(axum::serve(listener, router).into_future());
    Ok(())
}

async fn readyz(State(state): State<HandlerState>) -> (StatusCode, &'static str) {
    if state.stop.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n")
    } else if state.readiness.is_ready() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "waiting for the caches to sync\n")
    }
}

async fn metrics(State(state): State<HandlerState>) -> impl IntoResponse {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], state.metrics.text())
}
