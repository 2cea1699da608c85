//! From the agent, every SDK refreshes by itself. Each test is a row of the table in `docs/delivery/README.md`.

use std::time::Duration;

use jiff::SignedDuration;
use rig::Sdk;

use super::behavior::{Window, follows, keeps, refreshes};
use super::client::Client;
use super::place::Delivery::Agent;

#[tokio::test]
async fn boto3_asks_the_agent_15_minutes_before_the_expiration() {
    refreshes(Client::Sdk(Sdk::Boto3), Agent, Window::exactly(15 * 60)).await;
}

#[tokio::test]
async fn the_aws_cli_asks_the_agent_at_each_command() {
    follows(Client::Cli, Agent, Duration::ZERO).await;
}

#[tokio::test]
async fn go_asks_the_agent_5_minutes_before_the_expiration() {
    refreshes(Client::Sdk(Sdk::Go), Agent, Window::exactly(5 * 60)).await;
}

#[tokio::test]
async fn java_asks_the_agent_at_the_latest_2_minutes_before_the_expiration() {
    refreshes(Client::Sdk(Sdk::Java), Agent, Window::between(15 * 60, 2 * 60)).await;
}

#[tokio::test]
async fn java_does_not_ask_the_agent_earlier_than_15_minutes_before_the_expiration() {
    keeps(Client::Sdk(Sdk::Java), Agent, SignedDuration::from_mins(16)).await;
}

#[tokio::test]
async fn javascript_asks_the_agent_5_minutes_before_the_expiration() {
    refreshes(Client::Sdk(Sdk::JavaScript), Agent, Window::exactly(5 * 60)).await;
}

#[tokio::test]
async fn rust_asks_the_agent_10_to_5_seconds_before_the_expiration() {
    refreshes(Client::Rust, Agent, Window::between(10, 5)).await;
}
