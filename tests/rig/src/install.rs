//! What an administrator does before tempcred can run: install its chart.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::Rig;
use crate::process::wait_until;

/// Where the chart is installed.
pub(crate) const NAMESPACE: &str = "tempcred-system";

/// The name of the release, and of its ServiceAccount.
pub(crate) const RELEASE: &str = "tempcred";

/// The kinds that must be served before objects can be created.
const CRDS: [&str; 2] = ["crd/temporarycredentials.tempcred.dev", "crd/rolegrants.tempcred.dev"];

/// The kinds that must be discoverable before the garbage collector can learn about them.
const DISCOVERY: &str = "/apis/tempcred.dev/v1alpha1";

/// How long that may take.
const SERVED_WITHIN: Duration = Duration::from_secs(120);

impl Rig {
    /// Installs the chart of the workspace at `root` as a user would, but without Pods: the
    /// operator runs on this machine, as the chart's ServiceAccount ([`Rig::operator`]). Returns
    /// once the CRDs are served.
    ///
    /// An external cluster gets the CRDs only: there every user is that of its kubeconfig, and may have
    /// installed a release.
    pub fn install(&self, root: &Path) -> Result<()> {
        self.install_with(root, &[])
    }

    /// The same, with further arguments for Helm.
    pub fn install_with(&self, root: &Path, args: &[&str]) -> Result<()> {
        if self.is_foreign() {
            let crds = root.join("crds").display().to_string();
            self.kubectl_output(&["apply", "--server-side", "--filename", &crds])?;
        } else {
            let chart = root.join("charts/tempcred").display().to_string();
            let install = ["install", RELEASE, &chart, "--namespace", NAMESPACE];
            let install = [&install[..], &["--create-namespace", "--set=replicas=0"], args];
            self.helm_output(&install.concat())?;
        }
        self.serve_crds()
    }

    /// Waits until the CRDs are served, and the controllers know them.
    pub fn serve_crds(&self) -> Result<()> {
        self.wait_for_crds(&CRDS)?;
        // The garbage collector learns of new types only every 30 s, and at its start from what is
        // discoverable then: established is not discoverable yet.
        let what = "the API server to serve the CRDs";
        wait_until(what, SERVED_WITHIN, || {
            Ok(self.kubectl().args(["get", "--raw", DISCOVERY]).output()?.status.success())
        })?;
        self.restart_controllers()
    }

    /// Waits until CRDs are established. `crds` are those of `kubectl wait`, for example `crd/NAME`.
    pub fn wait_for_crds(&self, crds: &[&str]) -> Result<()> {
        let wait = [&["wait", "--for=condition=Established"][..], crds].concat();
        // As long as a CRD has no conditions at all, kubectl fails immediately.
        wait_until("the CRDs are established", SERVED_WITHIN, || {
            Ok(self.kubectl().args(&wait).output()?.status.success())
        })
    }

    /// Runs kubectl as admin and returns its output; fails with its error output.
    pub fn kubectl_output<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Result<String> {
        output("kubectl", self.kubectl().args(args))
    }

    /// Runs Helm as admin and returns its output; fails with its error output.
    pub fn helm_output<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Result<String> {
        output("helm", self.helm()?.args(args))
    }
}

fn output(name: &str, command: &mut Command) -> Result<String> {
    let output = command.output()?;
    if !output.status.success() {
        let args: Vec<_> = command.get_args().map(|a| a.to_string_lossy()).collect();
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("{name} {}: {}", args.join(" "), error.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
