//! The values: every setting of the program is among them, and invalid values are rejected.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use clap::CommandFactory;
use serde_json::Value;
use tempcred::cli::Cli;

use super::{ALL, CHART, of_kind, template, try_template, variables};

fn rendered(args: &[&str]) -> BTreeMap<String, String> {
    let objects = template(args);
    variables(of_kind(&objects, "Deployment")[0]).into_iter().collect()
}

/// The settings of `tempcred run` that have a variable: its name, and the default.
fn settings() -> BTreeMap<String, Option<String>> {
    let cli = Cli::command();
    let run = cli.find_subcommand("run").unwrap();
    let with_variable = run.get_arguments().filter_map(|argument| {
        let default = argument.get_default_values().first();
        let default = default.map(|value| value.to_str().unwrap().to_owned());
        Some((argument.get_env()?.to_str()?.to_owned(), default))
    });
    with_variable.collect()
}

#[test]
fn every_setting_of_the_program_can_be_set() {
    // An empty list renders nothing, so this one is set.
    let rendered: BTreeSet<_> = rendered(&["--values", ALL, "--set=settings.namespaces={a,b}"])
        .into_keys()
        .filter(|name| !name.starts_with("AWS_"))
        .collect();
    let wanted: BTreeSet<_> = settings().into_keys().collect();
    let missing: Vec<_> = wanted.difference(&rendered).collect();
    assert!(
        missing.is_empty(),
        "the chart does not know {missing:?}: add them to tests/generated/chart/settings.rs"
    );
}

#[test]
fn the_chart_has_the_defaults_of_the_program() {
    let rendered = rendered(&[]);
    for (name, default) in settings() {
        // A cluster may run several replicas; outside of one there is a single process.
        if name == "TEMPCRED_LEADER_ELECT" {
            continue;
        }
        if let (Some(default), Some(rendered)) = (default, rendered.get(&name)) {
            assert_eq!(*rendered, default, "{name}");
        }
    }
}

#[test]
fn an_empty_setting_is_not_rendered() {
    let names = |args: &[&str]| -> BTreeSet<String> { rendered(args).into_keys().collect() };
    let empty = "--set=settings.concurrency=null,settings.stsRate=null,settings.logFormat=null,\
                 settings.log=,settings.resourceMetrics=null,settings.withdrawnSecrets=null";
    // The settings that the chart itself relies on are always rendered.
    let always = ["TEMPCRED_HTTP_ADDR", "TEMPCRED_LEADER_ELECT", "TEMPCRED_LEASE_NAME"];
    assert_eq!(names(&[empty]), BTreeSet::from(always.map(str::to_owned)));
    assert_eq!(rendered(&["--set=settings.leaderElect=null,replicas=1"])[always[1]], "false");
}

/// The paths of all values that are not objects of others.
fn paths(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    match schema["properties"].as_object() {
        Some(fields) => {
            for (name, field) in fields {
                paths(field, &format!("{path}/{name}"), found);
            }
        }
        None => drop(found.insert(path.to_owned())),
    }
}

#[test]
fn the_tests_set_every_value() {
    let schema = fs::read_to_string(format!("{CHART}/values.schema.json")).unwrap();
    let mut all = BTreeSet::new();
    paths(&serde_json::from_str(&schema).unwrap(), "", &mut all);
    let set: Value = serde_yaml::from_str(&fs::read_to_string(ALL).unwrap()).unwrap();
    let unset: Vec<_> = all.iter().filter(|path| set.pointer(path).is_none()).collect();
    // These two belong to other charts.
    assert_eq!(unset, ["/enabled", "/global"]);
    assert!(all.len() > 50, "{all:?}");
}

#[test]
fn an_invalid_value_is_rejected_with_its_place_and_the_reason() {
    let long = "settings.namespaces={".to_owned() + &"a".repeat(64) + "}";
    for (row, set, complaint) in [
        ("a typing error", "replica=2", "additional properties 'replica' not allowed"),
        ("an unknown setting", "settings.regoin=x", "at '/settings'"),
        ("text for a number", "settings.concurrency=many", "at '/settings/concurrency'"),
        ("too small", "settings.stsRate=0", "at '/settings/stsRate'"),
        ("an unknown format", "settings.logFormat=xml", "at '/settings/logFormat'"),
        ("no URL", "settings.stsEndpoint=sts.example.com", "at '/settings/stsEndpoint'"),
        ("no namespace", "settings.namespaces={team_a}", "at '/settings/namespaces/0'"),
        ("too long for a namespace", &long, "at '/settings/namespaces/0'"),
        ("no list", "settings.namespaces=team", "at '/settings/namespaces'"),
        ("no digest", "image.digest=abc", "at '/image/digest'"),
        ("no policy", "image.pullPolicy=Sometimes", "at '/image/pullPolicy'"),
        ("a label that is no text", "podLabels.a=true", "at '/podLabels/a'"),
        ("negative", "replicas=-1", "at '/replicas'"),
        ("no interval", "metrics.podMonitor.interval=often", "at '/metrics/podMonitor/interval'"),
        ("no percentage", "podDisruptionBudget.maxUnavailable=half", "'/podDisruptionBudget"),
        (
            "an empty audience",
            "admissionPolicies.tokenAudiences={}",
            "'/admissionPolicies/tokenAudiences/0'",
        ),
        (
            "two lines",
            "admissionPolicies.tokenAudiences={a\nb}",
            "'/admissionPolicies/tokenAudiences/0'",
        ),
        (
            "an unknown action",
            "admissionPolicies.actions={Refuse}",
            "'/admissionPolicies/actions/0'",
        ),
        ("refused and warned of", "admissionPolicies.actions={Deny,Warn}", "exclude each other"),
        (
            "no list of groups",
            "admissionPolicies.signedByOperator.groups=platform",
            "at '/admissionPolicies/signedByOperator/groups'",
        ),
        ("two without election", "settings.leaderElect=false", "only one may run"),
        (
            "nothing to scrape",
            "metrics.serviceMonitor.enabled=true,metrics.service.enabled=false",
            "metrics.serviceMonitor needs metrics.service.enabled",
        ),
    ] {
        let error = try_template(&["--set", set]).expect_err(row);
        assert!(error.contains(complaint), "{row}: {error}");
    }
}

#[test]
fn a_parent_chart_may_share_values() {
    template(&["--set=enabled=true,global.imageRegistry=example.com"]);
}
