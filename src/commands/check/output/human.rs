//! The report for people.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::commands::check::finding::{Finding, Place};
use crate::commands::check::grants::{AllowedCall, Outcome, Verdict};
use crate::commands::check::report::Report;
use crate::commands::check::rule::Level;

const BOLD: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// The report, with colours.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    for one in &report.findings {
        finding(&mut text, one, report.level(one));
    }
    if let Some(verdicts) = report.verdicts.as_deref().filter(|all| !all.is_empty()) {
        separate(&mut text);
        let _ = writeln!(text, "{BOLD}What the grants decide{BOLD:#}");
        for one in verdicts {
            verdict(&mut text, one);
        }
    }
    separate(&mut text);
    summary(&mut text, report);
    text
}

// Writing to a String does not fail.
fn finding(text: &mut String, finding: &Finding, level: Level) {
    let style = match level {
        Level::Error => BAD,
        Level::Warning => AnsiColor::Yellow.on_default().bold(),
        Level::Note => AnsiColor::Cyan.on_default().bold(),
    };
    let _ = write!(
        text,
        "{BOLD}{}:{BOLD:#} {style}{}{style:#}{FAINT}[{}]{FAINT:#} ",
        position(&finding.place),
        level.as_str(),
        finding.rule.id()
    );
    if let Some(object) = &finding.object {
        let _ = write!(text, "{object}: ");
    }
    let _ = writeln!(text, "{}", finding.text());
}

fn position(place: &Place) -> String {
    match place.line {
        0 => place.file.to_string(),
        line => format!("{}:{line}", place.file),
    }
}

fn verdict(text: &mut String, Verdict { key, place, outcome }: &Verdict) {
    let _ = write!(text, "  {BOLD}{}/{}{BOLD:#} ", key.namespace, key.name);
    match outcome {
        Outcome::Denied { problem, .. } => {
            let _ = write!(text, "{BAD}{}{BAD:#}", problem.reason);
            let _ = writeln!(text, " {FAINT}{}{FAINT:#}", position(place));
        }
        Outcome::Allowed { grants, calls } => {
            let _ = write!(text, "{GOOD}allowed{GOOD:#} by {}", grants.join(", "));
            let _ = writeln!(text, " {FAINT}{}{FAINT:#}", position(place));
            for call in calls {
                let _ = writeln!(text, "    {}: {}", call.role, parameters(call));
            }
        }
    }
}

/// The parameters of a call, in one line.
fn parameters(call: &AllowedCall) -> String {
    let mut parts = vec![format!("session {}", call.session_name)];
    parts.extend(call.duration.as_ref().map(|duration| format!("duration {duration}")));
    parts.extend(call.external_id.as_ref().map(|id| format!("external ID {id}")));
    parts.extend(call.source_identity.as_ref().map(|name| format!("source identity {name}")));
    for (key, value) in &call.tags {
        let kind = if call.transitive.contains(key) { "transitive tag" } else { "tag" };
        parts.push(format!("{kind} {key}={value}"));
    }
    parts.extend(call.policy_arns.iter().map(|arn| format!("session policy {arn}")));
    parts.join(", ")
}

fn separate(text: &mut String) {
    if !text.is_empty() {
        text.push('\n');
    }
}

fn summary(text: &mut String, report: &Report) {
    let style = if report.exit_code() == 0 { GOOD } else { BAD };
    let count = |level, name| counted(report.count(level), name);
    let _ = write!(
        text,
        "{style}{} checked: {}, {}, {}.{style:#}",
        counted(report.objects.len(), "object"),
        count(Level::Error, "error"),
        count(Level::Warning, "warning"),
        count(Level::Note, "note")
    );
    if report.others > 0 {
        let _ = write!(text, " {} ignored.", counted(report.others, "other document"));
    }
    if let Some(changes) = &report.changes {
        let _ = write!(
            text,
            " The change affects {} in the cluster.",
            counted(changes.len(), "resource")
        );
    }
    text.push('\n');
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::check::rule::Rule;

    #[test]
    fn a_finding_is_one_line_that_begins_with_its_place() {
        let place = Place { file: "a.yaml".into(), line: 7 };
        let mut finding = Finding::new(Rule::Schema, place.clone(), "is\nwrong");
        finding.object = Some("TemporaryCredential n/a".to_owned());
        finding.field = "/spec/region".to_owned();
        let objects = vec![("TemporaryCredential n/a".to_owned(), place)];
        let report = Report { objects, findings: vec![finding], others: 2, ..Report::default() };
        let plain = anstream::adapter::strip_str(&text(&report)).to_string();
        assert_eq!(
            plain,
            "a.yaml:7: error[schema] TemporaryCredential n/a: spec.region: is wrong\n\n\
             1 object checked: 1 error, 0 warnings, 0 notes. 2 other documents ignored.\n"
        );
    }
}
