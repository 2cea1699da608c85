//! The metrics and labels in an expression.

use std::convert::Infallible;

use promql_parser::label::MatchOp;
use promql_parser::parser::{Expr, VectorSelector, parse};
use promql_parser::util::{ExprVisitor, walk_expr};
use tempcred_core::problem::Class;
use tempcred_core::problem::Reason;

use crate::metrics;

/// A series that an expression reads: its metric, and each label with the selected values.
struct Selected {
    metric: String,
    labels: Vec<(String, Vec<String>)>,
}

#[derive(Default)]
struct Selectors(Vec<Selected>);

impl ExprVisitor for Selectors {
    type Error = Infallible;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, Infallible> {
        match expr {
            Expr::VectorSelector(selector) => self.0.push(Selected::of(selector)),
            Expr::MatrixSelector(range) => self.0.push(Selected::of(&range.vs)),
            _ => {}
        }
        Ok(true)
    }
}

impl Selected {
    fn of(selector: &VectorSelector) -> Self {
        let labels = selector.matchers.matchers.iter().map(|matcher| {
            let values = match &matcher.op {
                MatchOp::Equal | MatchOp::NotEqual => vec![matcher.value.clone()],
                MatchOp::Re(_) | MatchOp::NotRe(_) => {
                    matcher.value.split('|').map(str::to_owned).collect()
                }
            };
            (matcher.name.clone(), values)
        });
        Self { metric: selector.name.clone().unwrap_or_default(), labels: labels.collect() }
    }
}

/// Fails unless the expression parses and names only metrics, classes, reasons and outcomes that
/// exist. Variables of Grafana are replaced by their values first.
pub fn check(place: &str, expression: &str) {
    check_with(place, expression, &[]);
}

/// The same, where these names of recorded expressions are metrics too.
pub fn check_with(place: &str, expression: &str, recorded: &[&str]) {
    let plain = expression.replace("$__rate_interval", "5m").replace("$__range", "1h");
    let parsed = parse(&plain).unwrap_or_else(|error| panic!("{place}: {error}\n{expression}"));
    let mut selectors = Selectors::default();
    walk_expr(&mut selectors, &parsed).unwrap();
    assert!(!selectors.0.is_empty(), "{place} reads nothing: {expression}");
    let known = metrics::all();
    for Selected { metric, labels } in selectors.0 {
        let exists_here = recorded.contains(&metric.as_str()) || metrics::is_known(&metric, &known);
        assert!(exists_here, "{place}: there is no metric {metric:?}");
        for (label, values) in labels {
            for value in values.iter().filter(|value| !value.starts_with('$')) {
                assert!(exists(&label, value), "{place}: there is no {label} {value:?}");
            }
        }
    }
}

/// Whether a label can have this value.
fn exists(label: &str, value: &str) -> bool {
    let conditions =
        ["Ready", "Reconciling", "Stalled", "RenewalFailing", "RenewalClamped", "ClockSkew"];
    match label {
        "class" => Class::ALL.iter().any(|class| format!("{class:?}") == value),
        "reason" => Reason::ALL.iter().any(|reason| reason.as_str() == value),
        "condition" => conditions.contains(&value),
        "status" => ["True", "False", "Unknown"].contains(&value),
        "cause" => ["identity", "sts"].contains(&value),
        "state" => {
            ["pending", "progressing", "complete", "stuck", "missing", "failed"].contains(&value)
        }
        "outcome" => ["answered", "blocked", "refused", "throttled", "transient"].contains(&value),
        _ => false,
    }
}

#[test]
fn an_unknown_metric_is_found() {
    let wrong = [
        "sum(tempcred_leaders)",
        "sum(rate(tempcred_sts_calls[5m]))",
        "tempcred_leader > (",
        "1 + 1",
        r#"tempcred_credentials{condition="Broken"}"#,
        r#"tempcred_credentials_failing{class=~"Blocked|Rejected"}"#,
        r#"tempcred_credentials_not_ready{reason="Gone"}"#,
    ];
    for expression in wrong {
        let result = std::panic::catch_unwind(|| check("here", expression));
        assert!(result.is_err(), "{expression}");
    }
    check("here", r#"rate(tempcred_sts_call_duration_seconds_sum{job=~"$job"}[$__rate_interval])"#);
}
