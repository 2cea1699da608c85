//! A running program with an SDK, which calls STS when the test asks for it.

use std::process::{Command, Stdio};
use std::time::Duration;

use rig::Sdk;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::timeout;

use super::rust;
use crate::agent::clean;
use crate::world::rig;

/// Longest time for a call: a runtime that has just started, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a line of a program begins with. Anything else is not for the test.
const MARK: &str = "sdk: ";

/// What calls STS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// The AWS CLI: a process for each call.
    Cli,
    /// The AWS SDK for Rust, which is a dependency of these tests.
    Rust,
    /// Another SDK.
    Sdk(Sdk),
}

impl Client {
    /// Everything that calls STS.
    pub const ALL: [Self; 6] = [
        Self::Cli,
        Self::Rust,
        Self::Sdk(Sdk::Boto3),
        Self::Sdk(Sdk::Go),
        Self::Sdk(Sdk::Java),
        Self::Sdk(Sdk::JavaScript),
    ];

    fn command(self, variables: &[(&str, String)]) -> Command {
        let program = match self {
            Self::Cli => {
                let mut aws = rig().aws();
                aws.args(["sts", "get-caller-identity", "--output", "text"]);
                aws
            }
            Self::Rust => rust::command(),
            Self::Sdk(sdk) => rig().sdk(sdk).unwrap(),
        };
        let mut command = clean(program.get_program().as_ref());
        command.args(program.get_args());
        let own = program.get_envs().filter_map(|(name, value)| Some((name, value?)));
        command.envs(own).envs(variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A client with its environment.
pub enum Session {
    /// A program that runs until it is dropped.
    Running(Box<Program>),
    /// A command for each call, and its variables.
    Command(Client, Vec<(&'static str, String)>),
}

/// A program that makes a call for each line of its input.
pub struct Program {
    // Killed when it is dropped.
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Session {
    /// Starts a program, and waits until it can make calls.
    pub async fn start(client: Client, variables: Vec<(&'static str, String)>) -> Self {
        if client == Client::Cli {
            return Self::Command(client, variables);
        }
        let command = command(client, variables).await;
        let mut command = tokio::process::Command::from(command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut program = Program { _child: child, input, output };
        assert_eq!(program.line().await, "ready", "{client:?}");
        Self::Running(Box::new(program))
    }

    /// One call; an error has the message of the SDK.
    pub async fn call(&mut self) -> Result<(), String> {
        match self {
            Self::Running(program) => program.call().await,
            Self::Command(client, variables) => {
                let command = command(*client, variables.clone()).await;
                let mut command = tokio::process::Command::from(command);
                let output = timeout(PATIENCE, command.kill_on_drop(true).output());
                let output = output.await.unwrap().unwrap();
                match output.status.success() {
                    true => Ok(()),
                    false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
                }
            }
        }
    }
}

impl Program {
    async fn call(&mut self) -> Result<(), String> {
        self.input.write_all(b"call\n").await.unwrap();
        let line = self.line().await;
        match line.split_once(' ') {
            Some(("ok", _)) => Ok(()),
            Some(("error", message)) => Err(message.to_owned()),
            _ => panic!("a line without meaning: {line}"),
        }
    }

    /// The next line for the test.
    async fn line(&mut self) -> String {
        let next = async {
            while let Some(line) = self.output.next_line().await.unwrap() {
                if let Some((_, text)) = line.split_once(MARK) {
                    return text.to_owned();
                }
            }
            panic!("the program has ended; its errors are above");
        };
        timeout(PATIENCE, next).await.expect("the program answers")
    }
}

/// The command of a client. The first use of an SDK installs it, which blocks.
async fn command(client: Client, variables: Vec<(&'static str, String)>) -> Command {
    tokio::task::spawn_blocking(move || client.command(&variables)).await.unwrap()
}
