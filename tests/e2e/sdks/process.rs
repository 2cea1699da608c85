//! With `credential_process`, every SDK refreshes by itself. Each test is a row of the table in
//! `docs/delivery/README.md`. The SDK for Rust is not among them, because tempcred has it without this feature.

use std::time::Duration;

use rig::Sdk;

use super::behavior::{Window, follows, refreshes, refreshes_at_expiry};
use super::client::Client;
use super::place::Delivery::Process;

#[tokio::test]
async fn boto3_runs_the_process_15_minutes_before_the_expiration() {
    refreshes(Client::Sdk(Sdk::Boto3), Process, Window::exactly(15 * 60)).await;
}

#[tokio::test]
async fn the_aws_cli_runs_the_process_at_each_command() {
    follows(Client::Cli, Process, Duration::ZERO).await;
}

#[tokio::test]
async fn go_runs_the_process_at_the_expiration() {
    refreshes_at_expiry(Client::Sdk(Sdk::Go), Process).await;
}

#[tokio::test]
async fn java_runs_the_process_15_seconds_before_the_expiration() {
    refreshes(Client::Sdk(Sdk::Java), Process, Window::exactly(15)).await;
}

#[tokio::test]
async fn javascript_runs_the_process_5_minutes_before_the_expiration() {
    refreshes(Client::Sdk(Sdk::JavaScript), Process, Window::exactly(5 * 60)).await;
}
