//! `--help` of each command.

use std::process::Command;

use clap::CommandFactory;
use tempcred::cli::Cli;

use super::terminal::Terminal;
use crate::world::binary;

/// The longest line: every terminal of today has so many columns.
const WIDTH: usize = 100;

/// The command line that prints the help of a command, without settings of the machine.
fn help(command: Option<&str>) -> Command {
    let mut help = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("TEMPCRED_") || text.starts_with("AWS_") || text == "NO_COLOR" {
            help.env_remove(&name);
        }
    }
    help.args(command).arg("--help");
    help
}

#[test]
fn the_help_of_each_command_fits_on_a_screen_and_is_as_reviewed() {
    let command = Cli::command();
    let commands = command.get_subcommands().map(|one| Some(one.get_name()));
    for command in std::iter::once(None).chain(commands) {
        let output = help(command).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains('\x1b'), "colours in a pipe: {text}");
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{command:?}: {line}");
        }
        // clap indents empty lines, too.
        let text: Vec<_> = text.lines().map(str::trim_end).collect();
        insta::assert_snapshot!(format!("help_{}", command.unwrap_or("tempcred")), text.join("\n"));
    }
}

#[tokio::test]
async fn the_help_has_styles_on_a_terminal_unless_they_are_unwanted() {
    for (no_color, has_styles) in [(None, true), (Some("1"), false)] {
        let mut command = help(Some("status"));
        no_color.into_iter().for_each(|value| {
            command.env("NO_COLOR", value);
        });
        let (code, raw) = Terminal::run(command, 60, 80).end().await;
        assert_eq!(code, Some(0), "{raw}");
        assert_eq!(raw.contains('\x1b'), has_styles, "{raw:?}");
        let text = anstream::adapter::strip_str(&raw).to_string();
        assert!(text.lines().all(|line| line.trim_end().chars().count() <= 80), "{text}");
    }
}
