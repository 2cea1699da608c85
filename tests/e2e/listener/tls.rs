//! The certificate of the listener.

use std::path::Path;
use std::process::Command;

use super::{Files, Scraper, write};
use crate::world::{Operator, SOON, World, wait_until};

/// An operator that uses these files, and a client that trusts their certificate.
async fn start(world: &mut World, files: &Files) -> (Operator, Scraper) {
    let certificate = files.replace();
    let flags = files.flags();
    let kubeconfig = world.rig.kubeconfig_for(world.rig.operator(), None).unwrap();
    let operator = world.replica(kubeconfig, &flags.each_ref().map(String::as_str)).await;
    let scraper = Scraper::new(operator.address, Some(&certificate));
    scraper.wait_until_ready().await;
    (operator, scraper)
}

#[tokio::test]
async fn a_replaced_certificate_is_used_and_an_invalid_one_is_not() {
    let mut world = World::new().await;
    let files = Files::new(&world);
    let (operator, first) = start(&mut world, &files).await;
    let (status, body) = first.get("/metrics", None).await.unwrap();
    assert!(status == 200 && body.contains("tempcred_leader"), "{status} {body}");

    let second = Scraper::new(operator.address, Some(&files.replace()));
    let answers = |scraper: &Scraper| {
        let scraper = scraper.clone();
        async move { scraper.get("/livez", None).await.map(|_| ()) }
    };
    wait_until("the new certificate is used", SOON, || answers(&second)).await;
    assert_eq!(first.get("/livez", None).await, None, "the old one is not used any more");

    // The key of another certificate, then none at all: the last valid certificate stays.
    write(Path::new(&files.path("tls.key")), "-----BEGIN PRIVATE KEY-----");
    wait_until("the invalid files are reported", SOON, || async {
        answers(&second).await.expect("no answer");
        operator.log().contains("the new certificate for /metrics is not used").then_some(())
    })
    .await;
    std::fs::remove_file(files.path("tls.crt")).unwrap();
    for _ in 0..5 {
        assert!(answers(&second).await.is_some());
    }
    let third = Scraper::new(operator.address, Some(&files.replace()));
    wait_until("a valid certificate is used again", SOON, || answers(&third)).await;
    assert!(operator.stop().success());
}

#[test]
fn settings_that_do_not_fit_together_are_rejected() {
    let run_with = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tempcred"));
        command.arg("run").args(args).env_clear().envs(variables.iter().copied());
        let output = command.output().unwrap();
        assert!(!output.status.success(), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for (args, complaint) in [
        (&["--metrics-auth"][..], "--metrics-tls-cert"),
        (&["--metrics-tls-cert", "a"], "--metrics-tls-key"),
        (&["--metrics-tls-key", "a"], "--metrics-tls-cert"),
    ] {
        let error = run_with(args, &[]);
        assert!(error.contains(complaint) && error.contains("required"), "{args:?}: {error}");
    }
    let auth = |value| run_with(&[], &[("TEMPCRED_METRICS_AUTH", value)]);
    assert!(auth("true").contains("--metrics-tls-cert"));
    let error = auth("false");
    assert!(error.contains("no Kubernetes cluster is configured"), "{error}");
}

#[tokio::test]
async fn an_operator_without_its_certificate_does_not_start() {
    let world = World::new().await;
    let files = Files::new(&world);
    let kubeconfig = world.rig.kubeconfig_for(world.rig.operator(), None).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tempcred"));
    command.arg("run").args(files.flags()).env("KUBECONFIG", kubeconfig);
    let output = command.output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("tls.crt"), "{error}");
    assert!(error.contains("--metrics-tls-cert"), "{error}");
}
