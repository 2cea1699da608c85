//! What the demo runs: a control plane, an STS, and the operator.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use rig::sts::{Fault, Responder};
use rig::{Mount, Process, Rig};
use serde_json::json;

/// Where the demo's resources live.
pub const NAMESPACE: &str = "tempcred-demo";

/// The region of the operator and of the program.
pub const REGION: &str = "eu-central-1";

/// The role that AWS does not let the operator assume, until the story allows it.
pub const CLOSED_ROLE: &str = "arn:aws:iam::123456789012:role/no-entry";

/// The resource of `examples/` that rotates. The program with an SDK uses its credentials.
pub const ROTATING: &str = "short-rotation";

/// The resource of `examples/` that restarts the Deployment of the same name.
pub const RESTARTED: &str = "exports";

/// How many lines of a log a failure shows.
const LAST_LINES: usize = 15;

/// A control plane with tempcred's chart, and an STS.
pub struct Stage {
    /// The control plane.
    pub rig: Rig,
    /// The STS of the operator: counts and refuses in front of moto.
    pub sts: Responder,
    /// The STS of the program, in front of the same moto: shows which key signed each call.
    pub program_sts: Responder,
    /// What the kubelet would mount into the Pod of the program.
    pub volume: Mount,
}

/// The folder of the workspace.
pub fn root() -> &'static Path {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR"));
    demo.parent().unwrap_or(demo)
}

impl Stage {
    /// Builds and starts everything but the operator. Blocking.
    pub fn start() -> Result<Self> {
        build()?;
        println!("Starting etcd, kube-apiserver and kube-controller-manager …");
        let rig = Rig::start()?;
        println!("Starting moto as STS, and installing the chart …");
        let moto = std::thread::scope(|scope| {
            let moto = scope.spawn(|| rig.moto());
            rig.install_with(root(), &["--set=features.workloadRestarts=true"])?;
            // So that `kubectl get tempcred` needs no `-n`.
            let namespace = format!("--namespace={NAMESPACE}");
            rig.kubectl_output(&["config", "set-context", "--current", &namespace])?;
            let content =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
            apply(&rig, "namespace", &content)?;
            moto.join().ok().context("a thread panicked")?
        })?;
        let sts = Responder::forwarding_to(&moto)?;
        sts.inject(Fault::access_denied().for_role(CLOSED_ROLE));
        let program_sts = Responder::forwarding_to(&moto)?;
        let volume = Mount::new(&rig.dir().join("volume"))?;
        Ok(Self { rig, sts, program_sts, volume })
    }

    /// A client that may do everything.
    pub async fn client(&self) -> Result<Client> {
        let kubeconfig = Kubeconfig::read_from(self.rig.kubeconfig())?;
        let config =
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(Client::try_from(config)?)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if self.rig.audit().is_none() {
            // An external cluster: leave it as it was.
            let _ = self.rig.kubectl_output(&["delete", "namespace", NAMESPACE, "--wait=false"]);
        }
    }
}

/// Applies an object as an administrator.
pub fn apply(rig: &Rig, name: &str, object: &serde_json::Value) -> Result<()> {
    let path = rig.dir().join(format!("{name}.json"));
    std::fs::write(&path, object.to_string())?;
    let path = path.display().to_string();
    rig.kubectl_output(&["apply", "--server-side", "--filename", &path])?;
    Ok(())
}

/// Builds the operator next to this program: cargo does not build the binary of a dependency.
fn build() -> Result<()> {
    println!("Building tempcred …");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // Together with this program, so that cargo takes the dependencies that it has built for it.
    command.args(["build", "--package", "tempcred", "--package", "demo", "--bins"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let status = command.current_dir(root()).status().context("cannot run cargo")?;
    ensure!(status.success(), "tempcred does not build");
    Ok(())
}

/// The binary that [`Stage::start`] has built.
pub fn binary() -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("tempcred"))
}

/// A command without settings of the user that could change what it does.
pub fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let known = name.to_string_lossy();
        if known.starts_with("AWS_") || known.starts_with("TEMPCRED_") {
            command.env_remove(name);
        }
    }
    command
}

/// The end of a log.
pub fn last_lines(process: &Process) -> String {
    let log = process.output().unwrap_or_default();
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

/// The real program, as the ServiceAccount of its chart.
pub struct Operator(Process);

impl Operator {
    /// Starts `tempcred run`.
    pub fn start(stage: &Stage) -> Result<Self> {
        let kubeconfig = stage.rig.kubeconfig_for(stage.rig.operator(), None)?;
        let mut command = clean(&binary()?);
        command
            .args(["run", "--http-addr", "127.0.0.1:0"])
            .args(["--namespaces", NAMESPACE])
            .args(["--withdrawn-secrets", "remove"])
            .args(["--sts-endpoint", &stage.sts.url()])
            .env("KUBECONFIG", kubeconfig)
            // moto accepts any key, but the request must be signed.
            .env("AWS_ACCESS_KEY_ID", "AKIAOPERATOR00000001")
            .env("AWS_SECRET_ACCESS_KEY", "of-the-demo")
            .env("AWS_REGION", REGION)
            .env("AWS_EC2_METADATA_DISABLED", "true");
        Ok(Self(stage.rig.spawn("tempcred", &mut command)?))
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.0.is_running()
    }

    /// Where its log is.
    pub fn log(&self) -> &Path {
        self.0.log()
    }

    /// Where it serves `/metrics`, once it does.
    pub fn address(&self) -> Option<String> {
        let log = self.0.output().ok()?;
        let (_, address) = log.split_once("address=")?;
        let address = address.split_whitespace().next()?;
        Some(address.trim_matches('"').to_owned())
    }

    /// The end of its log.
    pub fn last_lines(&self) -> String {
        last_lines(&self.0)
    }
}
