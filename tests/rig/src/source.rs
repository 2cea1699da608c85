//! Where the control plane comes from.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::golang::Program;
use crate::progress::say;

/// An existing cluster.
pub(crate) const FOREIGN: &str = "TEMPCRED_RIG_KUBECONFIG";
/// Ready-made binaries, by the convention of envtest.
const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// The version in `control-plane/go.mod`.
const VERSION: &str = "v1.36.3";

/// A part of the control plane.
#[derive(Clone, Copy)]
pub(crate) enum Component {
    Etcd,
    ApiServer,
    ControllerManager,
}

impl Component {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
        }
    }
}

/// How to get the components of a control plane.
#[derive(Clone)]
pub(crate) enum Source {
    /// A cluster that runs already: its kubeconfig.
    Foreign(PathBuf),
    /// A folder with a binary for each.
    Assets(PathBuf),
    /// One binary for all, built from `control-plane/`.
    Built(PathBuf),
}

impl Source {
    /// Whether it is to be a cluster that runs already.
    pub(crate) fn is_foreign() -> bool {
        set(FOREIGN).is_some()
    }

    /// Selects where the components come from, reports it, and builds if necessary.
    pub(crate) fn ready() -> Result<Self> {
        if let Some(path) = set(FOREIGN) {
            if !path.is_file() {
                bail!("{FOREIGN}: there is no kubeconfig at {}", path.display());
            }
            say(&format!("using the cluster of {FOREIGN} ({})", path.display()));
            return Ok(Self::Foreign(path));
        }
        if let Some(dir) = set(ASSETS) {
            for component in [Component::Etcd, Component::ApiServer] {
                if !dir.join(component.name()).is_file() {
                    bail!("{ASSETS}: there is no {} in {}", component.name(), dir.display());
                }
            }
            say(&format!("using the control plane of {ASSETS} ({})", dir.display()));
            let assets = Self::Assets(dir);
            if assets.command(Component::ControllerManager).is_none() {
                say("warning: no kube-controller-manager there, so nothing collects garbage");
            }
            return Ok(assets);
        }
        let binary = build()?;
        say(&format!("using a control plane built from Go modules ({VERSION})"));
        Ok(Self::Built(binary))
    }

    /// The command for a component, without flags. None if there is none.
    pub(crate) fn command(&self, component: Component) -> Option<Command> {
        match self {
            Self::Foreign(_) => None,
            Self::Assets(dir) => {
                let binary = dir.join(component.name());
                binary.is_file().then(|| Command::new(binary))
            }
            Self::Built(binary) => {
                let mut command = Command::new(binary);
                command.arg(component.name());
                Some(command)
            }
        }
    }

    /// The kubectl that came with it.
    pub(crate) fn kubectl(&self) -> Option<PathBuf> {
        match self {
            Self::Assets(dir) => Some(dir.join("kubectl")).filter(|path| path.is_file()),
            Self::Foreign(_) | Self::Built(_) => None,
        }
    }
}

fn set(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Builds `control-plane/` unless that has been done.
fn build() -> Result<PathBuf> {
    let mut version = VERSION.trim_start_matches('v').split('.');
    let (major, minor) = (version.next().unwrap_or(""), version.next().unwrap_or(""));
    let at = "k8s.io/component-base/version";
    let stamp =
        format!("-X {at}.gitVersion={VERSION} -X {at}.gitMajor={major} -X {at}.gitMinor={minor}");
    let program = Program {
        name: "control-plane",
        folder: "control-plane",
        package: ".",
        stamp: &stamp,
        tags: "",
        cgo: false,
        progress: "building etcd and Kubernetes from Go modules (about 5 minutes, once)",
    };
    program.ready()
}
