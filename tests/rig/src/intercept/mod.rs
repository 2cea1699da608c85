//! Stands between a process and its peers, the API server and STS: it knows every request that has an effect, and can
//! make any of them fail in any way.
//!
//! The process talks plain HTTP to it. It numbers the effects in the order of their arrival, so a test that has seen
//! the effects of a run can repeat the run with a fault at each of them.

mod answer;
mod call;
mod director;
mod past;
mod upstream;
mod watched;

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;

use anyhow::{Context, Result};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustix::process::Pid;
use tokio::net::TcpListener;

use crate::background::Background;
use crate::rig::Rig;
use answer::Shared;
pub use call::{Call, Peer};
use director::Director;
pub use director::{Choose, Effect, Fault};
use past::Past;
use upstream::Upstream;

/// Stands between a process and its peers.
pub struct Interceptor {
    api: SocketAddr,
    sts: SocketAddr,
    server: String,
    ca: Option<Vec<u8>>,
    shared: Arc<Shared>,
    _thread: Background,
}

impl Interceptor {
    /// Starts it before the API server of `rig`, and before STS at this URL.
    ///
    /// # Errors
    /// If it cannot listen, or the certificate of the API server cannot be read.
    pub fn start(rig: &Rig, sts: &str) -> Result<Self> {
        let (server, ca) = (rig.server().to_owned(), rig.ca_pem()?);
        let listen = || -> Result<_> {
            let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listener.set_nonblocking(true)?;
            Ok((listener.local_addr()?, listener))
        };
        let ((api, api_listener), (sts_address, sts_listener)) = (listen()?, listen()?);
        let shared = Arc::new(Shared {
            director: Arc::new(Director::new()),
            past: Past::default(),
            api: Upstream::new(&server, ca.as_deref())?,
            sts: Upstream::new(sts, None)?,
        });
        let theirs = Arc::clone(&shared);
        let thread = Background::start("rig-interceptor", move || async move {
            tokio::join!(
                serve(api_listener, Peer::Api, Arc::clone(&theirs)),
                serve(sts_listener, Peer::Sts, theirs),
            );
        })?;
        Ok(Self { api, sts: sts_address, server, ca, shared, _thread: thread })
    }

    /// The API server, for a kubeconfig: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("http://{}", self.api)
    }

    /// STS: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn sts_url(&self) -> String {
        format!("http://{}", self.sts)
    }

    /// The process that faults kill, with its process group. It is killed once.
    pub fn process(&self, pid: u32) {
        self.shared.director.process(i32::try_from(pid).ok().and_then(Pid::from_raw));
    }

    /// The process is about to start: its next lists fill its caches.
    pub fn before_start(&self) {
        self.shared.past.fill_caches();
    }

    /// From now on, `choose` decides which fault happens to each effect.
    pub fn choose(&self, choose: Choose) {
        self.shared.director.choose(choose);
    }

    /// All effects so far, in the order of their arrival.
    #[must_use]
    pub fn effects(&self) -> Vec<Effect> {
        self.shared.director.effects()
    }

    /// How often a fault has killed the process.
    #[must_use]
    pub fn kills(&self) -> usize {
        self.shared.director.kills()
    }

    /// Ends all watches, as a broken connection does.
    pub fn cut_watches(&self) {
        self.shared.end_watches(false);
    }

    /// Ends all watches with 410, so that the process lists again.
    pub fn expire_watches(&self) {
        self.shared.end_watches(true);
    }

    /// Whether the events of all watches wait.
    pub fn stall_watches(&self, stalled: bool) {
        self.shared.director.flow.send_modify(|flow| flow.stalled = stalled);
    }

    /// From now on, watches and the lists that fill caches show the present time as a stale API server does, while writes
    /// succeed. With `single_objects`, all lists and the reads of single objects show it too; a real API server reads
    /// them from etcd.
    ///
    /// Only lists are known that the process has requested before.
    ///
    /// # Errors
    /// If a list cannot be read.
    pub async fn freeze(&self, single_objects: bool) -> Result<()> {
        self.stall_watches(true);
        // Connections belong to a runtime, and that of the caller is another one.
        let upstream = Upstream::new(&self.server, self.ca.as_deref())?;
        self.shared.past.freeze(&upstream, single_objects).await
    }

    /// Shows the present again. Watches end, and begin again where they were.
    pub fn thaw(&self) {
        self.shared.past.thaw();
        self.cut_watches();
        self.stall_watches(false);
    }
}

async fn serve(listener: StdListener, peer: Peer, shared: Arc<Shared>) {
    let Ok(listener) = TcpListener::from_std(listener).context("cannot listen") else {
        return;
    };
    loop {
        // Accepting fails when a client has gone already; the next may not have.
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::task::spawn_local(async move {
            let service =
                service_fn(move |request| answer::answer(Arc::clone(&shared), peer, request));
            // A fault ends the connection.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
