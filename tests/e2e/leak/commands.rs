//! What the commands print and log, about credentials that they read.

use std::process::Command;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::Detector;
use crate::agent::{Agent, after, credentials, mount};
use crate::commands::run;
use crate::manifests::check;
use crate::world::World;

/// A place, and the text there.
pub type Place = (&'static str, String);

/// Everything that `status` and `renew` print, and `exec` besides the environment of its command. The resource `ready` is
/// ready, `failing` is failing, and `broken` is suspended while its Secret contains a part of a value only.
pub async fn at_a_terminal(world: &World, [ready, failing, broken]: [&str; 3]) -> Vec<Place> {
    let mut places = vec![];
    for (place, args) in [
        ("status", &["status"][..]),
        ("status -o wide", &["status", "-o", "wide"]),
        ("status -o json", &["status", "-o", "json"]),
        ("status -o yaml", &["status", "-o", "yaml"]),
        ("status of a ready resource", &["status", ready]),
        ("status of a failing resource", &["status", failing]),
        ("renew --wait", &["renew", ready, "--wait"]),
        ("renew --wait, which fails", &["renew", failing, "--wait"]),
        ("renew of a suspended resource", &["renew", broken]),
        ("exec with an edited Secret", &["exec", broken, "--", "true"]),
        ("exec --agent with an edited Secret", &["exec", broken, "--agent", "--", "true"]),
        ("exec of a failing resource", &["exec", failing, "--", "true"]),
        ("exec of what cannot run", &["exec", ready, "--", "/"]),
        ("exec --agent of what cannot run", &["exec", ready, "--agent", "--", "/"]),
    ] {
        let ran = run(world, args).await;
        let has_no_credentials = place.starts_with("exec") && args[1] != ready;
        assert_eq!(ran.code == Some(125), has_no_credentials, "{place}: {}", ran.err);
        places.push((place, format!("{}\n{}", ran.out, ran.err)));
    }
    // With an agent, neither of the processes has a value in its command line or environment.
    let script =
        "tr '\\0' '\\n' </proc/$PPID/cmdline; tr '\\0' '\\n' </proc/$PPID/environ; env; exit 3";
    let agent = run(world, &["exec", ready, "--agent", "--", "sh", "-c", script]).await;
    assert_eq!(agent.code, Some(3), "{}", agent.err);
    assert!(
        agent.out.contains("--agent\n") && agent.out.contains("AWS_CONTAINER_"),
        "{}",
        agent.out
    );
    places.push(("exec --agent", agent.out + &agent.err));
    // Without one, it is the command that has them in its environment.
    let script = "tr '\\0' '\\n' </proc/$$/cmdline; test -n \"$AWS_SECRET_ACCESS_KEY\" && exit 3";
    let exec = run(world, &["exec", ready, "--", "sh", "-c", script]).await;
    assert_eq!(exec.code, Some(3), "{}", exec.err);
    places.push(("exec", exec.out + &exec.err));
    places
}

/// The environment of a command that `exec` runs, in which the values must be.
pub async fn environment(world: &World, name: &str) -> String {
    run(world, &["exec", name, "--", "env"]).await.out
}

#[tokio::test]
async fn no_value_in_a_file_leaks_from_the_agent() {
    const TOKEN: &str = "tokenOfTheAgentThatNobodyMayEverSee";
    const KEY: &str = "ASIAFILE000000000001";
    let mount = mount("reports").await;
    let good = credentials(KEY, after(SignedDuration::from_hours(1)));
    let (secret, session) = (rig::sts::secret_for(KEY), rig::sts::token_for(KEY));
    let detector = Detector::of([secret.as_str(), &session, TOKEN]);
    let token_file = mount.path("token");
    std::fs::write(&token_file, TOKEN).unwrap();
    let file = format!("--file={}", mount.path("credentials.json"));
    let agent = Agent::start(&[file, format!("--authorization-token-file={token_file}")]).await;
    let host = agent.address.to_string();
    let send = async |method: &'static str, host: &str, token: &str| {
        agent.send(method, "/", &[("Host", host), ("Authorization", token)]).await
    };

    mount.put(&good).unwrap();
    let served = send("GET", &host, TOKEN).await;
    assert!(detector.copies(served.body.as_bytes()) >= 2, "the reply must have the values");
    let edited = |change: fn(&mut Value)| {
        let mut edited = good.clone();
        change(&mut edited);
        edited.to_string()
    };
    let text = good.to_string();
    let mut errors = vec![];
    for (row, content) in [
        ("cut", text[..text.len() - 20].to_owned()),
        ("more at the end", format!("{text} {text}")),
        ("no JSON", text.replace('"', "'")),
        ("a wrong version", edited(|document| document["Version"] = json!(2))),
        (
            "a number",
            edited(|document| document["AccessKeyId"] = json!([document["SecretAccessKey"]])),
        ),
        (
            "no expiration",
            edited(|document| document["Expiration"] = document["SessionToken"].clone()),
        ),
        ("expired", edited(|document| document["Expiration"] = json!("2026-01-01T00:00:00Z"))),
        ("too large", format!("{text}{}", " ".repeat(64 * 1024))),
    ] {
        mount.put(content).unwrap();
        let reply = send("GET", &host, TOKEN).await;
        assert_eq!(reply.status, 503, "{row}: {}", reply.head);
        errors.push(format!("{}\n{}", reply.head, reply.body));
    }
    mount.put(&good).unwrap();
    for (method, host, token, status) in [
        ("GET", host.as_str(), &*format!("Bearer {TOKEN}"), 401),
        ("GET", &host, &TOKEN[1..], 401),
        ("GET", "attacker.example", TOKEN, 403),
        ("POST", &host, TOKEN, 405),
    ] {
        let reply = send(method, host, token).await;
        assert_eq!(reply.status, status);
        errors.push(format!("{}\n{}", reply.head, reply.body));
    }
    let probe = format!("--check=http://{host}/readyz");
    let probe = Command::new(crate::world::binary()).args(["agent", &probe]).output().unwrap();
    errors.push(format!("{:?} {}", probe.status, String::from_utf8_lossy(&probe.stderr)));
    detector.assert_clean("an error", &errors.concat());
    detector.assert_clean("the log", &agent.process.output().unwrap());
    let cmdline = std::fs::read(format!("/proc/{}/cmdline", agent.process.pid())).unwrap();
    detector.assert_clean("the command line", &String::from_utf8_lossy(&cmdline));
}

