//! What a release is made of, and that it works: `.ci/release --snapshot` is run, and everything it
//! makes is looked at. Nothing of it needs a container engine.
//!
//! The first run builds the static binary and the tools, which takes some minutes; the script says so
//! on the way. Everything is kept below `target/`.
#![expect(clippy::unwrap_used, reason = "in a test, a failure to unwrap is the failure to show")]

mod bundle;
mod dns;
mod unpacked;

mod binary;
mod changelog;
mod content;
mod dockerfile;
mod image;
mod live;
mod refusals;
mod reproducible;
mod sbom;
