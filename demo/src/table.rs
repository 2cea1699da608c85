//! The table: a line for each resource.

use console::style;
use jiff::Timestamp;

use crate::board::{Board, Presence, Row, clock};

const HEADER: [&str; 6] = ["NAME", "READY", "KEY ID", "EXPIRES", "RENEWS IN", "ROTATED"];

/// The minimum width of each column.
const WIDTHS: [usize; 6] = [14, 14, 20, 8, 11, 7];

/// For this time after their issue credentials are highlighted, in seconds.
const FRESH: i64 = 3;

/// The lines of the table.
pub fn lines(board: &Board, now: Timestamp) -> Vec<String> {
    let mut widths = WIDTHS;
    for row in &board.rows {
        widths[0] = widths[0].max(row.name.chars().count());
    }
    let header = join(HEADER.map(str::to_owned), widths);
    let mut lines = vec![style(header).dim().to_string()];
    lines.extend(board.rows.iter().map(|row| line(row, now, widths)));
    lines
}

fn line(row: &Row, now: Timestamp, widths: [usize; 6]) -> String {
    let (ready, reason) = row.readiness();
    let mark = if ready { "✔" } else { "✘" };
    let expires = row.status.expiration.as_ref().map(|at| clock(at.0));
    let renews = row.status.renewal_time.as_ref().map(|at| wait(at.0, now));
    let retries = row.status.failure.as_ref();
    let retries = retries.map(|f| format!("retry {}", wait(f.next_attempt.0, now)));
    let cells = [
        row.name.clone(),
        format!("{mark} {reason}"),
        row.key().to_owned(),
        expires.unwrap_or_default(),
        retries.or(renews).unwrap_or_default(),
        match row.rotations {
            0 => String::new(),
            count => format!("{count}×"),
        },
    ];
    let text = join(cells, widths);
    match (row.presence, row.readiness()) {
        (Presence::Gone(_), _) => style(text).yellow().to_string(),
        (_, (true, _)) if is_fresh(row, now) => style(text).green().bold().reverse().to_string(),
        (_, (true, _)) => style(text).green().to_string(),
        (_, (false, "Pending")) => style(text).dim().to_string(),
        (_, (false, _)) => style(text).red().to_string(),
    }
}

fn is_fresh(row: &Row, now: Timestamp) -> bool {
    let issued = row.status.issued_at.as_ref();
    issued.is_some_and(|at| now.duration_since(at.0).as_secs() < FRESH)
}

fn join(cells: [String; 6], widths: [usize; 6]) -> String {
    let padded = cells.iter().zip(widths).map(|(cell, width)| {
        let missing = width.saturating_sub(console::measure_text_width(cell));
        format!("{cell}{}", " ".repeat(missing))
    });
    padded.collect::<Vec<_>>().join(" ").trim_end().to_owned()
}

/// The time until then.
fn wait(until: Timestamp, now: Timestamp) -> String {
    let seconds = until.duration_since(now).as_secs().max(0);
    match seconds {
        0 => "now".to_owned(),
        1..=99 => format!("{seconds} s"),
        100..=5999 => format!("{} min", seconds / 60),
        _ => format!("{} h {:02}", seconds / 3600, seconds / 60 % 60),
    }
}
