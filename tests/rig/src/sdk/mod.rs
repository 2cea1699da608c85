//! AWS SDKs, each with a program that calls STS for each line of its input.
//!
//! The program creates a client at the first line and keeps it. It prints `sdk: ready` first, and then for each line
//! `sdk: ok ARN` or `sdk: error MESSAGE`. It ends at the end of its input.

mod java;
mod javascript;
mod runtimes;

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::Tool;
use crate::workspace;

use runtimes::Runtimes;

/// An AWS SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// For Python.
    Boto3,
    /// For Go, version 2.
    Go,
    /// For Java, version 2.
    Java,
    /// For JavaScript, version 3, with Node.
    JavaScript,
}

impl Sdk {
    /// Every SDK.
    pub const ALL: [Self; 4] = [Self::Boto3, Self::Go, Self::Java, Self::JavaScript];

    /// A command that runs the program, installed and built unless that has been done. `python` has boto3.
    pub(crate) fn command(self, python: &Path) -> Result<Command> {
        match self {
            Self::Boto3 => {
                let mut command = Command::new(python);
                command.arg(workspace::sources().join("sdks/python/calls.py"));
                Ok(command)
            }
            Self::Go => Ok(Command::new(Tool::SdkGo.ready()?)),
            Self::Java => java::command(&Runtimes::ready(python)?),
            Self::JavaScript => javascript::command(&Runtimes::ready(python)?),
        }
    }
}
