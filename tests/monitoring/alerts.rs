//! The alerting rules.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use rig::Tool;
use serde::Deserialize;

use crate::{promql, read};

const RULES: &str = "charts/tempcred/files/alerts.yaml";
const TESTS: &str = "tests/monitoring/alerts.test.yaml";
const RUNBOOKS: &str = "docs/runbooks.md";

type Words = BTreeMap<String, String>;

#[derive(Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    alert: String,
    expr: String,
    labels: Words,
    annotations: Words,
}

#[derive(Deserialize)]
struct Tests {
    tests: Vec<Test>,
}

#[derive(Deserialize)]
struct Test {
    alert_rule_test: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    alertname: String,
    exp_alerts: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    exp_labels: Words,
}

fn rules() -> Vec<Rule> {
    let rules: Rules = serde_yaml::from_str(&read(RULES)).unwrap();
    let rules: Vec<_> = rules.groups.into_iter().flat_map(|group| group.rules).collect();
    assert!(rules.len() >= 6, "there are only {}", rules.len());
    rules
}

/// Runs promtool in the root of the repository, and fails if it does.
fn promtool(args: &[&str]) {
    let mut promtool = Command::new(Tool::Promtool.ready().unwrap());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = promtool.args(args).current_dir(root).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "promtool {args:?}:\n{}", String::from_utf8_lossy(&said));
}

#[test]
fn prometheus_accepts_the_rules() {
    promtool(&["check", "rules", "--lint=all", "--lint-fatal", RULES]);
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    promtool(&["test", "rules", TESTS]);
}

#[test]
fn alerts_read_metrics_that_exist() {
    for rule in rules() {
        promql::check(&rule.alert, &rule.expr);
    }
}

#[test]
fn every_alert_has_a_test_that_fires_and_one_that_does_not() {
    let tests: Tests = serde_yaml::from_str(&read(TESTS)).unwrap();
    let cases: Vec<_> = tests.tests.into_iter().flat_map(|test| test.alert_rule_test).collect();
    for rule in rules() {
        let about = || cases.iter().filter(|case| case.alertname == rule.alert);
        // Two rules with the same name differ in their labels.
        let by_this = |alert: &Expected| {
            rule.labels.iter().all(|(name, value)| alert.exp_labels.get(name) == Some(value))
        };
        let fires = about().any(|case| case.exp_alerts.iter().any(by_this));
        assert!(fires, "no test fires {} with {:?}", rule.alert, rule.labels);
        assert!(about().any(|case| case.exp_alerts.is_empty()), "none spares {}", rule.alert);
    }
}

#[test]
fn every_alert_has_a_severity_and_a_runbook() {
    let runbooks = read(RUNBOOKS);
    let headings: Vec<_> = runbooks.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let rules = rules();
    for rule in &rules {
        let alert = rule.alert.as_str();
        assert!(["critical", "warning"].contains(&rule.labels["severity"].as_str()), "{alert}");
        for annotation in ["summary", "description"] {
            assert!(rule.annotations[annotation].ends_with('.'), "{alert}: {annotation}");
        }
        let place = format!(
            "{}/blob/main/{RUNBOOKS}#{}",
            env!("CARGO_PKG_REPOSITORY"),
            alert.to_lowercase()
        );
        assert_eq!(rule.annotations["runbook_url"], place, "{alert}");
        assert!(headings.contains(&alert), "{alert} has no runbook");
    }
    let alerts = |heading: &&&str| heading.starts_with("Tempcred");
    for heading in headings.iter().filter(alerts) {
        assert!(rules.iter().any(|rule| rule.alert == **heading), "there is no alert {heading}");
    }
}
