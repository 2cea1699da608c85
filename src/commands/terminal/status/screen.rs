//! What `status --watch` draws: as much of the table as fits on the screen.

use jiff::Timestamp;

use super::row::{Columns, Row, table};
use crate::commands::terminal::output::Size;

/// The line of the cursor, below the table.
const CURSOR_LINE: usize = 1;

/// The lines of the screen. If there are more rows than lines, those that need attention come first, and a line says what
/// is not shown. `note` is the last line.
pub fn lines(
    rows: &[&Row],
    columns: Columns,
    now: Timestamp,
    size: Size,
    note: Option<&str>,
) -> Vec<String> {
    let heading = 1;
    let room = size.lines.saturating_sub(CURSOR_LINE + heading + usize::from(note.is_some()));
    let (shown, rest) = fitting(rows, room);
    let mut lines: Vec<String> =
        table(&shown, columns, now, Some(size.columns)).lines().map(str::to_owned).collect();
    if !rest.is_empty() {
        let not_ready = rest.iter().filter(|row| !row.is_ready()).count();
        let others = match not_ready {
            0 => "the others are ready".to_owned(),
            1 => "1 of the others is not ready".to_owned(),
            more => format!("{more} of the others are not ready"),
        };
        lines.push(format!("{} of {} are shown; {others}", shown.len(), rows.len()));
    }
    lines.extend(note.map(str::to_owned));
    lines
}

/// The rows that fit, and the rest.
fn fitting<'a>(rows: &[&'a Row], room: usize) -> (Vec<&'a Row>, Vec<&'a Row>) {
    if rows.len() <= room {
        return (rows.to_vec(), Vec::new());
    }
    let mut sorted = rows.to_vec();
    // Stable: among equals, the order of the names stays.
    sorted.sort_by_key(|row| row.urgency());
    // One line says what is not shown.
    let rest = sorted.split_off(room.saturating_sub(1).min(sorted.len()));
    (sorted, rest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: &str = "2026-01-01T12:00:00Z";

    fn row(name: &str, ready: &str) -> Row {
        let condition = json!({
            "type": "Ready", "status": ready, "reason": "Issued", "message": "m", "lastTransitionTime": NOW,
        });
        let object = json!({
            "metadata": {"name": name, "namespace": "a"}, "spec": {}, "status": {"conditions": [condition]},
        });
        Row::of(&serde_json::from_value(object).unwrap())
    }

    fn drawn(states: &[&str], lines: usize, note: Option<&str>) -> Vec<String> {
        let rows: Vec<_> =
            states.iter().enumerate().map(|(at, ready)| row(&format!("r{at}"), ready)).collect();
        let rows: Vec<_> = rows.iter().collect();
        let columns = Columns { namespace: false, wide: false };
        let size = Size { columns: 80, lines };
        let drawn = super::lines(&rows, columns, NOW.parse().unwrap(), size, note);
        let plain = |line: &String| anstream::adapter::strip_str(line).to_string();
        let first = |line: String| match line.split_once("   ") {
            Some((name, _)) => name.to_owned(),
            None => line,
        };
        drawn.iter().map(plain).map(first).collect()
    }

    #[test]
    fn what_needs_attention_is_shown_first_if_not_all_rows_fit() {
        let states = ["True", "Unknown", "True", "False", "True"];
        assert_eq!(drawn(&states, 7, None), ["NAME", "r0", "r1", "r2", "r3", "r4"]);
        assert_eq!(
            drawn(&states, 6, None),
            ["NAME", "r3", "r1", "r0", "3 of 5 are shown; the others are ready"]
        );
        assert_eq!(
            drawn(&states, 4, None),
            ["NAME", "r3", "1 of 5 are shown; 1 of the others is not ready"]
        );
        assert_eq!(
            drawn(&["False"; 9], 6, Some("cannot watch")),
            ["NAME", "r0", "r1", "2 of 9 are shown; 7 of the others are not ready", "cannot watch"]
        );
        assert_eq!(drawn(&states, 1, None).len(), 2, "not even the heading fits");
        assert_eq!(drawn(&[], 5, None), ["NAME"]);
    }
}
