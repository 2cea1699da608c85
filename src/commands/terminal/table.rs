//! Columns of text, as kubectl prints them.

use anstyle::Style;

/// Spaces between two columns.
const GAP: usize = 3;

/// The last column keeps at least so many characters on a narrow terminal.
const LEAST_LAST: usize = 20;

/// A cell: its text and its style.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A cell in this style.
    pub fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(text, Style::new())
    }
}

/// The lines of a table. The last column is shortened so that a line fits into `width` characters.
pub fn lines(rows: &[Vec<Cell>], width: Option<usize>) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let longest = |column: usize| {
        rows.iter().filter_map(|row| Some(row.get(column)?.text.chars().count())).max()
    };
    let widths: Vec<usize> =
        (0..columns).map(|column| longest(column).unwrap_or_default()).collect();
    let before: usize = widths.iter().rev().skip(1).map(|width| width + GAP).sum();
    let last = width.map(|width| width.saturating_sub(before).max(LEAST_LAST));
    let line = |row: &Vec<Cell>| {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let is_last = column + 1 == columns;
            let text = match last.filter(|_| is_last) {
                Some(most) => shortened(&cell.text, most),
                None => cell.text.clone(),
            };
            let rest = widths[column].saturating_sub(text.chars().count()) + GAP;
            let style = cell.style;
            line.push_str(&format!("{style}{text}{style:#}"));
            if !is_last {
                line.extend(std::iter::repeat_n(' ', rest));
            }
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// The text with at most `most` characters.
fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_column_is_shortened_and_no_line_ends_with_spaces() {
        let row = |cells: [&str; 3]| cells.map(Cell::from).to_vec();
        let rows = [
            row(["NAME", "READY", "WHY"]),
            row(["a-long-name", "", "one two three four five six"]),
        ];
        assert_eq!(
            lines(&rows, Some(42)),
            ["NAME          READY   WHY", "a-long-name           one two three four…"]
        );
        assert_eq!(lines(&rows, None)[1], "a-long-name           one two three four five six");
        assert_eq!(lines(&[row(["a", "", ""])], None), ["a"]);
    }
}
