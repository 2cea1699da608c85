//! `tempcred completions` and `tempcred man`: what a package installs beside the binary.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;

use super::candidates::{SCRIPT, candidates};
use super::manual::page;
use super::output::print;

/// The flags of `tempcred completions`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  tempcred completions bash > /etc/bash_completion.d/tempcred
  tempcred completions zsh > \"${fpath[1]}/_tempcred\"
  tempcred completions kubectl | install /dev/stdin /usr/local/bin/kubectl_complete-tempcred")]
pub struct Completions {
    /// The shell, or kubectl for the words after `kubectl tempcred`.
    #[arg(value_name = "SHELL")]
    shell: Completer,

    /// The words to complete, from kubectl.
    #[arg(last = true, hide = true)]
    words: Vec<OsString>,
}

/// A shell, or a program that a shell asks.
#[derive(ValueEnum, Clone, Copy, Debug)]
enum Completer {
    Bash,
    Elvish,
    Fish,
    /// The program that kubectl asks for completions of `kubectl tempcred`.
    Kubectl,
    Powershell,
    Zsh,
}

/// The flags of `tempcred man`.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  tempcred man | man -l -")]
pub struct Man {
    /// Folder to write a page for each command to. Default: print the page of tempcred.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// Prints the completions for a shell. `command` is the command line.
///
/// # Errors
/// If they cannot be written.
pub fn completions(args: Completions, mut command: Command) -> anyhow::Result<()> {
    let shell = match args.shell {
        Completer::Bash => Shell::Bash,
        Completer::Elvish => Shell::Elvish,
        Completer::Fish => Shell::Fish,
        Completer::Powershell => Shell::PowerShell,
        Completer::Zsh => Shell::Zsh,
        Completer::Kubectl if args.words.is_empty() => return print(SCRIPT),
        Completer::Kubectl => return print(&candidates(command, args.words)),
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, "tempcred", &mut text);
    print(&String::from_utf8(text)?)
}

/// Prints the man page, or writes one for each command. `command` is the command line.
///
/// # Errors
/// If they cannot be written.
pub fn man(args: &Man, command: Command) -> anyhow::Result<()> {
    // There is no page for `tempcred help`.
    let mut command = command.disable_help_subcommand(true);
    // Without it, the pages lack the full names and the help of subcommands.
    command.build();
    match &args.output {
        None => print(&page(&command)?),
        Some(folder) => {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
            write(folder, &command)
        }
    }
}

fn write(folder: &Path, command: &Command) -> anyhow::Result<()> {
    for one in std::iter::once(command).chain(command.get_subcommands()) {
        let name = one.get_display_name().unwrap_or(one.get_name());
        let path = folder.join(format!("{name}.1"));
        fs::write(&path, page(one)?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
