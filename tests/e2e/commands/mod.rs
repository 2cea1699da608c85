//! The commands that a person uses at a terminal.

mod exec;
mod generate;
mod help;
mod renew;
mod status;
mod terminal;
mod watch;

use std::process::{Command, Output};

use crate::world::{World, binary};

/// Other variables that change what commands do. With `CI`, even a dumb terminal counts as one with colours.
const OTHERS: [&str; 6] = ["CI", "CLICOLOR", "CLICOLOR_FORCE", "KUBECONFIG", "NO_COLOR", "TERM"];

/// A command in the namespace of a world, as its administrator, without settings of the machine.
pub fn command(world: &World, args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("AWS_") || text.starts_with("TEMPCRED_") || OTHERS.contains(&&*text) {
            command.env_remove(&name);
        }
    }
    // Before the arguments of a command that `exec` runs.
    let (name, rest) = args.split_first().unwrap();
    command.arg(name).args(["--namespace", &world.namespace]).args(rest);
    command.env("KUBECONFIG", world.rig.kubeconfig());
    command
}

/// What a command has printed, and its exit code.
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs a command to its end.
pub async fn run(world: &World, args: &[&str]) -> Ran {
    let mut command = command(world, args);
    let output: Output =
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

#[tokio::test]
async fn the_password_of_a_proxy_is_not_shown() {
    let world = World::new().await;
    for args in [&["status"][..], &["renew", "none"], &["exec", "none", "--", "true"]] {
        let mut command = command(&world, args);
        command.env("HTTPS_PROXY", "http://user:proxyPassword@127.0.0.1:1");
        let output = command.output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!output.status.success() && said.contains("unset HTTPS_PROXY"), "{args:?}: {said}");
        assert!(!said.contains("proxyPassword"), "{said}");
    }
}
