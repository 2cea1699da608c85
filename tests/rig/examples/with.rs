//! Runs a command against a rig, for trying things out by hand:
//!
//! ```text
//! cargo run -p rig --example with -- sh -c 'kubectl get namespaces; exec bash'
//! ```
//!
//! `KUBECONFIG` is the admin's, kubectl, helm and a Python with boto3 come first
//! in `PATH`, and the rig ends with the command.

use std::env;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result};
use rig::Rig;

fn main() -> Result<ExitCode> {
    let mut args = env::args_os().skip(1);
    let program = args.next().context("usage: with PROGRAM [ARGUMENTS]")?;
    let begin = Instant::now();
    let rig = Rig::start()?;
    eprintln!("rig: ready after {:.1?} in {}", begin.elapsed(), rig.dir().display());
    let (kubectl, helm, python) = (rig.kubectl(), rig.helm()?, rig.python());
    let tools = [Path::new(kubectl.get_program()), Path::new(helm.get_program()), &python]
        .map(|tool| tool.parent().unwrap_or(Path::new("")).to_owned());
    let old = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(tools.into_iter().chain(env::split_paths(&old)))?;
    let mut command = Command::new(program);
    for (key, value) in kubectl.get_envs() {
        command.env(key, value.unwrap_or_default());
    }
    let status = command.args(args).env("PATH", path).env("RIG_DIR", rig.dir()).status()?;
    drop(rig);
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
