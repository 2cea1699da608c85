//! What an administrator does before tempcred can run: the CRDs, and the operator's role.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};
use serde_json::json;

use crate::Rig;

/// The kind that must be served before anybody can create one.
const CRD: &str = "crd/temporarycredentials.tempcred.dev";

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
        let paths = [
            root.join("crds"),
            root.join("tests/operator-rbac.yaml"),
            binding,
        ];
        let mut apply = vec!["apply".to_owned(), "--server-side".to_owned()];
        for path in paths {
            apply.extend(["--filename".to_owned(), path.display().to_string()]);
        }
        self.kubectl_output(&apply)?;
        self.kubectl_output(&["wait", "--for=condition=Established", CRD])?;
        Ok(())
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
