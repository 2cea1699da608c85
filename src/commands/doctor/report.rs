//! The report: all findings, for people or as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::check::{Check, Finding, Group, Level};

/// A message keeps at least so many characters in a line of a narrow terminal.
const LEAST_WIDTH: usize = 30;

/// All findings.
#[derive(Clone, Debug)]
pub struct Report {
    findings: Vec<Finding>,
}

impl Report {
    /// A report of these findings, which are sorted by check.
    pub fn new(mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| finding.check);
        Self { findings }
    }

    /// Whether there is a problem.
    pub fn has_problems(&self) -> bool {
        self.count(Level::Problem) > 0
    }

    fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }

    /// The report as JSON.
    pub fn json(&self, version: &str) -> Value {
        let finding = |finding: &Finding| {
            let mut object = json!({
                "group": finding.check.group(), "check": finding.check.name(),
                "result": finding.level, "message": finding.message,
            });
            if let Some(advice) = &finding.advice {
                object["advice"] = advice.as_str().into();
            }
            object
        };
        let counts: BTreeMap<_, _> =
            Level::ALL.iter().map(|level| (level.as_str(), self.count(*level))).collect();
        let checks: Vec<_> = self.findings.iter().map(finding).collect();
        json!({"version": version, "checks": checks, "summary": counts})
    }

    /// The report for people, in lines of at most `width` characters.
    pub fn text(&self, width: Option<usize>) -> String {
        let mut text = String::new();
        let mut last: Option<Group> = None;
        let titles = Check::ALL.iter().map(|check| check.title().len());
        let (levels, titles) = (LEVEL_WIDTH, titles.max().unwrap_or_default());
        let indent = levels + titles + 2 * GAP.len();
        let most = width.map(|width| width.saturating_sub(indent).max(LEAST_WIDTH));
        for finding in &self.findings {
            let group = finding.check.group();
            if last != Some(group) {
                let gap = if last.is_some() { "\n" } else { "" };
                let _ = writeln!(text, "{gap}{HEADING}{}{HEADING:#}", group.title());
                last = Some(group);
            }
            let style = style(finding.level);
            let (level, title) = (finding.level.as_str(), finding.check.title());
            let _ = write!(text, "{style}{level:levels$}{style:#}{GAP}{title:titles$}{GAP}");
            let message = wrapped(&finding.message, most);
            let arrow = |(at, line): (usize, String)| match at {
                0 => format!("→ {line}"),
                _ => format!("  {line}"),
            };
            let advice = finding.advice.iter();
            let advice = advice
                .flat_map(|advice| wrapped(advice, most.map(|most| most - 2)))
                .enumerate()
                .map(arrow);
            for (at, line) in message.into_iter().chain(advice).enumerate() {
                let before = if at == 0 { 0 } else { indent };
                let _ = writeln!(text, "{:before$}{line}", "");
            }
        }
        let _ = writeln!(text, "\n{}", self.summary());
        text
    }

    fn summary(&self) -> String {
        let count = |level, one: &str, many: &str| {
            let count = self.count(level);
            format!("{count} {}", if count == 1 { one } else { many })
        };
        let [problems, warnings, skipped, ok] = [
            count(Level::Problem, "problem", "problems"),
            count(Level::Warning, "warning", "warnings"),
            count(Level::Skipped, "skipped", "skipped"),
            count(Level::Ok, "ok", "ok"),
        ];
        format!("{problems}, {warnings}, {skipped}, {ok}")
    }
}

/// Width of the first column.
const LEVEL_WIDTH: usize = 7;

/// Spaces between two columns.
const GAP: &str = "  ";

const HEADING: Style = Style::new().bold();

fn style(level: Level) -> Style {
    match level {
        Level::Ok => AnsiColor::Green.on_default(),
        Level::Skipped => Style::new().dimmed(),
        Level::Warning => AnsiColor::Yellow.on_default(),
        Level::Problem => AnsiColor::Red.on_default().bold(),
    }
}

/// The text in lines of at most `most` characters, broken at spaces. A longer word gets a line of its own.
fn wrapped(text: &str, most: Option<usize>) -> Vec<String> {
    let Some(most) = most else { return vec![text.to_owned()] };
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > most {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            let space = if line.is_empty() { "" } else { " " };
            line.push_str(space);
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report::new(vec![
            Finding::ok(Check::Region, "eu-central-1, from AWS_REGION."),
            Finding::problem(
                Check::Rbac,
                "The operator may not delete secrets in all namespaces.",
                "Set rbac.create.",
            ),
            Finding::ok(Check::ApiServer, "https://10.0.0.1, Kubernetes v1.36.3."),
        ])
    }

    #[test]
    fn findings_are_grouped_and_fit_into_the_terminal() {
        let text = anstream::adapter::strip_str(&report().text(Some(56))).to_string();
        insta::assert_snapshot!(text);
        assert!(text.lines().all(|line| line.chars().count() <= 56), "{text}");
        assert_eq!(report().text(None).lines().count(), 9);
    }

    #[test]
    fn json_has_every_finding_and_the_number_of_each_result() {
        let json = report().json("1.2.3");
        assert_eq!(json["summary"], json!({"ok": 2, "skipped": 0, "warning": 0, "problem": 1}));
        assert_eq!(json["checks"][1]["check"], "rbac");
        assert_eq!(json["checks"][1]["advice"], "Set rbac.create.");
        assert_eq!(json["checks"][2]["group"], "aws");
        assert!(json["checks"][2].get("advice").is_none());
    }
}
