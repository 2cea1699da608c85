//! A running operator, and how a test controls it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use rig::{Process, Rig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::check::wait_until;
use crate::world::SOON;

/// The operator: that of this build, unless the environment names another one.
pub fn binary() -> PathBuf {
    let other = std::env::var_os("TEMPCRED_BINARY");
    other.map_or_else(|| env!("CARGO_BIN_EXE_tempcred").into(), PathBuf::from)
}

/// Access key of the operator's own identity.
pub const OPERATOR_KEY: &str = "AKIAOPERATOR00000001";

/// Secret key of the operator's own identity.
pub const OPERATOR_SECRET: &str = "operatorSecretKeyThatNobodyMayEverSee123";

/// How an operator is started.
pub struct Launch {
    pub rig: &'static Rig,
    /// The name of its log.
    pub name: String,
    pub flags: Vec<String>,
    /// Variables over those that every operator gets; `None` removes one.
    pub environment: BTreeMap<&'static str, Option<String>>,
}

impl Launch {
    /// Starts it with this kubeconfig, and waits until it listens.
    pub async fn start(&self, kubeconfig: PathBuf) -> Operator {
        let operator = self.spawn(kubeconfig);
        let process = &operator.process;
        wait_until("the operator listens", SOON, || async {
            assert!(process.is_running(), "the operator ended: {}", process.output().unwrap());
            TcpStream::connect(operator.address).await.ok()
        })
        .await;
        operator
    }

    /// Starts it, and does not wait.
    pub fn spawn(&self, kubeconfig: PathBuf) -> Operator {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, rig::free_port().unwrap()));
        let mut command = Command::new(binary());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AWS_")
                || name.to_string_lossy().starts_with("TEMPCRED_")
            {
                command.env_remove(name);
            }
        }
        command
            .env("KUBECONFIG", kubeconfig)
            .env("AWS_ACCESS_KEY_ID", OPERATOR_KEY)
            .env("AWS_SECRET_ACCESS_KEY", OPERATOR_SECRET)
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .args(["run", "--http-addr", &address.to_string()])
            .args(&self.flags);
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let process = self.rig.spawn(&self.name, &mut command).unwrap();
        Operator { process, address }
    }
}

/// A page of a listener; empty if it does not reply.
pub async fn get(address: SocketAddr, path: &str) -> String {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
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
        self.metric_where(name, |_| true).await
    }

    /// The sum of the series of a metric whose labels are chosen.
    pub async fn metric_where(&self, name: &str, chosen: impl Fn(&str) -> bool) -> Option<f64> {
        let text = self.http("/metrics").await;
        let value = |line: &str| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = rest.starts_with([' ', '{']).then_some(rest)?.rsplit_once(' ')?;
            chosen(labels).then(|| value.parse::<f64>().ok())?
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
