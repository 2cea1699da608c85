//! Completes `kubectl tempcred`: kubectl asks `kubectl_complete-tempcred` for candidates, in the protocol of Cobra.

use std::env;
use std::ffi::OsString;

use clap::Command;
use clap_complete::engine::{CompletionCandidate, complete};

/// Directives of Cobra's `ShellCompDirective`, as sums of bits. This one: the shell adds files of its own.
const DEFAULT: u8 = 0;

/// The shell adds no space after the candidate.
const NO_SPACE: u8 = 2;

/// The shell adds no files.
const NO_FILES: u8 = 4;

/// The script with this name in a folder of `PATH` is the one that kubectl runs.
pub const SCRIPT: &str = "#!/bin/sh
# Completes `kubectl tempcred`. Save it as kubectl_complete-tempcred, executable, in a folder of PATH: kubectl runs it
# with the words after `kubectl tempcred`.
exec kubectl-tempcred completions kubectl -- \"$@\"
";

/// The candidates for the last of these words: a line each, and the directive in the last line.
pub fn candidates(mut command: Command, words: Vec<OsString>) -> String {
    let is_of_other_command = words.iter().rev().skip(1).any(|word| word == "--");
    let last = words.len();
    let all: Vec<OsString> = std::iter::once("tempcred".into()).chain(words).collect();
    let folder = env::current_dir().ok();
    // The words may have no continuation, which is no error of the user.
    let found = complete(&mut command, all, last, folder.as_deref()).unwrap_or_default();
    let mut text: String = found.iter().map(line).collect();
    let is_folder = |one: &CompletionCandidate| one.get_value().to_string_lossy().ends_with('/');
    let directive = match is_of_other_command {
        true => DEFAULT,
        false if found.iter().any(is_folder) => NO_FILES + NO_SPACE,
        false => NO_FILES,
    };
    text.push_str(&format!(":{directive}\n"));
    text
}

/// A candidate, with the first line of its help after a tab.
fn line(candidate: &CompletionCandidate) -> String {
    let value = candidate.get_value().to_string_lossy();
    let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
    match help.lines().next() {
        Some(help) => format!("{value}\t{help}\n"),
        None => format!("{value}\n"),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ValueHint};

    use super::*;

    fn completed(words: &[&str]) -> String {
        let output = Arg::new("output").short('o').long("output").value_parser(["json", "wide"]);
        let file = Arg::new("file").long("file").value_hint(ValueHint::AnyPath);
        let status = Command::new("status").about("Show it.\n\nMore.").args([output, file]);
        let exec = Command::new("exec").arg(Arg::new("command").last(true).num_args(1..));
        let command = Command::new("tempcred").subcommands([status, exec]);
        candidates(command, words.iter().map(OsString::from).collect())
    }

    #[test]
    fn each_word_has_the_candidates_of_its_place() {
        for (words, expected) in [
            (&["st"][..], "status\tShow it.\n:4\n"),
            (&["status", "--out"], "--output\n:4\n"),
            (&["status", "--output", "j"], "json\n:4\n"),
            (&["status", "-o", "x"], ":4\n"),
            (&["nothing", ""], ":4\n"),
            // The shell completes the words of the other command.
            (&["exec", "--", "ls", "fi"], ":0\n"),
            (&["status", "--file", "sr"], "src/\n:6\n"),
        ] {
            let text = completed(words);
            assert!(text.ends_with(expected), "{words:?}: {text}");
        }
        let all = completed(&[""]);
        assert!(all.contains("exec\n") && all.contains("status\tShow it.\n"), "{all}");
    }
}
