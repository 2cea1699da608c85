//! The report as JSON.

use serde_json::{Value, json};

use crate::commands::check::finding::{Finding, dotted};
use crate::commands::check::grants::{AllowedCall, Outcome, Verdict};
use crate::commands::check::impact::Change;
use crate::commands::check::report::Report;
use crate::commands::check::rule::Level;

/// The report. `docs/check.md` documents its fields.
pub fn value(report: &Report) -> Value {
    let findings = report.findings.iter().map(|one| finding(report, one));
    let mut value = json!({
        "findings": findings.collect::<Vec<_>>(),
        "summary": {
            "objects": report.objects.len(),
            "otherDocuments": report.others,
            "errors": report.count(Level::Error),
            "warnings": report.count(Level::Warning),
            "notes": report.count(Level::Note),
        },
    });
    if let Some(verdicts) = &report.verdicts {
        value["grants"] = verdicts.iter().map(verdict).collect();
    }
    if let Some(changes) = &report.changes {
        value["cluster"] = changes.iter().map(change).collect();
    }
    value
}

fn finding(report: &Report, finding: &Finding) -> Value {
    json!({
        "level": report.level(finding).as_str(),
        "rule": finding.rule.id(),
        "source": finding.rule.source().as_str(),
        "file": &*finding.place.file,
        "line": finding.place.line,
        "object": finding.object,
        "field": dotted(&finding.field),
        "message": finding.message,
    })
}

fn verdict(Verdict { key, place, outcome }: &Verdict) -> Value {
    let mut value = match outcome {
        Outcome::Allowed { grants, calls } => json!({
            "allowed": true,
            "grants": grants,
            "calls": calls.iter().map(call).collect::<Vec<_>>(),
        }),
        Outcome::Denied { problem, grants } => json!({
            "allowed": false,
            "reason": problem.reason.as_str(),
            "message": problem.message,
            "grants": grants,
        }),
    };
    value["namespace"] = key.namespace.clone().into();
    value["name"] = key.name.clone().into();
    value["file"] = place.file.to_string().into();
    value["line"] = place.line.into();
    value
}

fn call(call: &AllowedCall) -> Value {
    json!({
        "roleArn": call.role,
        "sessionName": call.session_name,
        "duration": call.duration,
        "externalId": call.external_id,
        "sourceIdentity": call.source_identity,
        "tags": call.tags,
        "transitiveTagKeys": call.transitive,
        "policyArns": call.policy_arns,
    })
}

fn change(change: &Change) -> Value {
    json!({
        "namespace": change.key.namespace,
        "name": change.key.name,
        "effect": change.effect.rule().id(),
        "message": change.message,
    })
}
