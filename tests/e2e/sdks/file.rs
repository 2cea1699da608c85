//! From the credentials file, most SDKs do not refresh: a file has no expiration. Each test is a row of the table in
//! `docs/delivery/README.md`.

use std::time::Duration;

use rig::Sdk;

use super::behavior::{asks_once, follows};
use super::client::Client;
use super::place::Delivery::File;

/// Java reads the time of the file once a second.
const JAVA: Duration = Duration::from_secs(3);

#[tokio::test]
async fn boto3_reads_the_file_once() {
    asks_once(Client::Sdk(Sdk::Boto3), File).await;
}

#[tokio::test]
async fn the_aws_cli_reads_the_file_at_each_command() {
    follows(Client::Cli, File, Duration::ZERO).await;
}

#[tokio::test]
async fn go_reads_the_file_once() {
    asks_once(Client::Sdk(Sdk::Go), File).await;
}

#[tokio::test]
async fn java_reads_the_file_when_it_has_changed() {
    follows(Client::Sdk(Sdk::Java), File, JAVA).await;
}

#[tokio::test]
async fn javascript_reads_the_file_once() {
    asks_once(Client::Sdk(Sdk::JavaScript), File).await;
}

#[tokio::test]
async fn rust_reads_the_file_once() {
    asks_once(Client::Rust, File).await;
}
