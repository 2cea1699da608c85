//! The environment of a test: a namespace, an STS responder, and an operator that serves only these.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use rig::sts::Responder;
use rig::{Rig, Sdk, Tool};
use serde_json::{Value, json};
use tempcred_core::api::RoleGrant;
use tokio::sync::{Semaphore, SemaphorePermit};

pub use crate::check::{
    assert_complete, assume, condition, data, failure, failure_reason, is_ready, plain, role_arn,
    true_conditions, wait_until,
};
pub use crate::objects::Writes;
pub use crate::operator::{Launch, OPERATOR_KEY, OPERATOR_SECRET, Operator, binary};

/// The deadline for everything that should happen at once.
pub const SOON: Duration = Duration::from_secs(90);

/// Number of tests that may load the API server at the same time. With more it takes seconds for each request, and
/// rejects some.
const LOADING: u32 = 4;

static LOAD: Semaphore = Semaphore::const_new(LOADING as usize);

/// Waits until few other tests load the API server.
pub async fn loading() -> SemaphorePermit<'static> {
    LOAD.acquire().await.unwrap()
}

/// Waits until no other test loads the API server or the machine.
pub async fn heavy() -> SemaphorePermit<'static> {
    LOAD.acquire_many(LOADING).await.unwrap()
}

/// The control plane that all tests share.
pub fn rig() -> &'static Rig {
    static RIG: OnceLock<Rig> = OnceLock::new();
    RIG.get_or_init(|| {
        // Built before any test: a compiler beside running tests would make them time out.
        for tool in [Tool::Kstatus, Tool::Lua] {
            tool.ready().unwrap();
        }
        let rig = Rig::start().unwrap();
        for sdk in Sdk::ALL {
            // The tests that need it try again, and show the error.
            let _ = rig.sdk(sdk);
        }
        prepare(&rig);
        rig
    })
}

/// Installs the CRDs and the operator's role, as an administrator would. Admission policies are off,
/// because tests do what these deny; `chart::admission` has them in namespaces of its own.
pub fn prepare(rig: &Rig) {
    let root = env!("CARGO_MANIFEST_DIR").as_ref();
    let values = "--set=admissionPolicies.enabled=false,features.workloadRestarts=true";
    rig.install_with(root, &[values]).unwrap();
}

/// A client by a kubeconfig, after changes to its configuration.
pub async fn client(kubeconfig: &Path, configure: impl FnOnce(&mut Config)) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    configure(&mut config);
    Client::try_from(config).unwrap()
}

/// A namespace with an STS; the operator is started by the test.
pub struct World {
    pub rig: &'static Rig,
    pub namespace: String,
    pub sts: Responder,
    pub client: Client,
    /// Variables for the operator, over those that every operator gets; `None` removes one.
    pub environment: BTreeMap<&'static str, Option<String>>,
    /// The URL of STS for the operator, if it is not that of `sts`.
    pub sts_endpoint: Option<String>,
    operator: Option<Operator>,
    runs: usize,
}

impl World {
    /// A world with an operator that is ready.
    pub async fn start() -> Self {
        let mut world = Self::new().await;
        world.start_operator(&[]).await;
        world
    }

    /// A world without an operator.
    pub async fn new() -> Self {
        Self::on(tokio::task::spawn_blocking(rig).await.unwrap()).await
    }

