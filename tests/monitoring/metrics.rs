//! The names of the metrics.

use std::collections::BTreeSet;

use tempcred::telemetry::table::{self, Metric};

/// The suffixes of the series of a histogram.
const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// The names of all metrics.
pub fn all() -> BTreeSet<String> {
    table::ALL.iter().map(Metric::exported).collect()
}

/// Whether this is a metric, or a series of a histogram.
pub fn is_known(name: &str, all: &BTreeSet<String>) -> bool {
    let histogram = PARTS.iter().find_map(|part| name.strip_suffix(part));
    all.contains(name) || histogram.is_some_and(|name| all.contains(name))
}
