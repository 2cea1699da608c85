//! A connection to the API server that can be cut.

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener, ToSocketAddrs};

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::background::Background;

/// A TCP proxy for one client of the API server, so that a test can disconnect
/// this client alone.
///
/// ```no_run
/// # let rig = rig::Rig::start()?;
/// let proxy = rig::Proxy::to(rig.server())?;
/// let kubeconfig = rig.kubeconfig_for(rig.operator(), Some(&proxy.url()))?;
/// proxy.cut();
/// proxy.restore();
/// # anyhow::Ok(())
/// ```
pub struct Proxy {
    address: SocketAddr,
    open: watch::Sender<bool>,
    _thread: Background,
}

impl Proxy {
    /// A proxy to `server`: `https://HOST:PORT` or `HOST:PORT`.
    pub fn to(server: &str) -> Result<Self> {
        let target = server.split("://").last().unwrap_or(server).trim_end_matches('/');
        let target = target.to_socket_addrs().ok().and_then(|mut all| all.next());
        let target = target.with_context(|| format!("{server} has no host and port"))?;
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (open, watched) = watch::channel(true);
        let thread = Background::start("rig-proxy", move || serve(listener, target, watched))?;
        Ok(Self { address, open, _thread: thread })
    }

    /// `https://127.0.0.1:PORT`, for a kubeconfig.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Resets all connections, and new ones as they come.
    pub fn cut(&self) {
        self.open.send_replace(false);
    }

    /// Lets new connections through again.
    pub fn restore(&self) {
        self.open.send_replace(true);
    }
}

async fn serve(listener: StdListener, target: SocketAddr, open: watch::Receiver<bool>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    loop {
        // Accepting fails when a client has gone already; the next may not have.
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        tokio::task::spawn_local(carry(client, target, open.clone()));
    }
}

async fn carry(mut client: TcpStream, target: SocketAddr, mut open: watch::Receiver<bool>) {
    let cut = async {
        // An error means that the proxy was dropped, so the connection ends, too.
        let _ = open.wait_for(|open| !open).await;
    };
    let talk = async {
        if let Ok(mut server) = TcpStream::connect(target).await {
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        }
    };
    tokio::select! {
        biased;
        () = cut => {}
        () = talk => return,
    }
    // A reset rather than an orderly end, as of a broken connection.
    let _ = client.set_zero_linger();
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::TcpStream;
    use std::time::Duration;

    use anyhow::ensure;

    use super::*;

    #[test]
    fn a_cut_resets_open_and_new_connections_until_it_is_restored() -> Result<()> {
        let echo = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let target = echo.local_addr()?.to_string();
        std::thread::spawn(move || {
            for stream in echo.incoming().flatten() {
                std::thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
            }
        });
        let proxy = Proxy::to(&target)?;
        let connect = || -> Result<TcpStream> {
            let stream = TcpStream::connect(proxy.address)?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            Ok(stream)
        };
        let echoes = |mut stream: &TcpStream| -> std::io::Result<()> {
            stream.write_all(b"x")?;
            stream.read_exact(&mut [0])
        };
        let broken = |stream: &TcpStream| {
            let kind = echoes(stream).map_err(|error| error.kind());
            let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
            kind.is_err_and(|kind| kinds.contains(&kind))
        };
        let open = connect()?;
        echoes(&open)?;
        proxy.cut();
        let kind = (&open).read(&mut [0]).map_err(|error| error.kind());
        ensure!(kind == Err(ErrorKind::ConnectionReset), "{kind:?}");
        ensure!(broken(&connect()?));
        proxy.restore();
        Ok(echoes(&connect()?)?)
    }
}
