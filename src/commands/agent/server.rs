//! Accepts connections, within limits.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::answer::Agent;

/// Most open connections. Further ones wait in the queue of the kernel.
const MOST: usize = 64;

/// Timeout for the headers of a request.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(5);

/// Timeout for everything on a connection.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Size of the buffer of a connection, and so of the headers of a request: enough for any token.
const BUFFER: usize = 16 * 1024;

/// Wait after the kernel could not accept a connection, for example because there are too many open files.
const WAIT_AFTER_ERROR: Duration = Duration::from_millis(50);

/// How long requests may take that are in progress when the agent stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves requests until `stop` is cancelled, then completes those in progress.
pub(crate) async fn serve(listener: TcpListener, agent: Arc<Agent>, stop: CancellationToken) {
    let mut open = JoinSet::new();
    loop {
        // Connections that have ended make room.
        while open.try_join_next().is_some() {}
        tokio::select! {
            () = stop.cancelled() => break,
            _ = open.join_next(), if open.len() >= MOST => {}
            accepted = listener.accept(), if open.len() < MOST => match accepted {
                Ok((stream, _)) => {
                    let one = serve_one(stream, Arc::clone(&agent));
                    open.spawn(timeout(CONNECTION_TIMEOUT, one));
                }
                Err(_) => sleep(WAIT_AFTER_ERROR).await,
            },
        }
    }
    drop(listener);
    let _ = timeout(SHUTDOWN_TIMEOUT, async { while open.join_next().await.is_some() {} }).await;
}

/// Serves one request. Errors are those of the client, so they are not reported.
async fn serve_one(stream: TcpStream, agent: Arc<Agent>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let agent = Arc::clone(&agent);
        async move { Ok::<_, std::convert::Infallible>(agent.answer(&request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIMEOUT)
        // One request for each connection: the buffer of an idle one would contain the last reply.
        .keep_alive(false)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let _ = connection.await;
}
