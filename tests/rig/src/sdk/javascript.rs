//! The AWS SDK for JavaScript, from npm.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::runtimes::Runtimes;
use crate::cache;
use crate::progress::Progress;
use crate::python::INSTALLED_WITHIN;
use crate::workspace;

/// The program, the packages that it needs, and the settings of npm.
const FILES: [&str; 4] = [".npmrc", "calls.mjs", "package-lock.json", "package.json"];

pub(super) fn command(runtimes: &Runtimes) -> Result<Command> {
    let folder = workspace::sources().join("sdks/javascript");
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    let contents = FILES.map(read).into_iter().collect::<Result<Vec<_>>>()?;
    let inputs: Vec<_> = contents.iter().map(String::as_str).collect();
    let dir = cache::made_once("sdk-javascript", &inputs, |dir, janitor| {
        let _progress = Progress::start("installing the AWS SDK for JavaScript (about 10 s, once)");
        // Beside the packages: a program finds them from its own folder.
        for (name, content) in FILES.iter().zip(&contents) {
            fs::write(dir.join(name), content)?;
        }
        let mut npm = runtimes.npm();
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]);
        npm.current_dir(dir);
        janitor.spawn("npm", &npm)?.must_succeed(INSTALLED_WITHIN)
    })?;
    let mut command = Command::new(runtimes.node());
    command.arg(dir.join("calls.mjs"));
    Ok(command)
}
