//! The report as JUnit XML: one test case for each object.

use std::collections::HashMap;

use quick_junit::{NonSuccessKind, SerializeError, TestCase, TestCaseStatus, TestSuite};

use crate::commands::check::finding::Finding;
use crate::commands::check::report::Report;
use crate::commands::check::rule::{Level, Rule};

/// The report.
///
/// # Errors
/// If it cannot be serialised.
pub fn text(report: &Report) -> Result<String, SerializeError> {
    let mut suite = TestSuite::new("tempcred check");
    let mut about: HashMap<(&str, &str), Vec<&Finding>> = HashMap::new();
    for finding in &report.findings {
        let file = &*finding.place.file;
        let title = finding.object.as_deref().unwrap_or(file);
        about.entry((title, file)).or_default().push(finding);
    }
    for (title, place) in &report.objects {
        // An object that occurs twice has its findings once.
        let findings = about.remove(&(title.as_str(), &*place.file)).unwrap_or_default();
        suite.add_test_case(case(report, title, &place.file, &findings));
    }
    // Findings about files, and about objects of the cluster or of other kinds.
    let mut rest: Vec<_> = about.into_iter().collect();
    rest.sort_by_key(|(key, _)| *key);
    for ((title, file), findings) in rest {
        suite.add_test_case(case(report, title, file, &findings));
    }
    let mut xml = quick_junit::Report::new("tempcred check");
    xml.add_test_suite(suite);
    xml.to_string()
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
