//! Which metrics there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The metrics, until there is a page that lists them.
const METRICS: [&str; 22] = [
    "tempcred_build_info",
    "tempcred_leader",
    "tempcred_credentials_issued_total",
    "tempcred_credentials_renewed_total",
    "tempcred_credentials_failed_total",
    "tempcred_sts_calls_total",
    "tempcred_sts_call_duration_seconds",
    "tempcred_sts_queue_depth",
    "tempcred_reconcile_duration_seconds",
    "tempcred_api_writes_total",
    "tempcred_credentials",
    "tempcred_credentials_not_ready",
    "tempcred_credentials_failing",
    "tempcred_credentials_overdue",
    "tempcred_next_expiration_timestamp_seconds",
    "tempcred_failing_since_timestamp_seconds",
    "tempcred_credential_expiration_timestamp_seconds",
    "tempcred_credential_renewal_timestamp_seconds",
    "tempcred_credential_seconds_until_expiration",
    "tempcred_credential_seconds_until_renewal",
    "tempcred_credential_ready",
    "tempcred_credential_failing_since_timestamp_seconds",
];

/// What a histogram has instead of a series of its own name.
const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// The names of all metrics.
pub fn all() -> BTreeSet<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    match fs::read_to_string(page) {
        Ok(page) => listed(&page),
        Err(_) => METRICS.map(str::to_owned).into(),
    }
}

/// The metrics in the first column of the tables of a Markdown page.
fn listed(page: &str) -> BTreeSet<String> {
    let cell =
        |line: &str| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name.to_owned());
    page.lines().filter_map(cell).collect()
}

/// Whether this is a metric, or a part of one that is a histogram.
pub fn is_known(name: &str, all: &BTreeSet<String>) -> bool {
    let histogram = PARTS.iter().find_map(|part| name.strip_suffix(part));
    all.contains(name) || histogram.is_some_and(|name| all.contains(name))
}

#[test]
fn metrics_are_read_from_the_first_column_of_a_table() {
    let page =
        "# Metrics\n\n| Name | Labels |\n|---|---|\n| `a_total` | `b` |\n| `c_seconds` | |\n";
    let all = listed(page);
    assert_eq!(all, ["a_total", "c_seconds"].map(str::to_owned).into());
    for (name, known) in
        [("a_total", true), ("c_seconds_bucket", true), ("b", false), ("d_seconds_bucket", false)]
    {
        assert_eq!(is_known(name, &all), known, "{name}");
    }
}
