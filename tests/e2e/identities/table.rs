//! The tables of `docs/identities.md`.

use std::fs;

use super::operator::Identity;
use crate::examples::root;

/// A table: the headings of its columns, and its rows.
#[derive(Debug)]
pub struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// The table whose first heading is this one.
    pub fn read(first: &str) -> Self {
        let text = fs::read_to_string(root().join("docs/identities.md")).unwrap();
        let mut lines =
            text.lines().map(cells).skip_while(|cells| cells.first().is_none_or(|c| c != first));
        let headings = lines.next().unwrap_or_else(|| panic!("no table begins with {first}"));
        let rows = lines.skip(1).take_while(|cells| cells.len() == headings.len()).collect();
        Self { headings, rows }
    }

    /// The first cell of each row.
    pub fn names(&self) -> Vec<&str> {
        self.rows.iter().map(|row| row[0].as_str()).collect()
    }

    /// The cell of a row for an identity.
    pub fn cell(&self, name: &str, identity: Identity) -> &str {
        self.cell_in(name, identity.column())
    }

    /// The cell of a row in the column with this heading.
    pub fn cell_in(&self, name: &str, heading: &str) -> &str {
        let column = self.headings.iter().position(|other| other == heading);
        let column = column.unwrap_or_else(|| panic!("no column {heading}"));
        let row = self.rows.iter().find(|row| row[0] == name);
        &row.unwrap_or_else(|| panic!("docs/identities.md has no row {name}"))[column]
    }
}

/// The cells of a row without the marks of Markdown. Empty for other lines.
fn cells(line: &str) -> Vec<String> {
    let Some(inner) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) else {
        return vec![];
    };
    inner.split('|').map(|cell| plain(cell.trim())).collect()
}

/// Without backticks and links.
fn plain(cell: &str) -> String {
    let cell = cell.replace('`', "");
    match cell.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((text, _)) => text.to_owned(),
        None => cell,
    }
}

/// The pieces of advice for a reason, as `docs/sts-errors.md` has them.
pub fn advice(reason: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("docs/sts-errors.md")).unwrap();
    let rows = text.lines().map(cells).filter(|cells| cells.get(2).is_some_and(|r| r == reason));
    rows.filter_map(|cells| cells.last().cloned()).collect()
}
