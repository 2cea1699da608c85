//! The one HTTP listener: `/livez`, `/readyz` and `/metrics`.

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

/// How many of the caches have synced; the operator is ready when all have.
#[derive(Default)]
pub struct Readiness {
    wanted: AtomicUsize,
    synced: AtomicUsize,
}

impl Readiness {
    /// Sets the number of caches.
    pub fn expect(&self, caches: usize) {
        self.wanted.store(caches, Ordering::Release);
    }

    /// One more cache is synced.
    pub fn synced(&self) {
        self.synced.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether all caches are synced.
    pub fn is_ready(&self) -> bool {
        let wanted = self.wanted.load(Ordering::Acquire);
        wanted > 0 && self.synced.load(Ordering::Acquire) >= wanted
    }
}

/// What the listener serves from.
#[derive(Clone)]
pub struct Answers {
    /// Whether the operator is ready.
    pub readiness: Arc<Readiness>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Cancelled when the operator shuts down.
    pub stop: CancellationToken,
}

/// Listens on `address` (port 0 takes a free one) and answers until the runtime ends.
///
/// # Errors
/// If the address cannot be listened on.
pub async fn serve(address: SocketAddr, answers: Answers) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "serving /livez, /readyz and /metrics");
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(answers);
    tokio::spawn(axum::serve(listener, router).into_future());
    Ok(())
}

async fn readyz(State(answers): State<Answers>) -> (StatusCode, &'static str) {
    if answers.stop.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n")
    } else if answers.readiness.is_ready() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "waiting for the caches to sync\n")
    }
}

async fn metrics(State(answers): State<Answers>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], answers.metrics.text())
}
