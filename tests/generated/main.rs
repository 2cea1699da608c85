//! What is generated from the types is up to date.
//!
//! `TEMPCRED_UPDATE=1 cargo test --workspace --test generated` updates it.
#![expect(clippy::unwrap_used, reason = "in a test, a failure to unwrap is the failure to show")]

mod chart;
mod reference;

use std::fmt::Write;
use std::{env, fs, path::Path};

use tempcred::aws::codes::CODES;
use tempcred::telemetry::table::{self, Kind, Scope};
use tempcred_core::problem::Class;
use tempcred_core::problem::Reason;

/// Fails if a file is out of date, or updates it.
fn up_to_date(path: &str, wanted: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if env::var_os("TEMPCRED_UPDATE").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, wanted).unwrap();
    }
    let actual = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        actual == wanted,
        "{path} is out of date: run `TEMPCRED_UPDATE=1 cargo test --workspace --test generated` and commit the result"
    );
}

#[test]
fn crds() {
    for crd in tempcred_core::api::crds() {
        let yaml = format!("---\n{}", serde_yaml::to_string(&crd).unwrap());
        let file = format!("crds/{}.yaml", crd.spec.names.plural);
        up_to_date(&file, &yaml);
        // Helm reads no file outside of the chart.
        up_to_date(&format!("charts/tempcred/files/{file}"), &yaml);
    }
}

#[test]
fn chart() {
    for (file, wanted) in [
        ("Chart.yaml", chart::chart_file()),
        ("values.yaml", chart::values_file()),
        ("values.schema.json", chart::schema_file()),
        ("README.md", chart::readme()),
    ] {
        up_to_date(&format!("charts/tempcred/{file}"), &wanted);
    }
}

/// The kustomize component names the image of its own version, as the chart does.
#[test]
fn kustomize_component() {
    let path = "examples/inject/component/agent.yaml";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = fs::read_to_string(file).unwrap();
    let image = "image: ghcr.io/tempcred/tempcred:";
    let with_version = |line: &str| match line.split_once(image) {
        Some((before, _)) => format!("{before}{image}{}\n", env!("CARGO_PKG_VERSION")),
        None => format!("{line}\n"),
    };
    assert!(text.contains(image), "{path} has no image");
    up_to_date(path, &text.lines().map(with_version).collect::<String>());
}

#[test]
fn api_reference() {
    let pages: Vec<_> = tempcred_core::api::crds().iter().map(reference::page).collect();
    up_to_date(
        "docs/api.md",
        &format!("# API reference\n\nGenerated from the types; do not edit.\n{}", pages.concat()),
    );
}

#[test]
fn reasons() {
    let mut page = String::from(
        "# Reasons\n\nThe reasons in conditions, in `status.failure` and in events. Their names are stable. If there is [specific \
         advice for the error code](sts-errors.md) of AWS,\nthe message ends with that advice instead of the advice here. Generated from `core/src/problem/reason.rs`; do not edit.\n\n| Reason | Class | Meaning | What to do |\n|---|---|---|---|\n",
    );
    for reason in Reason::ALL {
        let class = reason.class().map_or("—".to_owned(), |class| format!("{class:?}"));
        writeln!(page, "| `{reason}` | {class} | {} | {} |", reason.meaning(), reason.advice())
            .unwrap();
    }
    page.push_str("\n## Classes\n\nThe class of a failure decides when the next attempt is made. The wait doubles with each failed attempt. It never exceeds one third of the\nremaining validity of the credentials.\n\n| Class | First wait | Longest wait |\n|---|---|---|\n");
    for class in Class::ALL {
        writeln!(
            page,
            "| `{class:?}` | {:#} | {:#} |",
            class.shortest_wait(),
            class.longest_wait()
        )
        .unwrap();
    }
    up_to_date("docs/reasons.md", &page);
}

#[test]
fn sts_errors() {
    let mut page = String::from(
        "# Errors of STS\n\nThe known errors of AWS STS, with the [reason](reasons.md) and the advice for each of them. The first row that \
         matches applies.\nIf a row has a part of the message in bold, the message must contain that part. A code without a row \
         has the reason `StsUnavailable`\n(HTTP 5xx), `Throttled` (429) or `Refused`. Messages of AWS that may quote a \
         secret (about signatures, and about invalid tokens)\nare not passed on. Generated from `src/aws/codes.rs`; do not edit.\n\n\
         | Code | Example of the message | Reason | Class | What to do |\n|---|---|---|---|---|\n",
    );
    for row in CODES {
        let codes: Vec<_> = row.codes.iter().map(|code| format!("`{code}`")).collect();
        let mut says = row.example.replace('*', "\\*");
        if let Some(part) = row.part {
            says = says.replacen(part, &format!("**{part}**"), 1);
        }
        let class = row.reason.class().unwrap();
        let (codes, reason, advice) = (codes.join(", "), row.reason, row.advice);
        writeln!(page, "| {codes} | {says} | `{reason}` | {class:?} | {advice} |").unwrap();
    }
    up_to_date("docs/sts-errors.md", &page);
}

#[test]
fn metrics() {
    let mut page = String::from(
        "# Metrics\n\nThe metrics of `tempcred run` at `/metrics`, in the OpenMetrics text format. With `--cluster-name`, each metric also has \
         the label `cluster`. The label values in the first two tables \
         are from closed sets.\nGenerated from `src/telemetry/table.rs`; do not edit.\n",
    );
    for (scope, title, text) in [
        (Scope::Process, "Metrics of each replica", "Each replica exports its own values."),
        (
            Scope::Fleet,
            "Metrics of all resources",
            "Only the leader exports these totals, so that sums over replicas are correct.",
        ),
        (
            Scope::Grant,
            "Metrics of the RoleGrants",
            "The leader exports values for each RoleGrant. The series of a deleted RoleGrant end with it.",
        ),
        (
            Scope::Resource,
            "Metrics of each resource",
            "Only the leader exports these metrics. `--resource-metrics=false` disables them.",
        ),
    ] {
        write!(
            page,
            "\n## {title}\n\n{text}\n\n| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n"
        )
        .unwrap();
        for metric in table::ALL.iter().filter(|metric| metric.scope == scope) {
            let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let kind = match metric.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
                Kind::Info => "info",
            };
            let (name, labels) = (metric.exported(), labels.join(", "));
            writeln!(page, "| `{name}` | {kind} | {labels} | {}. |", metric.help).unwrap();
        }
    }
    up_to_date("docs/metrics.md", &page);
}
