//! The rig itself: what it runs, and for how long.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::audit::Audit;
use crate::control_plane::{ControlPlane, Users};
use crate::janitor::Janitor;
use crate::moto::Moto;
use crate::process::Process;
use crate::python::{self, Python};
use crate::random;
use crate::sdk::Sdk;
use crate::source::{FOREIGN, Source};
use crate::tool::Tool;
use crate::users::{User, write_private};
use crate::workspace;

/// Set to leave the run's folder behind.
const KEEP: &str = "TEMPCRED_RIG_KEEP";

/// A control plane, a venv, and the processes that a test starts.
///
/// Blocking, and tied to no runtime: a `static` [`std::sync::OnceLock`] can hold
/// one for all tests of a binary. Everything ends when it is dropped or when its
/// process ends.
///
/// ```no_run
/// let rig = rig::Rig::start()?;
/// assert!(rig.kubectl().args(["get", "namespaces"]).status()?.success());
/// # anyhow::Ok(())
/// ```
pub struct Rig {
    dir: PathBuf,
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    server: String,
    users: Users,
    python: Python,
    // Ended in this order: moto and the control plane, then what is left.
    moto: Mutex<Option<Moto>>,
    control_plane: Option<ControlPlane>,
    janitor: Janitor,
}

impl Rig {
    /// Starts the control plane and waits until it is ready: `/readyz` says so and
    /// the controllers work. The first time on a machine this builds it.
    ///
    /// # Errors
    ///
    /// When a tool is missing, a build fails, or a component does not come up; then
    /// the error shows the end of its log.
    pub fn start() -> Result<Self> {
        Self::start_with(true)
    }

    /// The same, without the audit log: writing it takes CPU time of the API server, which a benchmark measures.
    ///
    /// # Errors
    ///
    /// As for [`Rig::start`].
    pub fn start_unaudited() -> Result<Self> {
        Self::start_with(false)
    }

    fn start_with(audited: bool) -> Result<Self> {
        // These take long and are independent.
        let (source, python, helm) = std::thread::scope(|scope| {
            let python = scope.spawn(Python::ready);
            // No chart is installed in an external cluster.
            let helm = scope.spawn(|| match Source::is_foreign() {
                true => Ok(()),
                false => Tool::Helm.ready().map(drop),
            });
            (Source::ready(), python.join(), helm.join())
        });
        let (source, python) = (source?, python.unwrap_or_else(|_| bail!("a thread panicked"))?);
        helm.unwrap_or_else(|_| bail!("a thread panicked"))?;

        let dir = workspace::new_run()?;
        let janitor = Janitor::start(&dir, std::env::var_os(KEEP).is_some())?;
        let kubectl = source.kubectl().unwrap_or_else(|| python.kubectl());
        let users = Users::new();

        let (control_plane, kubeconfig, server) = if let Source::Foreign(theirs) = &source {
            let (kubeconfig, server) = copy_kubeconfig(&kubectl, theirs, &dir)?;
            (None, kubeconfig, server)
        } else {
            let plane = ControlPlane::start(&source, &janitor, &dir, &kubectl, &users, audited)?;
            let (kubeconfig, server) = (plane.admin_kubeconfig(), plane.server());
            (Some(plane), kubeconfig, server)
        };
        let moto = Mutex::new(None);
        Ok(Self { dir, kubeconfig, kubectl, server, users, python, moto, control_plane, janitor })
    }

    /// The folder of this run; removed at the end.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A kubeconfig that may do everything.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The API server: `https://127.0.0.1:PORT`, or that of the external cluster.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The certificate of the API server's authority. None with an external cluster.
    pub(crate) fn ca_pem(&self) -> Result<Option<Vec<u8>>> {
        self.control_plane.as_ref().map(ControlPlane::ca_pem).transpose()
    }

    /// A user in `system:masters`.
    #[must_use]
    pub fn admin(&self) -> &User {
        &self.users.admin
    }

    /// The operator's user: the ServiceAccount of its chart, which exists after [`Rig::install`].
    #[must_use]
    pub fn operator(&self) -> &User {
        &self.users.operator
    }

    /// A user of a namespace: `tenant`, in no group. Tests give it permissions.
    #[must_use]
    pub fn tenant(&self) -> &User {
        &self.users.tenant
    }

    /// Writes a kubeconfig for `user` and returns where it is. `server` takes the
    /// place of [`Rig::server`], for a [`Proxy`](crate::Proxy).
    ///
    /// An external cluster does not know the rig's users: there every user is that of
    /// its kubeconfig.
    pub fn kubeconfig_for(&self, user: &User, server: Option<&str>) -> Result<PathBuf> {
        let config = match &self.control_plane {
            Some(plane) => {
                user.token(|| self.request_token(user))?;
                user.kubeconfig(server.unwrap_or(&self.server), &plane.ca_pem()?)
            }
            None => {
                let mut config: Value = serde_json::from_slice(&fs::read(&self.kubeconfig)?)?;
                if let Some(server) = server {
                    config["clusters"][0]["cluster"]["server"] = server.into();
                }
                config
            }
        };
        // In KUBECONFIG a colon would separate two of them.
        let name = user.name().replace(':', "-");
        let path = self.dir.join(format!("{name}-{}.kubeconfig", random::hex::<4>()));
        write_private(&path, &config.to_string())?;
        Ok(path)
    }

