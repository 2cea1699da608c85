//! Programs that tests and releases need, built from Go modules at first use.

use std::path::PathBuf;

use anyhow::Result;

use crate::golang::Program;

/// A program that the rig builds. Its module, with versions and checksums, is a folder of its own
/// below `tools/`, so that one can be renewed without the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// The package manager.
    Helm,
    /// Makes the container image of a folder.
    Image,
    /// Checks and tests Prometheus rules.
    Promtool,
}

impl Tool {
    /// Every tool.
    pub const ALL: [Self; 3] = [Self::Helm, Self::Image, Self::Promtool];

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
                progress: "building helm from Go modules (about 2 minutes, once)",
            },
            Self::Image => Program {
                name: "image",
                folder: "tools/image",
                package: ".",
                stamp: "",
                tags: "",
                progress: "building the maker of images from Go modules (some seconds, once)",
            },
            Self::Promtool => Program {
                name: "promtool",
                folder: "tools/promtool",
                package: "github.com/prometheus/prometheus/cmd/promtool",
                stamp: "",
                // Service discovery would add the SDKs of a dozen clouds.
                tags: "remove_all_sd",
                progress: "building promtool from Go modules (about 3 minutes, once)",
            },
        }
    }
}
