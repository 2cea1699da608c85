//! The one HTTP listener: `/livez`, `/readyz` and `/metrics`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::controller::Readiness;
use crate::metrics::Metrics;

/// What the listener answers from.
#[derive(Clone)]
pub struct Answers {
    /// Whether the operator is ready.
    pub readiness: Arc<Readiness>,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    /// Cancelled when it is about to end.
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
        (StatusCode::SERVICE_UNAVAILABLE, "waiting for the first list of resources and Secrets\n")
    }
}

async fn metrics(State(answers): State<Answers>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], answers.metrics.text())
}
