//! A running operator.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::CommandFactory;
use rig::Process;
use tempcred::cli::Cli;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process;
use crate::scene::Scene;

/// Names a binary to measure instead of that of the image.
const BINARY: &str = "TEMPCRED_BINARY";

/// A limit of STS calls per second that has no effect.
pub const STS_RATE: u32 = 10_000;

/// How long the operator may take to start, to come to rest, and to end.
const PATIENCE: Duration = Duration::from_secs(300);

/// Without CPU use for this time, the operator is quiet.
const QUIET: Duration = Duration::from_secs(1);

/// CPU time that does not count: one tick, for timers.
const NEGLIGIBLE: Duration = Duration::from_millis(10);

/// Time between two checks of a condition.
const INTERVAL: Duration = Duration::from_millis(50);

/// The default of `--concurrency`, which is in force.
///
/// # Errors
/// If `tempcred run` has no such default.
pub fn concurrency() -> Result<String> {
    let cli = Cli::command();
    let run = cli.find_subcommand("run").context("there is no tempcred run")?;
    let flag = run.get_arguments().find(|argument| argument.get_id() == "concurrency");
    let default = flag.and_then(|flag| flag.get_default_values().first()?.to_str());
    Ok(default.context("--concurrency has no default")?.to_owned())
}

/// The program to measure.
pub struct Binary(PathBuf);

impl Binary {
    /// That of the environment, or else the static one of the image, which is built.
    pub fn find() -> Result<Self> {
        if let Some(path) = std::env::var_os(BINARY) {
            let path = PathBuf::from(path).canonicalize();
            return Ok(Self(path.with_context(|| format!("{BINARY} names no file"))?));
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let image = root.join("target/scale/image");
        let built = Command::new(root.join(".ci/image-root")).arg(&image).status()?;
        ensure!(built.success(), ".ci/image-root failed");
        Ok(Self(image.join("tempcred")))
    }
}

/// A running operator.
pub struct Operator {
    process: Process,
    address: SocketAddr,
    /// When it was started.
    pub started: Instant,
}

impl Operator {
    /// Starts it, with the default settings except for the limit of STS calls.
    pub async fn start(scene: &Scene, binary: &Binary) -> Result<Self> {
        let kubeconfig = scene.operator_kubeconfig().await?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, rig::free_port()?));
        let mut command = Command::new(&binary.0);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["AWS_", "TEMPCRED_", "OTEL_"].iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        command
            .env("KUBECONFIG", kubeconfig)
            .env("AWS_ACCESS_KEY_ID", "AKIASCALE")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_REGION", "eu-central-1")
            .args(["run", "--sts-endpoint", &scene.sts.url()])
            .args(["--http-addr", &address.to_string(), "--sts-rate", &STS_RATE.to_string()]);
        let started = Instant::now();
        let process = scene.rig.spawn("operator", &mut command)?;
        Ok(Self { process, address, started })
    }

    /// Its process ID.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// A page of its listener.
    pub async fn page(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: scale\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await?;
        let (head, body) = reply.split_once("\r\n\r\n").context("not an HTTP reply")?;
        ensure!(head.starts_with("HTTP/1.1 200 "), "{path}: {}", head.lines().next().unwrap_or(""));
        Ok(body.to_owned())
    }

    /// Waits until its caches are synced and it uses no CPU time. Returns when that began.
    ///
    /// CPU time instead of metrics, because each scrape of thousands of resources would use CPU time and memory.
    pub async fn wait_quiet(&self) -> Result<Instant> {
        let deadline = Instant::now() + PATIENCE;
        let mut ready = false;
        let (mut since, mut used) = (Instant::now(), Duration::ZERO);
        while Instant::now() < deadline {
            ensure!(self.process.is_running(), "the operator ended: {}", self.process.output()?);
            ready = ready || self.page("/readyz").await.is_ok();
            let now = process::cpu(self.pid())?;
            if !ready || now.saturating_sub(used) > NEGLIGIBLE {
                (since, used) = (Instant::now(), now);
            } else if since.elapsed() >= QUIET {
                return Ok(since);
            }
            tokio::time::sleep(INTERVAL).await;
        }
        bail!("the operator is not quiet within {PATIENCE:?}")
    }

    /// Stops it by SIGTERM.
    pub async fn stop(self) -> Result<()> {
        self.process.terminate()?;
        let ended = tokio::task::spawn_blocking(move || self.process.wait(PATIENCE)).await??;
        ensure!(ended.success(), "the operator ended with {ended}");
        Ok(())
    }
}