    /// A world on a control plane of its own.
    pub async fn on(rig: &'static Rig) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let namespace =
            format!("t{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let client = client(rig.kubeconfig(), |_| ()).await;
        let object = serde_json::from_value(json!({"metadata": {"name": namespace}})).unwrap();
        Api::<Namespace>::all(client.clone())
            .create(&PostParams::default(), &object)
            .await
            .unwrap();
        let sts = Responder::start().unwrap();
        let environment = BTreeMap::new();
        let world = Self {
            rig,
            namespace,
            sts,
            client,
            environment,
            sts_endpoint: None,
            operator: None,
            runs: 0,
        };
        world.grant(&world.namespace, world.any_role()).await;
        world
    }

    /// The spec of a grant for any role, in this namespace and in those with this prefix and a dash. A resource may
    /// choose everything that no grant sets. Each world has such a grant, with the name of the namespace.
    pub fn any_role(&self) -> Value {
        let any = |account| format!("arn:aws:iam::{account}:role/*");
        let roles = ["123456789012", "210987654321"].map(any);
        let names = [self.namespace.clone(), format!("{}-*", self.namespace)];
        let all = ["externalId", "sourceIdentity", "sessionName", "tags"];
        json!({"namespaces": {"names": names}, "roleArns": roles, "session": {"tenantMaySet": all}})
    }

    /// Creates a grant, or changes it.
    pub async fn grant(&self, name: &str, spec: Value) -> RoleGrant {
        let grant = json!({
            "apiVersion": "tempcred.dev/v1alpha1", "kind": "RoleGrant",
            "metadata": {"name": name}, "spec": spec,
        });
        let params = PatchParams::apply("test").force();
        self.grants().patch(name, &params, &Patch::Apply(grant)).await.unwrap()
    }

    /// Deletes a grant.
    pub async fn withdraw(&self, name: &str) {
        self.grants().delete(name, &Default::default()).await.unwrap();
    }

    pub fn grants(&self) -> Api<RoleGrant> {
        Api::all(self.client.clone())
    }

    /// Starts the operator for this namespace and waits until it is ready.
    pub async fn start_operator(&mut self, args: &[&str]) {
        let kubeconfig = self.rig.kubeconfig_for(self.rig.operator(), None).unwrap();
        self.start_operator_with(kubeconfig, args).await;
    }

    /// The same, with a kubeconfig of the test's choice.
    pub async fn start_operator_with(&mut self, kubeconfig: PathBuf, args: &[&str]) {
        self.launch(kubeconfig, args).await;
        self.wait_for_readiness().await;
    }

    /// Waits until the operator is ready.
    pub async fn wait_for_readiness(&self) {
        self.operator.as_ref().unwrap().wait_until_ready().await;
    }

    /// Starts the operator and waits only until it listens.
    pub async fn launch(&mut self, kubeconfig: PathBuf, args: &[&str]) {
        assert!(self.operator.is_none(), "one operator at a time");
        self.operator = Some(self.replica(kubeconfig, args).await);
    }

    /// Starts a further operator in this world, and waits until it listens.
    pub async fn replica(&mut self, kubeconfig: PathBuf, args: &[&str]) -> Operator {
        self.runs += 1;
        let name = format!("operator-{}-{}", self.namespace, self.runs);
        self.launch_of(&name, args).start(kubeconfig).await
    }

    /// How an operator of this world is started, with these flags and this name.
    pub fn launch_of(&self, name: &str, args: &[&str]) -> Launch {
        let mut flags: Vec<_> = args.iter().map(|flag| (*flag).to_owned()).collect();
        let mut default = |flag: &str, value: &str| {
            if !args.contains(&flag) {
                flags.extend([flag.to_owned(), value.to_owned()]);
            }
        };
        let sts = self.sts_endpoint.clone().unwrap_or_else(|| self.sts.url());
        default("--sts-endpoint", &sts);
        default("--log", "info,tempcred=debug");
        if !args.contains(&"--selector") {
            // Beside other namespaces.
            flags.extend(["--namespaces".to_owned(), self.namespace.clone()]);
        }
        let environment = self.environment.clone();
        Launch { rig: self.rig, name: name.to_owned(), flags, environment }
    }

    /// What the operator has logged so far. Do not wait for a line: its content shows elsewhere, too.
    pub fn log(&self) -> String {
        self.operator.as_ref().unwrap().log()
    }

    /// Whether the operator runs.
    pub fn operator_runs(&self) -> bool {
        self.operator.as_ref().is_some_and(|operator| operator.process.is_running())
    }

    /// Process id of the operator.
    pub fn pid(&self) -> u32 {
        self.operator.as_ref().unwrap().process.pid()
    }

    /// The address of the operator's listener.
    pub fn address(&self) -> SocketAddr {
        self.operator.as_ref().unwrap().address
    }

    /// A figure of the operator's memory in `/proc/PID/status`, in bytes.
    pub fn memory(&self, name: &str) -> usize {
        usize::try_from(rig::memory(self.pid(), name).unwrap()).unwrap()
    }

    /// Kills the operator without a signal that it could handle.
    pub fn kill_operator(&mut self) {
        self.operator.take().unwrap().kill();
    }

    /// Sends SIGTERM.
    pub fn signal_operator(&self) {
        self.operator.as_ref().unwrap().process.terminate().unwrap();
    }

    /// Waits until the operator has ended by itself.
    pub fn wait_for_operator_end(&mut self, at_most: Duration) -> ExitStatus {
        self.operator.take().unwrap().process.wait(at_most).unwrap()
    }

    /// Stops the operator by SIGTERM.
    pub fn stop_operator(&mut self) -> ExitStatus {
        self.signal_operator();
        self.wait_for_operator_end(SOON)
    }

    /// A page of the operator's listener; empty if it does not reply.
    pub async fn http(&self, path: &str) -> String {
        match &self.operator {
            Some(operator) => operator.http(path).await,
            None => String::new(),
        }
    }

    /// The value of one of the operator's metrics, summed over its labels.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        self.operator.as_ref()?.metric(name).await
    }

    /// Waits until this run of the operator has made so many reconciliations.
    pub async fn wait_for_reconciliations(&self, at_least: usize) {
        wait_until("it has reconciled the resources", SOON, || async {
            let count = self.metric("tempcred_reconcile_duration_seconds_count").await?;
            (count >= at_least as f64).then_some(())
        })
        .await;
    }

    /// Stops the operator by SIGTERM, and returns its full log.
    pub fn full_log(&mut self) -> String {
        self.signal_operator();
        let operator = self.operator.take().unwrap();
        assert!(operator.process.wait(SOON).unwrap().success());
        operator.log()
    }

    /// The times of the calls for a role, by a part of its ARN.
    pub fn call_times(&self, role: &str) -> Vec<jiff::Timestamp> {
        let requests = self.sts.requests();
        let about = |r: &&rig::sts::Received| r.role_arn().is_some_and(|arn| arn.contains(role));
        requests.iter().filter(about).map(|r| r.at).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(operator) = &self.operator
        {
            let log = operator.process.output().unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            eprintln!(
                "the operator's last lines:\n{}",
                lines[lines.len().saturating_sub(40)..].join("\n")
            );
        }
        if self.rig.audit().is_none() {
            // Not our cluster: leave it as it was.
            let delete = |kind, name| {
                let _ = self.rig.kubectl().args(["delete", kind, name, "--wait=false"]).output();
            };
            delete("namespace", &self.namespace);
            delete("rolegrant", &self.namespace);
        }
    }
}
