//! Accepts connections, and serves one request on each of them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tower::util::ServiceExt;

use super::certificates::Certificates;
use super::connections::{Connections, MOST};
use super::routes::{Handlers, Peer, router};

/// Timeout for the TLS handshake, and for the headers of the request.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(5);

/// Timeout for everything on a connection. Prometheus waits 10 s for a scrape by default.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(15);

/// Size of the buffer of a connection, and so of the headers of a request: enough for any token.
const BUFFER: usize = 16 * 1024;

/// Length of the queue of connections that the kernel has accepted.
const BACKLOG: u32 = 4096;

/// Wait after the kernel could not accept a connection, for example because there are too many open files.
const WAIT_AFTER_ERROR: Duration = Duration::from_millis(50);

/// How many connections may exist that were closed, but whose sockets are not yet. Without a limit, accepting
/// connections would take all the time of the thread, and sockets would accumulate.
const CLOSING: usize = 64;

type Open = Arc<Mutex<Connections<AbortHandle>>>;

/// Binds `address` (port 0 selects a free port) and serves requests until the process ends, with TLS if there are
/// certificates.
///
/// # Errors
/// If the address cannot be bound.
pub async fn serve(
    address: SocketAddr,
    certificates: Option<Certificates>,
    handlers: Handlers,
) -> io::Result<()> {
    let (report, bound) = oneshot::channel();
    thread::Builder::new().name("http".to_owned()).spawn(
        move || match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(run(address, report, certificates, handlers)),
            Err(error) => drop(report.send(Err(error))),
        },
    )?;
    let address = bound.await.map_err(io::Error::other)??;
    tracing::info!(%address, "serving /livez, /readyz and /metrics");
    Ok(())
}

/// Reports the bound address, and accepts connections.
async fn run(
    address: SocketAddr,
    report: oneshot::Sender<io::Result<SocketAddr>>,
    certificates: Option<Certificates>,
    handlers: Handlers,
) {
    match bind(address) {
        Ok(listener) => {
            // If this fails, the caller does not wait any more.
            if report.send(listener.local_addr()).is_ok() {
                accept(listener, certificates, router(handlers)).await;
            }
        }
        Err(error) => drop(report.send(Err(error))),
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: TcpListener, certificates: Option<Certificates>, router: Router) {
    let open = Open::default();
    let sockets = Arc::new(Semaphore::new(MOST + CLOSING));
    // It is never closed.
    while let Ok(socket) = Arc::clone(&sockets).acquire_owned().await {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(_) => {
                sleep(WAIT_AFTER_ERROR).await;
                continue;
            }
        };
        let peer = address.ip();
        let mut connections = open.lock().unwrap_or_else(PoisonError::into_inner);
        let closed = connections.add(peer, Instant::now(), |id| {
            let acceptor = certificates.as_ref().map(Certificates::acceptor);
            let ended = Ended { open: Arc::clone(&open), peer, id, _socket: socket };
            let router = router.clone();
            let served = async move {
                let _ended = ended;
                let _ = stream.set_nodelay(true);
                let served = serve_one(stream, peer, acceptor, router);
                let _ = timeout(CONNECTION_TIMEOUT, served).await;
            };
            tokio::spawn(served).abort_handle()
        });
        drop(connections);
        if let Some(closed) = closed {
            closed.abort();
        }
    }
}

/// Removes a connection when it has ended, however it ended.
struct Ended {
    open: Open,
    peer: IpAddr,
    id: u64,
    _socket: OwnedSemaphorePermit,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(self.peer, self.id);
    }
}

/// Serves one request. Errors are those of the client, so they are not reported.
async fn serve_one(
    stream: TcpStream,
    peer: IpAddr,
    acceptor: Option<tokio_rustls::TlsAcceptor>,
    router: Router,
) {
    match acceptor {
        None => request(stream, peer, router).await,
        Some(acceptor) => {
            if let Ok(Ok(stream)) = timeout(HEADERS_TIMEOUT, acceptor.accept(stream)).await {
                request(stream, peer, router).await;
            }
        }
    }
}

async fn request(stream: impl AsyncRead + AsyncWrite + Unpin, peer: IpAddr, router: Router) {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIMEOUT)
        // One request for each connection: an idle connection would hold its place, and the last request in its buffer.
        .keep_alive(false)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let _ = connection.await;
}
