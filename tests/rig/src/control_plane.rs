//! A control plane of etcd, API server and controller manager, as child processes.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::install;
use crate::janitor::Janitor;
use crate::ports;
use crate::process::{Process, wait_until};
use crate::progress::say;
use crate::random;
use crate::source::{Component, Source};
use crate::users::{User, write_private};

/// A port can be taken between its choice and its use.
const ATTEMPTS: usize = 3;

/// Start-up takes 4 s; a busy machine may take much longer.
const READY_WITHIN: Duration = Duration::from_secs(120);

/// How long the port of a stopped API server may take to be free again.
const PORT_FREE_WITHIN: Duration = Duration::from_secs(20);

const AUDIT_POLICY: &str = include_str!("audit-policy.json");

/// The users that the API server knows.
pub(crate) struct Users {
    /// May do everything.
    pub(crate) admin: User,
    /// The operator's user: the ServiceAccount of its chart, after its installation.
    pub(crate) operator: User,
    /// A user of a namespace.
    pub(crate) tenant: User,
    /// The controller manager, kept apart from the audit log.
    controllers: User,
}

impl Users {
    pub(crate) fn new() -> Self {
        Self {
            admin: User::new("rig-admin", Some("system:masters")),
            operator: User::service_account(install::NAMESPACE, install::RELEASE),
            tenant: User::new("tenant", None),
            controllers: User::new("system:kube-controller-manager", Some("system:masters")),
        }
    }
}

/// A running control plane.
pub(crate) struct ControlPlane {
    source: Source,
    janitor: Janitor,
    dir: PathBuf,
    kubectl: PathBuf,
    ports: Ports,
    audited: bool,
    running: Mutex<Running>,
}

#[derive(Clone, Copy)]
struct Ports {
    client: u16,
    peer: u16,
    api: u16,
}

#[derive(Default)]
struct Running {
    // In the order of their end.
    controllers: Option<Process>,
    api: Option<Process>,
    etcd: Option<Process>,
}

impl ControlPlane {
    pub(crate) fn start(
        source: &Source,
        janitor: &Janitor,
        dir: &Path,
        kubectl: &Path,
        users: &Users,
        audited: bool,
    ) -> Result<Self> {
        let tokens = [&users.admin, &users.tenant, &users.controllers];
        let tokens: String = tokens.map(User::line).concat();
        write_private(&dir.join("tokens.csv"), &tokens)?;
        write_private(&dir.join("service-account.pem"), &random::rsa_key_pem()?)?;
        fs::write(dir.join("audit-policy.json"), AUDIT_POLICY)?;

        let mut attempt = 1;
        loop {
            let [client, peer, api] = ports::free()?;
            let plane = Self {
                source: source.clone(),
                janitor: janitor.clone(),
                dir: dir.to_owned(),
                kubectl: kubectl.to_owned(),
                ports: Ports { client, peer, api },
                audited,
                running: Mutex::default(),
            };
            match plane.start_all(users) {
                Ok(()) => return Ok(plane),
                Err(error) if attempt == ATTEMPTS => return Err(error),
                Err(error) => say(&format!("start {attempt} of {ATTEMPTS} failed: {error:#}")),
            }
            attempt += 1;
        }
    }

