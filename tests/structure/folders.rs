//! Which folder may import which.

use std::fmt::Write as _;

use crate::imports::Imports;

/// Each folder of `src/`, or file at its top, and what it may import besides itself.
/// `core` is the crate of that name.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("planted", &["core"]),
    ("telemetry", &["core"]),
    ("aws", &["core", "planted", "telemetry"]),
    ("cluster", &["core", "planted", "telemetry"]),
    ("controller", &["core", "planted", "telemetry", "aws", "cluster"]),
    ("commands", &["core", "telemetry", "aws", "cluster", "controller"]),
    ("cli", &["core", "telemetry", "aws", "cluster", "controller", "commands"]),
    // `pub mod` and re-exports.
    ("lib", &["core", "planted", "telemetry", "aws", "cluster", "controller", "commands", "cli"]),
    // Programs besides the main one.
    ("bin", &["commands", "telemetry", "lib"]),
    ("main", &["core", "telemetry", "aws", "cluster", "controller", "commands", "cli", "lib"]),
];

/// A report of the violations; empty if there are none.
pub fn report<'a>(files: impl IntoIterator<Item = &'a String>, imports: &Imports) -> String {
    let mut report = String::new();
    for file in files {
        let from = folder(file);
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == from) else {
            let _ = writeln!(
                report,
                "{file} is in no folder of the table in tests/structure/folders.rs"
            );
            continue;
        };
        for (to, names) in imports.get(file).into_iter().flatten() {
            let to_folder = folder(to);
            if to_folder != from && !allowed.contains(&to_folder) {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                let _ = writeln!(report, "{file} → {to}: {}", names.join(", "));
                let _ = writeln!(report, "    {from} may import {}", in_words(allowed));
            }
        }
    }
    report
}

/// The folder that a file is in, or its own name at the top.
fn folder(file: &str) -> &str {
    if file.starts_with("core/") {
        return "core";
    }
    let inside = file.trim_start_matches("src/");
    let first = inside.split_once('/').map_or(inside, |(first, _)| first);
    first.trim_end_matches(".rs")
}

fn in_words(allowed: &[&str]) -> String {
    if allowed.is_empty() { "nothing".to_owned() } else { format!("only {}", allowed.join(", ")) }
}