    /// A token as the ServiceAccount's own Pod would have it, which outlives every test.
    fn request_token(&self, user: &User) -> Result<String> {
        let (namespace, name) = user.account().context("only a ServiceAccount gets a token")?;
        let namespace = format!("--namespace={namespace}");
        let token = ["create", "token", name, &namespace, "--duration=24h"];
        Ok(self.kubectl_output(&token)?.trim().to_owned())
    }

    /// Helm as admin, with its own configuration and cache folders.
    pub fn helm(&self) -> Result<Command> {
        let mut command = Command::new(Tool::Helm.ready()?);
        command.env("KUBECONFIG", &self.kubeconfig);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HELM_") {
                command.env_remove(name);
            }
        }
        for name in ["CACHE", "CONFIG", "DATA"] {
            command.env(format!("HELM_{name}_HOME"), self.dir.join("helm"));
        }
        Ok(command)
    }

    /// kubectl as admin, with a cache of its own: the usual one goes by the port,
    /// and another rig may have had the same.
    #[must_use]
    pub fn kubectl(&self) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.env("KUBECONFIG", &self.kubeconfig);
        command.env("KUBECACHEDIR", self.dir.join("kubectl"));
        command
    }

    /// A Python that has boto3.
    #[must_use]
    pub fn python(&self) -> PathBuf {
        self.python.interpreter()
    }

    /// A command that runs the program of an AWS SDK, installed and built unless that has been done.
    ///
    /// # Errors
    ///
    /// When a tool is missing, or a download or a build fails.
    pub fn sdk(&self, sdk: Sdk) -> Result<Command> {
        sdk.command(&self.python())
    }

    /// The AWS CLI.
    #[must_use]
    pub fn aws(&self) -> Command {
        let mut command = Command::new(self.python());
        command.args(["-m", "awscli"]);
        command
    }

    /// The URL of moto, a real STS. Started at the first call.
    pub fn moto(&self) -> Result<String> {
        let mut moto = self.moto.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(moto) = moto.as_ref() {
            return Ok(moto.url().to_owned());
        }
        let started = Moto::start(&self.python, &self.janitor)?;
        Ok(moto.insert(started).url().to_owned())
    }

    /// Runs a program that ends with the rig at the latest. Its output goes to
    /// `<name>.log` in [`Rig::dir`]; see [`Janitor::spawn`] for what of `command`
    /// counts.
    pub fn spawn(&self, name: &str, command: &mut Command) -> Result<Process> {
        self.janitor.spawn(name, command)
    }

    /// The audit log of the API server. None with an external cluster, and after [`Rig::start_unaudited`].
    #[must_use]
    pub fn audit(&self) -> Option<Audit> {
        self.control_plane.as_ref()?.audit_log().map(Audit::new)
    }

    /// The process id of the API server. None with an external cluster, and while it is stopped.
    #[must_use]
    pub fn api_server_pid(&self) -> Option<u32> {
        self.control_plane.as_ref()?.api_server_pid()
    }

    /// Whether controllers run, such as that of Deployments. `KUBEBUILDER_ASSETS` may have none; an external cluster does.
    #[must_use]
    pub fn runs_controllers(&self) -> bool {
        self.control_plane.as_ref().is_none_or(ControlPlane::runs_controllers)
    }

    /// Whether the control plane is that of an external cluster.
    pub(crate) fn is_foreign(&self) -> bool {
        self.control_plane.is_none()
    }

    /// Kills the API server, as a crash would. etcd keeps the data.
    pub fn stop_api_server(&self) -> Result<()> {
        self.own_control_plane()?.stop_api_server()
    }

    /// Starts it again on the same port, and waits until it is ready.
    pub fn start_api_server(&self) -> Result<()> {
        self.own_control_plane()?.start_api_server()
    }

    /// Kills etcd, as a crash would, and starts it again on the same port and data.
    pub fn restart_etcd(&self) -> Result<()> {
        self.own_control_plane()?.restart_etcd()
    }

    /// Restarts the controllers.
    ///
    /// The garbage collector discovers new kinds only every 30 s. After a CRD was
    /// installed, this makes owner references to it count at once. Does nothing
    /// with an external cluster.
    pub fn restart_controllers(&self) -> Result<()> {
        self.control_plane.as_ref().map_or(Ok(()), ControlPlane::restart_controllers)
    }

    fn own_control_plane(&self) -> Result<&ControlPlane> {
        self.control_plane.as_ref().context("the rig does not stop an API server it did not start")
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        drop(self.moto.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        drop(self.control_plane.take());
        self.janitor.finish();
    }
}

/// Copies the current context of a kubeconfig, as JSON with all files inside.
fn copy_kubeconfig(kubectl: &Path, theirs: &Path, dir: &Path) -> Result<(PathBuf, String)> {
    let mut view = Command::new(kubectl);
    view.args(["config", "view", "--raw", "--minify", "--flatten", "--output", "json"]);
    view.env("KUBECONFIG", theirs);
    let text = python::output(&mut view).with_context(|| format!("cannot use {FOREIGN}"))?;
    let config: Value = serde_json::from_str(&text)?;
    let server = config["clusters"][0]["cluster"]["server"].as_str();
    let server = server.with_context(|| format!("{FOREIGN} names no server"))?.to_owned();
    let path = dir.join("admin.kubeconfig");
    write_private(&path, &text)?;
    Ok((path, server))
}
