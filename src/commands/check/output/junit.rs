//! The report as JUnit XML: one test case for each object.

use quick_junit::{NonSuccessKind, SerializeError, TestCase, TestCaseStatus, TestSuite};

use crate::commands::check::finding::{Finding, Place};
use crate::commands::check::report::Report;
use crate::commands::check::rule::{Level, Rule};

/// The report.
///
/// # Errors
/// If it cannot be serialised.
pub fn text(report: &Report) -> Result<String, SerializeError> {
    let mut suite = TestSuite::new("tempcred check");
    for (title, place) in &report.objects {
        let findings = report.findings.iter().filter(|finding| is_about(finding, title, place));
        suite.add_test_case(case(report, title, &place.file, &findings.collect::<Vec<_>>()));
    }
    let is_known = |finding: &Finding| {
        report.objects.iter().any(|(title, place)| is_about(finding, title, place))
    };
    for finding in report.findings.iter().filter(|finding| !is_known(finding)) {
        let title = finding.object.as_deref().unwrap_or(&finding.place.file);
        suite.add_test_case(case(report, title, &finding.place.file, &[finding]));
    }
    let mut xml = quick_junit::Report::new("tempcred check");
    xml.add_test_suite(suite);
    xml.to_string()
}

fn is_about(finding: &Finding, title: &str, place: &Place) -> bool {
    finding.object.as_deref() == Some(title) && finding.place.file == place.file
}

fn case(report: &Report, title: &str, file: &str, findings: &[&Finding]) -> TestCase {
    let lines = |wanted: &dyn Fn(Level) -> bool| {
        let wanted = findings.iter().filter(|finding| wanted(report.level(finding)));
        let lines = wanted.map(|finding| {
            let (level, id) = (report.level(finding).as_str(), finding.rule.id());
            format!("{file}:{}: {level}[{id}] {}", finding.place.line, finding.text())
        });
        lines.collect::<Vec<_>>()
    };
    let errors = lines(&|level| level == Level::Error);
    let others = lines(&|level| level != Level::Error);
    let status = match errors.first() {
        None => TestCaseStatus::success(),
        Some(first) => {
            let is_unreadable = findings.iter().any(|finding| finding.rule == Rule::Unreadable);
            let kind = if is_unreadable { NonSuccessKind::Error } else { NonSuccessKind::Failure };
            let mut status = TestCaseStatus::non_success(kind);
            status.set_message(first.as_str()).set_description(errors.join("\n"));
            status
        }
    };
    let mut case = TestCase::new(title, status);
    case.set_classname(file);
    if !others.is_empty() {
        case.set_system_out(others.join("\n"));
    }
    case
}
