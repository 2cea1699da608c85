//! The dashboard.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{promql, read};

fn dashboard() -> Value {
    serde_json::from_str(&read("charts/tempcred/files/dashboard.json")).unwrap()
}

fn panels(dashboard: &Value) -> &[Value] {
    dashboard["panels"].as_array().unwrap()
}

/// The expression in a variable's `label_values(EXPRESSION, label)`.
fn selected(variable: &Value) -> Option<&str> {
    let query = variable["query"]["query"].as_str()?;
    let (expression, _) = query.strip_prefix("label_values(")?.rsplit_once(',')?;
    Some(expression)
}

#[test]
fn panels_and_variables_read_metrics_that_exist() {
    let dashboard = dashboard();
    let mut expressions = 0;
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().into_iter().flatten() {
            promql::check(title, target["expr"].as_str().unwrap());
            expressions += 1;
        }
    }
    assert!(expressions >= 20, "there are only {expressions}");
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let read: Vec<_> = variables.iter().filter_map(selected).collect();
    assert_eq!(read.len(), 3, "{read:?}");
    for expression in read {
        promql::check("variable", expression);
    }
}

#[test]
fn every_panel_has_a_position_and_the_selected_data_source() {
    let dashboard = dashboard();
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_i64().unwrap()), "{title} has the id of another");
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for x in at("x")..at("x") + at("w") {
            assert!(x < 24, "{title} does not fit");
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{title} lies upon another");
            }
        }
        let targets = panel["targets"].as_array().into_iter().flatten();
        for asked in targets.chain((panel["type"] != "row").then_some(panel)) {
            assert_eq!(asked["datasource"]["uid"], "${datasource}", "{title}");
        }
    }
}

#[test]
fn every_variable_in_an_expression_is_one_of_the_dashboard() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<_> =
        variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "cluster", "job", "namespace"]);
    for panel in panels(&dashboard) {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            // Every series is one of the selected clusters, and several clusters remain apart.
            let selectors = expression.matches("{cluster=~\"$cluster\", job=~\"$job\"").count();
            assert_eq!(selectors, expression.matches("job=~").count(), "{expression}");
            assert_eq!(selectors, expression.matches("tempcred_").count(), "{expression}");
            let alone =
                expression.starts_with("sum(tempcred_leader") || expression.starts_with("min(");
            assert!(alone || expression.contains("by (cluster, "), "{expression}");
            for (_, rest) in
                expression.match_indices('$').map(|(at, _)| expression.split_at(at + 1))
            {
                let end =
                    rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                let known = names.contains(&&rest[..end]) || rest.starts_with("__rate_interval");
                assert!(known, "{expression}");
            }
        }
    }
}