#[test]
fn no_value_of_a_manifest_leaks_from_check() {
    const VALUE: &str = "manifestSecretThatNobodyMayEverSee456789";
    const TOKEN: &str = "eyJhbGciOiJub25lIn0.bWFuaWZlc3RUb2tlbg.c2lnbmF0dXJlT2ZNYW5pZmVzdA";
    let detector = Detector::of([VALUE, TOKEN]);
    let base64 = serde_json::to_value(k8s_openapi::ByteString(VALUE.into())).unwrap();
    let base64 = base64.as_str().unwrap();
    let head = "apiVersion: v1\nkind: Secret\nmetadata: {name: keys, namespace: data}\n";
    let role = "arn:aws:iam::123456789012:role/r";
    let credential = format!(
        "apiVersion: tempcred.dev/v1alpha1\nkind: TemporaryCredential\nmetadata: {{name: a, namespace: data}}\n\
         spec:\n  region: Frankfurt\n  identity: {{accessKeySecretRef: {{name: keys}}}}\n  assumeRole: {{roleArn: {role}}}\n"
    );
    let mut reports = String::new();
    for (row, secret) in [
        (
            "text",
            format!("{head}stringData:\n  AWS_SECRET_ACCESS_KEY: {VALUE}\n  token: {TOKEN}\n"),
        ),
        ("base64", format!("{head}data: {{AWS_SECRET_ACCESS_KEY: {base64}}}\n")),
        ("a value that is no text", format!("{head}stringData: {{key: [{VALUE}]}}\n")),
        ("data that is no map", format!("{head}data: {VALUE}\n")),
        ("data that is no base64", format!("{head}data: {{key: '{VALUE}!'}}\n")),
        ("a key twice", format!("{head}stringData: {{key: {VALUE}, key: {TOKEN}}}\n")),
        ("a quote without an end", format!("{head}stringData: {{key: \"{VALUE}\n")),
        ("a wrong indentation", format!("{head}stringData:\n  a: {VALUE}\n b: {TOKEN}\n")),
        ("a tab", format!("{head}stringData:\n\tkey: {VALUE}\n")),
        ("an unknown alias", format!("{head}stringData: {{key: *{VALUE}}}\n")),
        ("an unknown tag", format!("{head}stringData: {{key: !{VALUE} x}}\n")),
        ("text between documents", format!("{head}stringData: {{}}\n{VALUE}\n")),
        ("no kind", format!("apiVersion: v1\nstringData: {{key: {VALUE}}}\n")),
        (
            "JSON that is cut",
            format!("{{\"kind\": \"Secret\", \"stringData\": {{\"key\": \"{VALUE}"),
        ),
        ("the value alone", VALUE.to_owned()),
    ] {
        for format in ["human", "json", "sarif", "junit"] {
            let checked = check(&["-o", format, "-"], &format!("{secret}\n---\n{credential}"));
            assert_ne!(checked.code, Some(0), "{row}: {checked:?}");
            let text = format!("{}\n{}", checked.out, checked.err);
            detector.assert_clean(&format!("{row} as {format}"), &text);
            reports.push_str(&text);
        }
    }
    assert!(reports.contains("Frankfurt"), "the findings of the resource are reported");
}
