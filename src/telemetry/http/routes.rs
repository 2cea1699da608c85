//! The pages of the listener.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use futures::stream;
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::page::Page;
use super::readiness::Readiness;
use crate::telemetry::metrics::Metrics;

/// The content type of `/metrics`.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the pages show.
pub struct Handlers {
    /// Whether the operator is ready.
    pub readiness: Arc<Readiness>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Checks the tokens of requests for `/metrics`. `None` if no token is needed.
    pub access: Option<Access>,
    /// Cancelled when the operator shuts down.
    pub stop: CancellationToken,
}

/// The address of the client, an extension of each request.
#[derive(Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

struct Shared {
    readiness: Arc<Readiness>,
    access: Option<Access>,
    stop: CancellationToken,
    page: Page,
}

/// The routes of the listener.
pub(super) fn router(handlers: Handlers) -> Router {
    let Handlers { readiness, metrics, access, stop } = handlers;
    let page = Page::new(move || metrics.text());
    Router::new()
        // The kubelet sends no token.
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_page))
        .with_state(Arc::new(Shared { readiness, access, stop, page }))
}

async fn readyz(State(shared): State<Arc<Shared>>) -> (StatusCode, &'static str) {
    if shared.stop.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n")
    } else if shared.readiness.is_ready() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "waiting for the caches to sync\n")
    }
}

async fn metrics_page(
    State(shared): State<Arc<Shared>>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    if let Some(access) = &shared.access
        && let Err(denial) = access.check(peer, &headers).await
    {
        return denial.into_response();
    }
    let text = shared.page.text().await;
    let length: usize = text.iter().map(Bytes::len).sum();
    let headers = [(CONTENT_TYPE, OPENMETRICS.to_owned()), (CONTENT_LENGTH, length.to_string())];
    // The text is in use until the last part is sent.
    let parts = (0..text.len()).map(move |part| Ok::<_, Infallible>(text[part].clone()));
    (headers, Body::from_stream(stream::iter(parts))).into_response()
}
