//! The archive for machines without containers: the binary, its man pages and its completions.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use clap::CommandFactory;
use tempcred::cli::Cli;

use crate::bundle::{output, tree};
use crate::unpacked::{archive, image};

/// The requests and macros of roff that pages may use: those of the package `man`, and conditions.
const MACROS: [&str; 11] =
    ["TH", "SH", "TP", "IP", "PP", "RS", "RE", "br", "nf", "fi", "ie \\n(.g .ds Aq \\(aq"];

/// The line that follows the condition.
const ELSE: &str = ".el .ds Aq '";

/// The names of the pages: one for the program, and one for each command.
fn pages() -> BTreeSet<String> {
    let command = Cli::command();
    let names = command.get_subcommands().map(|one| format!("tempcred-{}", one.get_name()));
    std::iter::once("tempcred".to_owned()).chain(names).collect()
}

fn page(name: &str) -> String {
    fs::read_to_string(archive().join(format!("man/{name}.1"))).unwrap()
}

#[test]
fn it_contains_the_binary_with_man_pages_and_completions() {
    let mut wanted = BTreeSet::from(["CHANGELOG.md", "LICENSE", "tempcred"].map(str::to_owned));
    wanted.extend(pages().iter().map(|page| format!("man/{page}.1")));
    let completions = ["_tempcred", "kubectl_complete-tempcred", "tempcred.bash", "tempcred.fish"];
    wanted.extend(completions.map(|name| format!("completions/{name}")));
    let found: BTreeSet<_> = tree(archive()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(found, wanted);
    for name in found {
        let mode = fs::metadata(archive().join(&name)).unwrap().permissions().mode() & 0o777;
        let is_program = name == "tempcred" || name == "completions/kubectl_complete-tempcred";
        assert_eq!(mode, if is_program { 0o755 } else { 0o644 }, "{name}");
    }
    let binary = |folder: &std::path::Path| fs::read(folder.join("tempcred")).unwrap();
    assert!(binary(archive()) == binary(&image().root), "another binary than in the image");
}

#[test]
fn every_man_page_uses_known_macros_and_refers_to_pages_that_exist() {
    let pages = pages();
    for name in &pages {
        let text = page(name);
        for line in text.lines().filter(|line| line.starts_with(['.', '\''])) {
            let is_known = |known: &&str| {
                line[1..]
                    .strip_prefix(*known)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            };
            assert!(line == ELSE || MACROS.iter().any(is_known), "{name}: {line}");
        }
        let plain = text.replace("\\-", "-").replace("\\fB", "").replace("\\fR", "");
        assert!(plain.contains(&format!(".TH {name} 1 ")), "{name} has another title");
        assert!(plain.contains(".SH NAME\n") && plain.contains(".SH SYNOPSIS\n"), "{plain}");
        for (at, _) in plain.match_indices("(1)") {
            let begin = plain[..at].rfind(|c: char| c.is_whitespace()).map_or(0, |at| at + 1);
            assert!(
                pages.contains(&plain[begin..at]),
                "{name} refers to {}",
                &plain[begin..at + 3]
            );
        }
    }
}

/// By groff, where it is installed: it reports what it does not understand.
#[test]
fn every_man_page_is_rendered_without_a_warning() {
    let found = Command::new("groff").arg("--version").stdout(Stdio::null()).status();
    if found.is_err() {
        return;
    }
    for name in pages() {
        let file = archive().join(format!("man/{name}.1"));
        let rendered =
            Command::new("groff").args(["-man", "-ww", "-Tutf8"]).arg(file).output().unwrap();
        let said = String::from_utf8_lossy(&rendered.stderr);
        assert!(rendered.status.success() && said.is_empty(), "{name}: {said}");
        assert!(!rendered.stdout.is_empty(), "{name}");
    }
}

#[test]
fn bash_completes_commands_and_values() {
    let script = archive().join("completions/tempcred.bash").display().to_string();
    let completed = |words: &[&str]| -> Vec<String> {
        let (last, before) = words.split_last().unwrap();
        let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
        let (quoted, previous, at) = (quoted.join(" "), before.last().unwrap(), words.len() - 1);
        let text = format!(
            "source '{script}'; COMP_WORDS=({quoted}); COMP_CWORD={at}; \
             _tempcred tempcred '{last}' '{previous}'; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let output = output(Command::new("bash").args(["--norc", "-c", &text]));
        output.lines().map(str::to_owned).collect()
    };
    assert_eq!(completed(&["tempcred", "stat"]), ["status"]);
    assert_eq!(completed(&["tempcred", "status", "--all"]), ["--all-namespaces"]);
    assert_eq!(completed(&["tempcred", "status", "--output", "w"]), ["wide"]);
}
