//! The result of `tempcred check`.

use super::finding::{Finding, Place};
use super::grants::Verdict;
use super::impact::Change;
use super::rule::{Level, Rule};

/// The result.
#[derive(Debug, Default)]
pub struct Report {
    /// The objects that were checked: kind, namespace and name, and where they are.
    pub objects: Vec<(String, Place)>,
    /// Number of documents that were neither checked nor used.
    pub others: usize,
    /// The findings.
    pub findings: Vec<Finding>,
    /// What the grants decide. `None` without `--grants`.
    pub verdicts: Option<Vec<Verdict>>,
    /// What the grants would change in the cluster. `None` without `--cluster`.
    pub changes: Option<Vec<Change>>,
    /// Whether warnings count as errors.
    pub is_strict: bool,
}

impl Report {
    /// Sorts the findings by their place.
    pub fn sort(&mut self) {
        self.findings
            .sort_by(|a, b| (&a.place, a.rule, &a.field).cmp(&(&b.place, b.rule, &b.field)));
    }

    /// The level of a finding.
    pub fn level(&self, finding: &Finding) -> Level {
        match finding.rule.level() {
            Level::Warning if self.is_strict => Level::Error,
            level => level,
        }
    }

    /// Number of findings of a level.
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| self.level(finding) == level).count()
    }

    /// The exit code: 2 if an input cannot be read, 1 if there are errors, or else 0.
    pub fn exit_code(&self) -> u8 {
        if self.findings.iter().any(|finding| finding.rule == Rule::Unreadable) {
            2
        } else {
            u8::from(self.count(Level::Error) > 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_that_of_the_worst_finding() {
        for (row, rules, strict, expected) in [
            ("nothing", vec![], true, 0),
            ("a note", vec![Rule::NamespaceUnknown], true, 0),
            ("a warning", vec![Rule::WideGrant], false, 0),
            ("a warning as error", vec![Rule::WideGrant], true, 1),
            ("an error", vec![Rule::WideGrant, Rule::Schema], false, 1),
            ("unreadable", vec![Rule::Schema, Rule::Unreadable], false, 2),
        ] {
            let place = Place { file: "f".into(), line: 1 };
            let findings = rules.into_iter().map(|rule| Finding::new(rule, place.clone(), "m"));
            let findings = findings.collect();
            let report = Report { findings, is_strict: strict, ..Report::default() };
            assert_eq!(report.exit_code(), expected, "{row}");
        }
    }
}
