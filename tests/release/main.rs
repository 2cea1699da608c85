//! The content of a release, and that it works: tests run `.ci/release --snapshot` and check everything that
//! it makes. No container engine is needed.
//!
//! The first run builds the static binary and the tools, which takes some minutes; the script reports its
//! progress. Everything is kept below `target/`.
#![expect(clippy::unwrap_used, reason = "in a test, a failure to unwrap is the failure to show")]

mod bundle;
mod cluster;
mod dns;
mod unpacked;

mod agent;
mod archive;
mod binary;
mod changelog;
mod content;
mod dockerfile;
mod image;
mod live;
mod plugin;
mod refusals;
mod reproducible;
mod sbom;
