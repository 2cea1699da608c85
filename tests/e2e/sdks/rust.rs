//! The program of the AWS SDK for Rust: this test binary, which has the SDK.

use std::io::{BufRead, stdin};
use std::process::Command;

use aws_config::BehaviorVersion;

/// Set for the program, so that it does nothing if somebody runs ignored tests.
const IS_PROGRAM: &str = "TEMPCRED_TEST_PROGRAM";

/// Runs [`program`].
pub fn command() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "sdks::rust::program", "--nocapture"]);
    command.env(IS_PROGRAM, "1");
    command
}

/// Not a test: calls GetCallerIdentity for each line of the input, always with the same client.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs as a process of its own"]
async fn program() {
    if std::env::var_os(IS_PROGRAM).is_none() {
        return;
    }
    println!("sdk: ready");
    let mut client = None;
    for line in stdin().lock().lines() {
        line.unwrap();
        if client.is_none() {
            let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
            client = Some(aws_sdk_sts::Client::new(&config));
        }
        match client.as_ref().unwrap().get_caller_identity().send().await {
            Ok(identity) => println!("sdk: ok {}", identity.arn().unwrap_or_default()),
            // Debug, because its Display is only "service error". It prints replies, which have no secret here.
            Err(error) => println!("sdk: error {}", format!("{error:?}").replace('\n', " ")),
        }
    }
}
