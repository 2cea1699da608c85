//! `tempcred agent`: it serves the current content of mounted files, to local clients only.

mod flags;
mod process;
mod program;
mod protocol;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::{SignedDuration, Timestamp};
use rig::{Mount, Process};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{SOON, binary, rig, wait_until};

/// Variables that could change what a command does.
const SETTINGS: [&str; 4] = ["TEMPCRED_", "AWS_", "HTTP_PROXY", "http_proxy"];

/// A command without settings of the machine.
pub fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if SETTINGS.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command
}

/// A running agent.
pub struct Agent {
    pub process: Process,
    pub address: SocketAddr,
}

/// A reply of the agent.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Agent {
    /// Starts an agent with these flags, and waits until it listens.
    pub async fn start(flags: &[String]) -> Self {
        Self::of(&binary(), flags).await
    }

    /// Starts this program as an agent.
    async fn of(program: &Path, flags: &[String]) -> Self {
        let rig = tokio::task::spawn_blocking(rig).await.unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], rig::free_port().unwrap()));
        let mut command = clean(program);
        command.arg("agent").args(flags).arg(format!("--listen={address}"));
        let process = rig.spawn(&format!("agent-{}", unique()), &mut command).unwrap();
        wait_until("the agent listens", SOON, || async {
            assert!(process.is_running(), "{}", process.output().unwrap());
            TcpStream::connect(address).await.ok()
        })
        .await;
        Self { process, address }
    }

    /// Requests a path as an SDK does.
    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[("Host", &self.address.to_string())]).await
    }

    /// Sends a request with exactly these headers.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = format!("{method} {path} HTTP/1.1\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(format!("{request}\r\n").as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }
}

/// A mount without content, in a folder of its own.
pub async fn mount(name: &'static str) -> Mount {
    tokio::task::spawn_blocking(move || {
        Mount::new(&rig().dir().join(format!("mount-{}", unique())).join(name)).unwrap()
    })
    .await
    .unwrap()
}

/// A number that no other test has.
pub fn unique() -> usize {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// A time from now, in whole seconds as STS returns it.
pub fn after(wait: SignedDuration) -> Timestamp {
    Timestamp::from_second((Timestamp::now() + wait).as_second()).unwrap()
}

/// What tempcred writes to `credentials.json`.
pub fn credentials(key: &str, expiration: Timestamp) -> Value {
    json!({
        "Version": 1,
        "AccessKeyId": key,
        "SecretAccessKey": rig::sts::secret_for(key),
        "SessionToken": rig::sts::token_for(key),
        "Expiration": expiration.to_string(),
    })
}