    /// `https://127.0.0.1:PORT`.
    pub(crate) fn server(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports.api)
    }

    /// None if the API server writes none.
    pub(crate) fn audit_log(&self) -> Option<PathBuf> {
        self.audited.then(|| self.dir.join("audit.log"))
    }

    /// None while it is stopped.
    pub(crate) fn api_server_pid(&self) -> Option<u32> {
        self.running().api.as_ref().map(Process::pid)
    }

    /// Not if its binaries are without a controller manager.
    pub(crate) fn runs_controllers(&self) -> bool {
        self.running().controllers.is_some()
    }

    /// The authority that clients trust: the API server signs its own certificate at its first start.
    pub(crate) fn ca_pem(&self) -> Result<Vec<u8>> {
        let path = self.dir.join("certs").join("apiserver.crt");
        fs::read(&path).with_context(|| path.display().to_string())
    }

    pub(crate) fn admin_kubeconfig(&self) -> PathBuf {
        self.dir.join("admin.kubeconfig")
    }

    fn start_all(&self, users: &Users) -> Result<()> {
        // What an earlier attempt left.
        let _ = fs::remove_dir_all(self.dir.join("etcd"));
        let deadline = Instant::now() + READY_WITHIN;
        let mut running = self.running();
        let etcd = self.spawn(Component::Etcd, &self.etcd_flags())?;
        wait_for_port(&etcd, self.ports.client)?;
        running.etcd = Some(etcd);
        let api = self.spawn(Component::ApiServer, &self.api_flags())?;
        wait_for_port(&api, self.ports.api)?;

        let (server, ca) = (self.server(), self.ca_pem()?);
        let admin = users.admin.kubeconfig(&server, &ca).to_string();
        write_private(&self.admin_kubeconfig(), &admin)?;
        let controllers = users.controllers.kubeconfig(&server, &ca).to_string();
        write_private(&self.dir.join("controllers.kubeconfig"), &controllers)?;
        self.wait_ready(&api, deadline)?;
        running.api = Some(api);
        self.start_controllers(&mut running, deadline)
    }

    fn start_controllers(&self, running: &mut Running, deadline: Instant) -> Result<()> {
        if self.source.command(Component::ControllerManager).is_none() {
            return Ok(());
        }
        let process = self.spawn(Component::ControllerManager, &self.controller_flags())?;
        // The first visible effect of the controllers.
        let mut seen = self.kubectl();
        seen.args(["get", "serviceaccount", "default", "--namespace", "default"]);
        wait_until("the controllers' first ServiceAccount", left(deadline), || {
            process.must_run()?;
            Ok(seen.status()?.success())
        })
        .with_context(|| process.last_lines())?;
        running.controllers = Some(process);
        Ok(())
    }

    /// Kills the API server, as a crash would.
    pub(crate) fn stop_api_server(&self) -> Result<()> {
        if let Some(api) = self.running().api.take() {
            api.kill()?;
            api.wait(PORT_FREE_WITHIN)?;
        }
        Ok(())
    }

    /// Starts it again, on the same port and data.
    pub(crate) fn start_api_server(&self) -> Result<()> {
        let mut running = self.running();
        if running.api.is_some() {
            return Ok(());
        }
        let deadline = Instant::now() + READY_WITHIN;
        let api = self.spawn_again(Component::ApiServer, &self.api_flags(), self.ports.api)?;
        self.wait_ready(&api, deadline)?;
        running.api = Some(api);
        Ok(())
    }

    /// Kills etcd, and starts it again on the same port and data.
    pub(crate) fn restart_etcd(&self) -> Result<()> {
        let mut running = self.running();
        if let Some(etcd) = running.etcd.take() {
            etcd.kill()?;
            etcd.wait(PORT_FREE_WITHIN)?;
        }
        let etcd = self.spawn_again(Component::Etcd, &self.etcd_flags(), self.ports.client)?;
        running.etcd = Some(etcd);
        Ok(())
    }

    /// Starts a component whose port may not be free yet, and waits until it listens.
    fn spawn_again(&self, component: Component, flags: &[String], port: u16) -> Result<Process> {
        let deadline = Instant::now() + PORT_FREE_WITHIN;
        loop {
            let process = self.spawn(component, flags)?;
            match wait_for_port(&process, port) {
                Ok(()) => return Ok(process),
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// Restarts the controllers, so that they know new kinds.
    pub(crate) fn restart_controllers(&self) -> Result<()> {
        let mut running = self.running();
        drop(running.controllers.take());
        self.start_controllers(&mut running, Instant::now() + READY_WITHIN)
    }

    fn wait_ready(&self, api: &Process, deadline: Instant) -> Result<()> {
        let mut readyz = self.kubectl();
        readyz.args(["get", "--raw", "/readyz"]);
        wait_until("the API server's /readyz", left(deadline), || {
            api.must_run()?;
            Ok(readyz.status()?.success())
        })
        .with_context(|| api.last_lines())
    }

    /// A quiet kubectl for polling.
    fn kubectl(&self) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.env("KUBECONFIG", self.admin_kubeconfig());
        command.env("KUBECACHEDIR", self.dir.join("kubectl"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn spawn(&self, component: Component, flags: &[String]) -> Result<Process> {
        let name = component.name();
        let mut command = self.source.command(component).with_context(|| format!("no {name}"))?;
        command.args(flags).current_dir(&self.dir);
        // A proxy of the user must not be used between processes on one machine.
        command.env("NO_PROXY", "*").env("no_proxy", "*");
        self.janitor.spawn(name, &command)
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn etcd_flags(&self) -> Vec<String> {
        let client = format!("http://127.0.0.1:{}", self.ports.client);
        let peer = format!("http://127.0.0.1:{}", self.ports.peer);
        vec![
            format!("--data-dir={}", self.path("etcd")),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
            "--unsafe-no-fsync".to_owned(),
            "--log-level=warn".to_owned(),
        ]
    }

    fn api_flags(&self) -> Vec<String> {
        let issuer = self.server();
        let key = self.path("service-account.pem");
        let mut flags = vec![
            format!("--etcd-servers=http://127.0.0.1:{}", self.ports.client),
            format!("--secure-port={}", self.ports.api),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--cert-dir={}", self.path("certs")),
            format!("--service-account-issuer={issuer}"),
            format!("--service-account-key-file={key}"),
            format!("--service-account-signing-key-file={key}"),
            format!("--api-audiences=sts.amazonaws.com,{issuer}"),
            format!("--token-auth-file={}", self.path("tokens.csv")),
            "--authorization-mode=RBAC".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            "--disable-admission-plugins=ServiceAccount".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
        ];
        if self.audited {
            flags.extend([
                format!("--audit-policy-file={}", self.path("audit-policy.json")),
                format!("--audit-log-path={}", self.path("audit.log")),
                // One file, however long it gets: a rotated one would be forgotten.
                "--audit-log-maxsize=100000".to_owned(),
                "--audit-log-mode=blocking".to_owned(),
            ]);
        }
        flags
    }

    fn controller_flags(&self) -> Vec<String> {
        // The aggregation fills the roles admin, edit and view; without, they are empty.
        let controllers = "garbagecollector,namespace,serviceaccount,deployment,replicaset,\
                           clusterrole-aggregation,validatingadmissionpolicy-status-controller";
        vec![
            format!("--kubeconfig={}", self.path("controllers.kubeconfig")),
            format!("--controllers={controllers}"),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
            // Tests clean up in bulk; the default of 20/s would make them wait.
            "--kube-api-qps=500".to_owned(),
            "--kube-api-burst=1000".to_owned(),
        ]
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait_for_port(process: &Process, port: u16) -> Result<()> {
    wait_until("a listening port", READY_WITHIN, || {
        process.must_run()?;
        Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())
    })
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
