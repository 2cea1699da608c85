//! What an administrator does before tempcred can run: the CRDs, and the operator's role.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::json;

use crate::Rig;
use crate::process::wait_until;

/// The kind that must be served before anybody can create one.
const CRD: &str = "crd/temporarycredentials.tempcred.dev";

/// What must be discoverable before the garbage collector can know of it.
const DISCOVERY: &str = "/apis/tempcred.dev/v1alpha1";

/// How long that may take.
const SERVED_WITHIN: Duration = Duration::from_secs(30);

impl Rig {
    /// Installs the CRDs of the workspace at `root`, gives [`Rig::operator`] its
    /// role, and waits until the CRDs are served.
    pub fn install(&self, root: &Path) -> Result<()> {
        let binding = self.dir().join("operator-binding.json");
        let content = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "tempcred"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "tempcred"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": self.operator().name()}],
        });
        fs::write(&binding, content.to_string())?;
        let paths = [root.join("crds"), root.join("tests/operator-rbac.yaml"), binding];
        let mut apply = vec!["apply".to_owned(), "--server-side".to_owned()];
        for path in paths {
            apply.extend(["--filename".to_owned(), path.display().to_string()]);
        }
        self.kubectl_output(&apply)?;
        self.kubectl_output(&["wait", "--for=condition=Established", CRD])?;
        // The garbage collector learns of new types only every 30 s, and at its start from what is
        // discoverable then: established is not discoverable yet.
        let what = "the API server to serve the CRDs";
        wait_until(what, SERVED_WITHIN, || {
            Ok(self.kubectl().args(["get", "--raw", DISCOVERY]).output()?.status.success())
        })?;
        self.restart_controllers()
    }

    /// Runs kubectl as admin and returns what it prints; fails with its own words.
    pub fn kubectl_output<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Result<String> {
        let output = self.kubectl().args(args).output()?;
        if !output.status.success() {
            let command: Vec<_> = args.iter().map(|a| a.as_ref().to_string_lossy()).collect();
            let error = String::from_utf8_lossy(&output.stderr);
            bail!("kubectl {}: {}", command.join(" "), error.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
