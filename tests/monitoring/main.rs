//! The chart's alerts and dashboard: every expression parses and names existing metrics, every alert fires
//! when it should and only then, and has a runbook.
#![expect(clippy::unwrap_used, reason = "in a test, a failure to unwrap is the failure to show")]

mod alerts;
mod dashboard;
mod metrics;
mod promql;

use std::fs;
use std::path::Path;

/// A file of the repository.
fn read(path: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"))
}
