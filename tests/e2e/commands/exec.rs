//! `tempcred exec`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::json;

use super::{command, run};
use crate::world::{World, assume, plain};

#[tokio::test]
async fn a_command_has_the_credentials_in_its_environment_and_nowhere_else() {
    let world = World::start().await;
    let mut spec = plain();
    spec["region"] = json!("eu-west-1");
    world.issue("reports", spec).await;
    let data = world.data("reports").await;
    let script = "echo $AWS_ACCESS_KEY_ID/$AWS_SECRET_ACCESS_KEY/$AWS_SESSION_TOKEN/$AWS_REGION/$AWS_PROFILE; cat /proc/self/cmdline; exit 7";
    let mut exec = command(&world, &["exec", "reports", "--", "sh", "-c", script]);
    exec.env("AWS_PROFILE", "other");
    let output = exec.output().unwrap();
    let (out, err) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!((output.status.code(), &*err), (Some(7), ""));
    let expected = [
        &data["AWS_ACCESS_KEY_ID"],
        &data["AWS_SECRET_ACCESS_KEY"],
        &data["AWS_SESSION_TOKEN"],
        "eu-west-1",
    ]
    .join("/");
    let (values, cmdline) = out.split_once('\n').unwrap();
    assert_eq!(values, format!("{expected}/"));
    assert!(!cmdline.contains(&data["AWS_SECRET_ACCESS_KEY"]));

    for (args, code, says) in [
        (&["exec", "reports", "--", "no-such-command"][..], 127, "cannot run no-such-command"),
        (&["exec", "none", "--", "true"], 125, "none"),
    ] {
        let ran = run(&world, args).await;
        assert_eq!(ran.code, Some(code), "{}", ran.err);
        assert!(ran.err.contains(says), "{}", ran.err);
    }
    let pending = World::new().await;
    pending.create("reports", plain()).await;
    let ran = run(&pending, &["exec", "reports", "--", "echo", "started"]).await;
    assert_eq!((ran.code, &*ran.out), (Some(125), ""), "{}", ran.err);
}

#[tokio::test]
async fn signals_reach_the_command_with_and_without_an_agent() {
    let world = World::start().await;
    world.issue("reports", assume("reports")).await;
    let key = world.data("reports").await["AWS_SECRET_ACCESS_KEY"].clone();
    for flags in [&[][..], &["--agent"]] {
        let script = "trap 'echo got; exit 3' TERM; echo ready; while :; do sleep 0.1; done";
        let args = [&["exec", "reports"], flags, &["--", "sh", "-c", script]].concat();
        let mut exec = command(&world, &args).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(exec.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        let cmdline = fs::read_to_string(format!("/proc/{}/cmdline", exec.id())).unwrap();
        assert!(!cmdline.contains(&key));
        let pid = exec.id().to_string();
        assert!(
            std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success()
        );
        assert_eq!(lines.next().unwrap().unwrap(), "got");
        assert_eq!(exec.wait().unwrap().code(), Some(3), "{flags:?}");
    }
}

#[tokio::test]
async fn an_sdk_in_a_long_command_gets_rotated_credentials_from_the_agent() {
    let world = World::start().await;
    world.issue("reports", plain()).await;
    let first = world.complete_key("reports").await;
    let script = "
import os, sys
from botocore.session import Session
assert 'AWS_ACCESS_KEY_ID' not in os.environ
for line in sys.stdin:
    # A new session asks the agent again; within one, boto3 asks before the expiration.
    print(Session().get_credentials().get_frozen_credentials().access_key, flush=True)
";
    let python = world.rig.python().display().to_string();
    let args = ["exec", "reports", "--agent", "--", &python, "-c", script];
    let mut exec =
        command(&world, &args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(exec.stdout.take().unwrap()).lines();
    let mut input = exec.stdin.take().unwrap();
    let mut ask = || {
        use std::io::Write as _;
        input.write_all(b"\n").unwrap();
        lines.next().unwrap().unwrap()
    };
    assert_eq!(ask(), first);
    let renewed = run(&world, &["renew", "reports", "--wait"]).await;
    assert_eq!(renewed.code, Some(0), "{}", renewed.err);
    let second = world.complete_key("reports").await;
    assert_ne!(second, first);
    // It reads the Secret again for each request.
    assert_eq!(ask(), second);
    drop(input);
    assert!(exec.wait().unwrap().success());
}
