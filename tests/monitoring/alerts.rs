//! The alerting rules.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use rig::Tool;
use serde::Deserialize;

use crate::{promql, read};

const RULES: &str = "charts/tempcred/files/alerts.yaml";
const TESTS: &str = "tests/monitoring/alerts.test.yaml";
const INHIBITIONS: &str = "charts/tempcred/files/inhibit-rules.yaml";
const RUNBOOKS: &str = "docs/runbooks.md";

type Words = BTreeMap<String, String>;

#[derive(Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<AnyRule>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AnyRule {
    Alert(Rule),
    Record(Recorded),
}

/// An expression that other rules read by this name.
#[derive(Deserialize)]
struct Recorded {
    record: String,
    expr: String,
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

fn all_rules() -> impl Iterator<Item = AnyRule> {
    let rules: Rules = serde_yaml::from_str(&read(RULES)).unwrap();
    rules.groups.into_iter().flat_map(|group| group.rules)
}

fn rules() -> Vec<Rule> {
    let alert = |rule| match rule {
        AnyRule::Alert(rule) => Some(rule),
        AnyRule::Record(_) => None,
    };
    let rules: Vec<_> = all_rules().filter_map(alert).collect();
    assert!(rules.len() >= 6, "there are only {}", rules.len());
    rules
}

fn recorded() -> Vec<Recorded> {
    let record = |rule| match rule {
        AnyRule::Alert(_) => None,
        AnyRule::Record(rule) => Some(rule),
    };
    all_rules().filter_map(record).collect()
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
    let recorded = recorded();
    let names: Vec<_> = recorded.iter().map(|rule| rule.record.as_str()).collect();
    for rule in &recorded {
        promql::check_with(&rule.record, &rule.expr, &names);
    }
    let rules = rules();
    for rule in &rules {
        promql::check_with(&rule.alert, &rule.expr, &names);
    }
    // An alert reads a recorded metric itself, or through other recorded ones.
    let mut read: Vec<_> = rules.iter().map(|rule| &rule.expr).collect();
    let mut unread: Vec<_> = recorded.iter().collect();
    while let Some(found) =
        unread.iter().position(|rule| read.iter().any(|expr| expr.contains(&rule.record)))
    {
        read.push(&unread.swap_remove(found).expr);
    }
    let unread: Vec<_> = unread.iter().map(|rule| &rule.record).collect();
    assert!(unread.is_empty(), "no alert reads {unread:?}");
}

#[test]
fn every_alert_names_the_cluster_in_its_summary() {
    for rule in rules() {
        let cluster = "{{ with $labels.cluster }} in cluster {{ . }}{{ end }}";
        assert!(rule.annotations["summary"].contains(cluster), "{}", rule.alert);
        assert!(rule.expr.contains("by (cluster, job") || rule.expr.starts_with("tempcred:"));
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

/// The matchers of an inhibition rule: what it names must exist.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inhibition {
    source_matchers: Vec<String>,
    target_matchers: Vec<String>,
    equal: Vec<String>,
}

#[test]
fn the_inhibition_rules_match_alerts_and_labels_that_exist() {
    let inhibitions: Vec<Inhibition> = serde_yaml::from_str(&read(INHIBITIONS)).unwrap();
    let rules = rules();
    let name = |rule: &Rule| BTreeMap::from([("alertname".to_owned(), rule.alert.clone())]);
    // The labels that alerts have, besides those of their rule.
    let dynamic = ["cluster", "job", "namespace", "name", "alertname"];
    for Inhibition { source_matchers, target_matchers, equal } in inhibitions {
        for matcher in source_matchers.iter().chain(&target_matchers) {
            let (label, values) = matcher.split_once("=").unwrap();
            let values = values.trim_start_matches('~').trim_matches('"');
            for value in values.split('|') {
                let has = |rule: &Rule| {
                    let labels = [name(rule), rule.labels.clone()];
                    let found = labels.iter().find_map(|labels| labels.get(label));
                    let prefix = value.strip_suffix(".+");
                    found.is_some_and(|found| match prefix {
                        Some(prefix) => found.starts_with(prefix),
                        None => found == value,
                    })
                };
                assert!(rules.iter().any(has), "no alert has {label} {value:?}");
            }
        }
        for label in equal {
            assert!(dynamic.contains(&label.as_str()), "{label}");
        }
    }
}
