//! `tempcred completions` and `tempcred man`: what a package installs beside the binary.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;

use super::output::print;

/// The flags of `tempcred completions`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  tempcred completions bash > /etc/bash_completion.d/tempcred
  tempcred completions zsh > \"${fpath[1]}/_tempcred\"")]
pub struct Completions {
    /// The shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// The flags of `tempcred man`.
#[derive(Args, Debug)]
pub struct Man {
    /// Folder for one page for each command. Default: prints the page of tempcred itself.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// Prints the completions for a shell. `command` is the command line.
///
/// # Errors
/// If they cannot be written.
pub fn completions(args: &Completions, mut command: Command) -> anyhow::Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, "tempcred", &mut text);
    print(&String::from_utf8(text)?)
}

/// Prints the man page, or writes one for each command. `command` is the command line.
///
/// # Errors
/// If they cannot be written.
pub fn man(args: &Man, mut command: Command) -> anyhow::Result<()> {
    // Without it, the pages lack the full names and the help of subcommands.
    command.build();
    match &args.output {
        None => print(&page(command)?),
        Some(folder) => {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
            write(folder, command)
        }
    }
}

fn write(folder: &Path, command: Command) -> anyhow::Result<()> {
    let commands = command.get_subcommands().filter(|one| one.get_name() != "help").cloned();
    for one in std::iter::once(command.clone()).chain(commands) {
        let name = one.get_display_name().unwrap_or(one.get_name()).to_owned();
        let path = folder.join(format!("{name}.1"));
        fs::write(&path, page(one)?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn page(command: Command) -> anyhow::Result<String> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text)?;
    Ok(String::from_utf8(text)?)
}
