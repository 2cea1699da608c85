//! The results as Markdown.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::peers::PEERS;
use crate::figures::{Figure, Size};
use crate::machine::Machine;

/// Encloses the results in the page. What is between them is replaced.
const BEGIN: &str = "<!-- results: begin -->";
const END: &str = "<!-- results: end -->";

/// Describes the machine and lists the median of each figure, for each number of resources.
pub fn render(machine: &Machine, rounds: u32, sizes: &[Size]) -> String {
    let Machine { cpus, cpu_model, memory_gib, kernel, date, commit } = machine;
    let mut text = format!(
        "{cpus} CPUs ({cpu_model}), {memory_gib} GiB of memory, Linux `{kernel}`; {date}, commit `{commit}`; medians; repetitions: {rounds}.\n\n"
    );
    let figures: BTreeSet<Figure> = sizes.iter().flat_map(|size| size.median.kinds()).collect();
    text.push_str("| Resources |");
    sizes.iter().for_each(|size| cell(&mut text, &thousands(size.resources)));
    text.push_str("\n|---|");
    sizes.iter().for_each(|_| text.push_str("--:|"));
    for figure in figures {
        let _ = write!(text, "\n| {} |", figure.label());
        for size in sizes {
            let value = size.median.get(figure).map(|value| {
                let (unit, decimals) = (figure.unit(), figure.decimals());
                let space = if unit.is_empty() || unit.starts_with('/') { "" } else { " " };
                format!("{value:.decimals$}{space}{unit}")
            });
            cell(&mut text, value.as_deref().unwrap_or("not measured"));
        }
    }
    text.push_str("\n\nFrom another run, on 2 CPUs:\n\n");
    text.push_str("| Program | Credentials | Rate | Peak memory |\n|---|--:|--:|--:|\n");
    for peer in PEERS {
        let credentials = thousands(peer.credentials);
        let _ = writeln!(
            text,
            "| {} | {credentials} | {}/s | {} MB |",
            peer.name, peer.per_second, peer.memory_mb
        );
    }
    text
}

fn cell(text: &mut String, value: &str) {
    let _ = write!(text, " {value} |");
}

fn thousands(count: u32) -> String {
    match (count / 1000, count % 1000) {
        (0, rest) => rest.to_string(),
        (thousands, rest) => format!("{thousands},{rest:03}"),
    }
}

/// The page with new results. A page without the markers gets them at its end.
pub fn replace(page: &str, results: &str) -> String {
    let parts =
        page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.unwrap_or((page, "\n"));
    format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", results.trim())
}
