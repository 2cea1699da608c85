//! `tempcred doctor`: each thing that an installer can get wrong, with a real cluster and an STS over the network.

mod cluster;
mod crds;
mod healthy;
mod identities;
mod rights;
mod sts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rig::User;
use serde_json::Value;

use crate::world::{OPERATOR_KEY, OPERATOR_SECRET, World, binary};

/// Puts the files of a ServiceAccount where the kubelet mounts them, in a mount namespace of its own.
const MOUNT: &str = r#"
    set -e
    files=/var/run/secrets/kubernetes.io/serviceaccount
    mount -t tmpfs tmpfs "$(readlink -f /var/run)"
    mkdir -p "$files"
    cp "$0"/* "$files"
    exec "$@"
"#;

/// The environment of an operator: that of the Pod.
pub struct Pod {
    kubeconfig: PathBuf,
    /// The files of the ServiceAccount, which take the place of the kubeconfig.
    account: Option<PathBuf>,
    variables: BTreeMap<String, String>,
}

/// What doctor has reported.
pub struct Report {
    pub code: Option<i32>,
    pub json: Value,
}

impl Pod {
    /// The environment of an operator in a world, with the ServiceAccount of the chart and the key of an IAM user.
    pub fn of(world: &World) -> Self {
        Self::with_user(world, world.rig.operator())
    }

    /// The same, as another user of the cluster.
    pub fn with_user(world: &World, user: &User) -> Self {
        Self::with_kubeconfig(world, &world.rig.kubeconfig_for(user, None).unwrap())
    }

    /// The same, with another kubeconfig.
    pub fn with_kubeconfig(world: &World, kubeconfig: &Path) -> Self {
        let variables = [
            ("AWS_ACCESS_KEY_ID", OPERATOR_KEY),
            ("AWS_SECRET_ACCESS_KEY", OPERATOR_SECRET),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("TEMPCRED_STS_ENDPOINT", &world.sts.url()),
            ("TEMPCRED_NAMESPACES", &world.namespace),
            ("POD_NAMESPACE", &world.namespace),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { kubeconfig: kubeconfig.to_owned(), account: None, variables: variables.into() }
    }

    /// Replaces the kubeconfig by what a Pod has: the token of its ServiceAccount in a volume, and the address of the API
    /// server in variables.
    pub fn in_cluster(mut self, world: &World) -> Self {
        let folder = world.rig.dir().join(format!("{}-account", world.namespace));
        std::fs::create_dir_all(&folder).unwrap();
        let config: Value =
            serde_json::from_slice(&std::fs::read(&self.kubeconfig).unwrap()).unwrap();
        let authority = &config["clusters"][0]["cluster"]["certificate-authority-data"];
        let authority = BASE64_STANDARD.decode(authority.as_str().unwrap()).unwrap();
        std::fs::write(folder.join("ca.crt"), authority).unwrap();
        std::fs::write(folder.join("namespace"), &world.namespace).unwrap();
        let token = config["users"][0]["user"]["token"].as_str().unwrap();
        std::fs::write(folder.join("token"), token).unwrap();
        let (host, port) = world.rig.server().rsplit_once(':').unwrap();
        self.account = Some(folder);
        self.set("KUBERNETES_SERVICE_HOST", host.trim_start_matches("https://"))
            .set("KUBERNETES_SERVICE_PORT", port)
    }

    /// Sets a variable.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Removes variables.
    pub fn without(mut self, names: &[&str]) -> Self {
        names.iter().for_each(|name| drop(self.variables.remove(*name)));
        self
    }

    /// Removes the key of the IAM user.
    pub fn without_key(self) -> Self {
        self.without(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
    }

    fn command(&self, flags: &[&str]) -> Command {
        let mut command = match &self.account {
            None => Command::new(binary()),
            Some(folder) => {
                let mut command = Command::new("unshare");
                command.args(["--user", "--map-root-user", "--mount", "sh", "-c", MOUNT]);
                command.arg(folder).arg(binary());
                command
            }
        };
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy().to_uppercase();
            if ["AWS_", "TEMPCRED_", "POD_"].iter().any(|prefix| text.starts_with(prefix))
                || text.ends_with("_PROXY")
            {
                command.env_remove(&name);
            }
        }
        command.env("HOME", "/nonexistent").env_remove("KUBECONFIG");
        if self.account.is_none() {
            command.env("KUBECONFIG", &self.kubeconfig);
        }
        command.envs(&self.variables).arg("doctor").args(flags);
        command
    }

    /// What doctor prints, and its exit code. Asserts that no secret value is among it.
    pub async fn run(&self, world: &World, flags: &[&str]) -> (Option<i32>, String) {
        let mut command = self.command(flags);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(err, "", "it logs nothing: {out}");
        self.assert_no_secret(world, &out);
        (output.status.code(), out)
    }

    fn assert_no_secret(&self, world: &World, out: &str) {
        let kubeconfig = std::fs::read(&self.kubeconfig).unwrap_or_default();
        let kubeconfig: Value = serde_json::from_slice(&kubeconfig).unwrap_or_default();
        let token = kubeconfig["users"][0]["user"]["token"].as_str().map(str::to_owned);
        let issued = world.sts.issued();
        let issued = issued.into_iter().flat_map(|record| [record.secret, record.token]);
        let known = [OPERATOR_SECRET, OPERATOR_KEY].map(str::to_owned);
        // The signature of a token of the cluster, wherever it comes from.
        let files = ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];
        let files = files.iter().filter_map(|name| self.variables.get(*name));
        let tokens = files.filter_map(|path| std::fs::read_to_string(path).ok()).chain(token);
        let signatures = tokens.filter_map(|token| token.rsplit('.').next().map(str::to_owned));
        for secret in known.into_iter().chain(issued).chain(signatures) {
            assert!(secret.is_empty() || !out.contains(&secret), "a secret value: {out}");
        }
    }

    /// What doctor reports.
    pub async fn report(&self, world: &World, flags: &[&str]) -> Report {
        let (code, out) = self.run(world, &[flags, &["--output", "json"]].concat()).await;
        let json: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}"));
        let count = |level: &str| json["summary"][level].as_u64().unwrap();
        assert_eq!(code, Some(i32::from(count("problem") > 0)), "{json:#}");
        for check in json["checks"].as_array().unwrap() {
            let advised = ["warning", "problem"].contains(&check["result"].as_str().unwrap());
            assert_eq!(check["advice"].is_string(), advised, "what to do: {check}");
        }
        Report { code, json }
    }
}

impl Report {
    /// Result and message of each finding of a check.
    pub fn findings(&self, check: &str) -> Vec<(&str, &str)> {
        let all = self.json["checks"].as_array().unwrap().iter();
        let of = all.filter(|finding| finding["check"] == check);
        of.map(|f| (f["result"].as_str().unwrap(), f["message"].as_str().unwrap())).collect()
    }

    /// Asserts that a check has exactly this finding.
    pub fn assert(&self, check: &str, result: &str, part: &str) {
        let found = self.findings(check);
        assert!(
            found.len() == 1 && found[0].0 == result && found[0].1.contains(part),
            "expected {check} {result}: {part}, but: {:#}",
            self.json
        );
    }

    /// Asserts that a check has this finding, among others.
    pub fn assert_has(&self, check: &str, result: &str, part: &str) {
        let found = self.findings(check);
        let is = |(level, message): &(&str, &str)| *level == result && message.contains(part);
        assert!(found.iter().any(is), "expected {check} {result}: {part}, but: {:#}", self.json);
    }

    /// The advice of the findings of a check.
    pub fn advice(&self, check: &str) -> String {
        let all = self.json["checks"].as_array().unwrap().iter();
        let of = all.filter(|finding| finding["check"] == check);
        of.filter_map(|finding| finding["advice"].as_str()).collect::<Vec<_>>().join("\n")
    }
}
