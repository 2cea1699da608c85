//! The report as SARIF 2.1.0.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::commands::check::finding::Finding;
use crate::commands::check::report::Report;
use crate::commands::check::rule::Rule;
use crate::telemetry::version;

/// Where the rules are documented.
const HELP: &str = "https://github.com/tempcred/tempcred/blob/main/docs/check.md";

/// The report.
pub fn value(report: &Report) -> Value {
    // The rules that found something, in the order of the table.
    let used: BTreeSet<Rule> = report.findings.iter().map(|finding| finding.rule).collect();
    let used: Vec<_> = used.into_iter().collect();
    let results = report.findings.iter().map(|finding| result(report, finding, &used));
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "tempcred check",
                "version": version::VERSION,
                "informationUri": HELP,
                "rules": used.iter().map(|one| rule(*one)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
        }],
    })
}

fn rule(rule: Rule) -> Value {
    json!({
        "id": rule.id(),
        "shortDescription": {"text": rule.about()},
        "helpUri": HELP,
        "defaultConfiguration": {"level": rule.level().as_str()},
    })
}

fn result(report: &Report, finding: &Finding, used: &[Rule]) -> Value {
    let mut location = json!({});
    match &*finding.place.file {
        // Neither is a file.
        "-" | "cluster" => {}
        file => {
            location["physicalLocation"] = json!({"artifactLocation": {"uri": uri(file)}});
            if finding.place.line > 0 {
                let region = json!({"startLine": finding.place.line});
                location["physicalLocation"]["region"] = region;
            }
        }
    }
    if let Some(object) = &finding.object {
        let logical = json!([{"fullyQualifiedName": object, "kind": "object"}]);
        location["logicalLocations"] = logical;
    }
    json!({
        "ruleId": finding.rule.id(),
        "ruleIndex": used.iter().position(|rule| *rule == finding.rule),
        "level": report.level(finding).as_str(),
        "message": {"text": finding.text()},
        "locations": [location],
    })
}

/// A path as a URI. A relative path stays relative, which code scanning resolves against the repository.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.trim_start_matches("./").bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/@+,=".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    if uri.starts_with('/') { format!("file://{uri}") } else { uri }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        for (path, expected) in [
            ("a/b.yaml", "a/b.yaml"),
            ("./a b.yaml", "a%20b.yaml"),
            ("/a/b.yaml", "file:///a/b.yaml"),
            ("é.yaml", "%C3%A9.yaml"),
        ] {
            assert_eq!(uri(path), expected);
        }
    }
}
