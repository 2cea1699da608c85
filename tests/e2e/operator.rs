//! A running operator, and how a test controls it.

use std::net::SocketAddr;
use std::process::ExitStatus;

use rig::Process;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::check::wait_until;
use crate::world::SOON;

/// A page of a listener; empty if it does not reply.
pub async fn get(address: SocketAddr, path: &str) -> String {
    let ask = async {
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await?;
        std::io::Result::Ok(reply)
    };
    let reply = ask.await.unwrap_or_default();
    reply.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned())
}

/// A running operator.
pub struct Operator {
    pub process: Process,
    pub address: SocketAddr,
}

impl Operator {
    /// What it has logged so far. Do not wait for a line: its content shows elsewhere, too.
    pub fn log(&self) -> String {
        self.process.output().unwrap()
    }

    /// A page of its listener; empty if it does not reply.
    pub async fn http(&self, path: &str) -> String {
        get(self.address, path).await
    }

    /// The value of a metric, summed over its labels; none before it is exported.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let text = self.http("/metrics").await;
        let value = |line: &str| {
            let rest = line.strip_prefix(name)?;
            let (_, value) = rest.starts_with([' ', '{']).then_some(rest)?.rsplit_once(' ')?;
            value.parse::<f64>().ok()
        };
        text.lines().filter_map(value).reduce(|sum, value| sum + value)
    }

    /// Waits until its caches are synced.
    pub async fn wait_until_ready(&self) {
        wait_until("the operator is ready", SOON, || async {
            self.http("/readyz").await.starts_with("ok").then_some(())
        })
        .await;
    }

    /// Kills it without a signal that it could handle.
    pub fn kill(self) {
        self.process.kill().unwrap();
        self.process.wait(SOON).unwrap();
    }

    /// Stops it by SIGTERM.
    pub fn stop(self) -> ExitStatus {
        self.process.terminate().unwrap();
        self.process.wait(SOON).unwrap()
    }
}
