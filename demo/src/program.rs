//! A program with a real AWS SDK, and the agent that serves it, as in one Pod.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rig::Process;

use crate::stage::{REGION, Stage, binary, clean, last_lines, root};

/// The file of the mounted Secret that the agent serves.
pub const FILE: &str = "credentials.json";

/// The source of the program, in the workspace.
const SOURCE: &str = "demo/src/caller.py";

/// How every line of the program begins that reports a call.
const CALLED: &str = "called by process ";

/// Wait between two probes of the agent.
const PROBE_EVERY: Duration = Duration::from_millis(100);

/// `tempcred agent`, for a mounted Secret.
pub struct Agent {
    process: Process,
    address: String,
    file: String,
}

impl Agent {
    /// Starts it for the volume of the stage.
    pub fn start(stage: &Stage) -> Result<Self> {
        let file = stage.volume.path(FILE);
        let address = format!("127.0.0.1:{}", rig::free_port()?);
        let mut command = clean(&binary()?);
        command.args(["agent", "--file", &file, "--listen", &address]);
        let process = stage.rig.spawn("agent", &mut command)?;
        Ok(Self { process, address, file })
    }

    /// Its command line, for the user.
    pub fn command(&self) -> String {
        let file = Path::new(&self.file);
        let file = file.strip_prefix(root()).unwrap_or(file);
        format!("tempcred agent --file={} --listen={}", file.display(), self.address)
    }

    /// Waits until it can serve the credentials, with the probe that a Pod would have.
    pub async fn ready(&self, at_most: Duration) -> Result<()> {
        let url = format!("http://{}/readyz", self.address);
        let probes = async {
            loop {
                let mut probe = clean(&binary()?);
                probe.args(["agent", "--check", &url]);
                let probe = tokio::task::spawn_blocking(move || probe.output()).await??;
                if probe.status.success() {
                    return Ok(());
                }
                must_run("tempcred agent", &self.process)?;
                tokio::time::sleep(PROBE_EVERY).await;
            }
        };
        match tokio::time::timeout(at_most, probes).await {
            Ok(done) => done,
            Err(_) => bail!(
                "tempcred agent is not ready after {} s:\n{}",
                at_most.as_secs(),
                last_lines(&self.process)
            ),
        }
    }
}

/// The program with its agent.
pub struct Program {
    agent: Agent,
    process: Process,
}

impl Program {
    /// Starts it. It gets its credentials from the agent and from nowhere else.
    pub fn start(stage: &Stage, agent: Agent) -> Result<Self> {
        let nowhere = stage.rig.dir().join("no-such-file");
        let mut command = clean(&stage.rig.python());
        command
            .arg(root().join(SOURCE))
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{}/", agent.address))
            .env("AWS_ENDPOINT_URL_STS", stage.program_sts.url())
            .env("AWS_REGION", REGION)
            .env("AWS_DEFAULT_REGION", REGION)
            .env("AWS_CONFIG_FILE", &nowhere)
            .env("AWS_SHARED_CREDENTIALS_FILE", &nowhere)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            // Both are on this machine.
            .env("NO_PROXY", "*");
        let process = stage.rig.spawn("program", &mut command)?;
        Ok(Self { agent, process })
    }

    /// Its command line, for the user.
    pub fn command(&self) -> String {
        let address = &self.agent.address;
        format!("AWS_CONTAINER_CREDENTIALS_FULL_URI=http://{address}/ python {SOURCE}")
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Where it reports its calls.
    pub fn log(&self) -> &Path {
        self.process.log()
    }

    /// Fails unless the program and its agent run: a call that fails ends the program.
    pub fn must_run(&self) -> Result<()> {
        must_run("tempcred agent", &self.agent.process)?;
        must_run("the program with the AWS SDK", &self.process)
    }

    /// The identity that STS has confirmed in every call. Fails if it was not always the same, or not always the same
    /// process that called.
    pub fn identity(&self) -> Result<String> {
        let output = self.process.output()?;
        let callers: BTreeSet<_> =
            output.lines().filter_map(|line| line.strip_prefix(CALLED)).collect();
        ensure!(
            callers.len() == 1,
            "the program called as {callers:?}, and not always as the same"
        );
        let caller = callers.first().context("the program has made no call")?;
        let (pid, arn) = caller.split_once(" as ").with_context(|| format!("no ARN: {caller}"))?;
        ensure!(pid == self.pid().to_string(), "process {pid} called, not {}", self.pid());
        Ok(arn.to_owned())
    }
}

fn must_run(name: &str, process: &Process) -> Result<()> {
    ensure!(process.is_running(), "{name} has ended. Its last lines:\n{}", last_lines(process));
    Ok(())
}
