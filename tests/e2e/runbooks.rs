//! The commands of the runbooks work: people copy them during an incident.

use std::process::Command;

use rig::sts::Fault;

use crate::world::{World, failure_reason, plain};

/// The commands about credentials in the blocks of the page, one a line.
fn commands() -> Vec<&'static str> {
    let page = include_str!("../../docs/runbooks.md");
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let lines = blocks.flat_map(|(block, _)| block.lines()).map(str::trim);
    lines.filter(|line| line.starts_with("kubectl") && line.contains(" tempcred ")).collect()
}

#[tokio::test]
async fn the_commands_of_the_runbooks_show_a_failing_credential() {
    let world = World::start().await;
    world.sts.inject(Fault::access_denied());
    world.create("reports", plain()).await;
    world.wait("reports", "refused", |s| failure_reason(s) == Some("AccessDenied")).await;
    let commands = commands();
    assert!(commands.len() >= 6, "{commands:?}");
    for command in commands {
        let here = command.replace("NAMESPACE", &world.namespace).replace("NAME", "reports");
        let kubectl = world.rig.kubectl();
        let mut shell = Command::new("bash");
        // A function takes precedence over a program: this kubectl, with its settings.
        let function = format!("kubectl() {{ '{}' \"$@\"; }}", kubectl.get_program().display());
        shell.args(["-c", &format!("set -o pipefail; {function}; {here}")]);
        shell.envs(kubectl.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = shell.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{command}: {complaint}");
        assert!(said.contains("reports") || said.contains("AccessDenied"), "{command}: {said}");
    }
}
