//! The Helm chart: what it renders, what it lets the operator do, and how it is installed, upgraded
//! and uninstalled.

mod admission;
mod injection;
mod lifecycle;
mod monitoring;
mod render;
pub mod rights;
mod values;

use std::process::{Command, Output};

use rig::Tool;
use serde::Deserialize;
use serde_json::Value;

/// Where the chart is.
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/tempcred");

/// Every value, set.
const ALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/chart/all.yaml");

/// Runs a Helm command that needs no cluster.
fn helm(args: &[&str]) -> Output {
    Command::new(Tool::Helm.ready().unwrap()).args(args).output().unwrap()
}

/// Renders the chart in the namespace `release`, or returns Helm's error.
fn try_template(args: &[&str]) -> Result<String, String> {
    let command = ["template", "tempcred", CHART, "--namespace", "release"];
    let output = helm(&[&command[..], args].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    match output.status.success() {
        true => Ok(text(output.stdout)),
        false => Err(text(output.stderr)),
    }
}

/// The objects that the chart renders with these arguments.
pub fn template(args: &[&str]) -> Vec<Value> {
    let yaml = try_template(args).unwrap_or_else(|error| panic!("{args:?}: {error}"));
    let objects = serde_yaml::Deserializer::from_str(&yaml).map(|d| Value::deserialize(d).unwrap());
    objects.filter(|object| !object.is_null()).collect()
}

/// The objects of a kind.
pub fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// The environment variables of a Deployment that have a value.
fn variables(deployment: &Value) -> Vec<(String, String)> {
    let env = &deployment["spec"]["template"]["spec"]["containers"][0]["env"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let pairs = env.as_array().unwrap().iter();
    pairs.filter_map(|env| Some((text(&env["name"])?, text(&env["value"])?))).collect()
}
