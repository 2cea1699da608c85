//! Third-party programs that tests and releases need, built from Go modules at first use, and files from
//! such modules.

use std::path::PathBuf;

use anyhow::Result;

use crate::golang::{self, Program};

/// A program that the rig builds. Its module, with versions and checksums, is a folder of its own
/// below `tools/`, so that one can be renewed without the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// The package manager.
    Helm,
    /// Makes the container image of a folder.
    Image,
    /// The plugin manager of kubectl.
    Krew,
    /// Prints the verdict of kstatus, and so of Flux, on objects from stdin.
    Kstatus,
    /// Runs a Lua script on an object as Argo CD does.
    Lua,
    /// Checks and tests Prometheus rules.
    Promtool,
    /// The program of the AWS SDK for Go: see [`Sdk`](crate::Sdk).
    SdkGo,
    /// Checks prose.
    Vale,
}

impl Tool {
    /// Every tool.
    pub const ALL: [Self; 7] = [
        Self::Helm,
        Self::Image,
        Self::Kstatus,
        Self::Lua,
        Self::Promtool,
        Self::SdkGo,
        Self::Vale,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        self.program().name
    }

    /// The binary, built unless that has been done.
    ///
    /// # Errors
    ///
    /// When Go is missing, or the build fails.
    pub fn ready(self) -> Result<PathBuf> {
        self.program().ready()
    }

    fn program(self) -> Program<'static> {
        match self {
            Self::Helm => Program {
                name: "helm",
                folder: "tools/helm",
                package: "helm.sh/helm/v4/cmd/helm",
                stamp: "",
                tags: "",
                cgo: false,
                progress: "building helm from Go modules (about 2 minutes, once)",
            },
            Self::Krew => Program {
                name: "krew",
                folder: "tools/krew",
                package: "sigs.k8s.io/krew/cmd/krew",
                stamp: "",
                tags: "",
                cgo: false,
                progress: "building krew from Go modules (about 1 minute, once)",
            },
            Self::Kstatus => Program {
                name: "kstatus",
                folder: "tools/kstatus",
                package: ".",
                stamp: "",
                tags: "",
                cgo: false,
                progress: "building kstatus from Go modules (about 1 minute, once)",
            },
            Self::Lua => Program {
                name: "lua",
                folder: "tools/lua",
                package: ".",
                stamp: "",
                tags: "",
                cgo: false,
                progress: "building the Lua of Argo CD from Go modules (seconds, once)",
            },
            Self::Image => Program {
                name: "image",
                folder: "tools/image",
                package: ".",
                stamp: "",
                tags: "",
                cgo: false,
                progress: "building the maker of images from Go modules (some seconds, once)",
            },
            Self::Promtool => Program {
                name: "promtool",
                folder: "tools/promtool",
                package: "github.com/prometheus/prometheus/cmd/promtool",
                stamp: "",
                // Service discovery would add the SDKs of a dozen clouds.
                tags: "remove_all_sd",
                cgo: false,
                progress: "building promtool from Go modules (about 3 minutes, once)",
            },
            Self::SdkGo => Program {
                name: "sdk-go",
                folder: "tools/sdk-go",
                package: ".",
                stamp: "",
                tags: "",
                cgo: false,
                progress: "building a program with the AWS SDK for Go (about 30 s, once)",
            },
            Self::Vale => Program {
                name: "vale",
                folder: "tools/vale",
                package: "github.com/vale-cli/vale/v3/cmd/vale",
                stamp: "",
                tags: "",
                // The parsers that find comments in code are C.
                cgo: true,
                progress: "building vale from Go modules (about 1 minute, once)",
            },
        }
    }
}

/// The folder with the CRDs of the Prometheus operator, downloaded unless that has been done: a file
/// `monitoring.coreos.com_<plural>.yaml` for each kind.
///
/// # Errors
///
/// When Go is missing, or the download fails.
pub fn prometheus_crds() -> Result<PathBuf> {
    let module = "github.com/prometheus-operator/prometheus-operator";
    let folder = golang::module("tools/prometheus-operator", module)?;
    Ok(folder.join("example/prometheus-operator-crd"))
}

/// The file with the CRD of Flux' `Kustomization`, downloaded unless that has been done.
///
/// # Errors
///
/// When Go is missing, or the download fails.
pub fn flux_crd() -> Result<PathBuf> {
    let folder = golang::module("tools/flux", "github.com/fluxcd/kustomize-controller")?;
    Ok(folder.join("config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml"))
}
