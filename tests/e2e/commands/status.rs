//! `tempcred status`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};

use rig::sts::Fault;
use serde_json::{Value, json};

use super::{command, run};
use crate::world::{SOON, World, assume, plain, wait_until};

#[tokio::test]
async fn shows_what_is_ready_and_why_the_rest_is_not() {
    let world = World::start().await;
    let none = run(&world, &["status"]).await;
    assert_eq!((none.code, &*none.out), (Some(0), ""));
    assert!(none.err.contains("There are no TemporaryCredentials in namespace"), "{}", none.err);

    let empty = run(&world, &["status", "-o", "json"]).await;
    let empty: Value = serde_json::from_str(&empty.out).unwrap();
    assert_eq!(empty, json!({"apiVersion": "v1", "kind": "List", "items": []}));

    world.issue("reports", plain()).await;
    let ready = run(&world, &["status"]).await;
    let lines: Vec<_> = ready.out.lines().collect();
    assert_eq!((ready.code, lines.len()), (Some(0), 2), "{}", ready.out);
    assert!(lines[0].starts_with("NAME") && lines[0].contains("EXPIRES IN"), "{}", lines[0]);
    assert!(lines[1].starts_with("reports") && lines[1].contains("Issued"), "{}", lines[1]);

    world.sts.inject(Fault::access_denied().for_role("role/refused"));
    world.create("refused", assume("refused")).await;
    world.wait("refused", "refused", |status| status.failure.is_some()).await;
    let table = run(&world, &["status"]).await;
    assert_eq!(table.code, Some(1), "{}", table.out);
    assert!(table.out.contains("AssumeRole for arn:aws:iam::123456789012:role/refused failed"));
    let one = run(&world, &["status", "refused"]).await;
    for part in ["Conditions", "Failure", "AccessDenied (Refused)", "Next steps", "trust policy"] {
        assert!(one.out.contains(part), "{part}: {}", one.out);
    }
    assert!(!one.out.contains('\x1b'), "no colours in a pipe");
    let missing = run(&world, &["status", "none"]).await;
    assert_eq!(missing.code, Some(2), "{}", missing.err);

    let json: Value =
        serde_json::from_str(&run(&world, &["status", "-o", "json"]).await.out).unwrap();
    assert_eq!(json["items"].as_array().unwrap().len(), 2);
    let yaml = run(&world, &["status", "reports", "-o", "yaml"]).await;
    let yaml: Value = serde_yaml::from_str(&yaml.out).unwrap();
    assert_eq!(yaml["kind"], "TemporaryCredential");
    let wide = run(&world, &["status", "-o", "wide"]).await;
    assert!(wide.out.contains("assumed-role/reports"), "{}", wide.out);
    let all = command(&world, &["status"]).args(["-A"]).output().unwrap();
    assert_eq!(all.status.code(), Some(2), "-A and --namespace exclude each other");
}

/// A running `status --watch` in a pipe.
struct Watch {
    process: Child,
    lines: Receiver<String>,
}

impl Watch {
    fn start(world: &World) -> Self {
        let mut watch = command(world, &["status", "--watch"]);
        let mut process = watch.stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let out = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || {
            // Ends with the process, or with the test.
            let _ = out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line));
        });
        Self { process, lines }
    }

    /// Waits for a line with these parts, in this order.
    async fn line(&self, parts: [&str; 2]) {
        wait_until(&format!("a line with {parts:?}"), SOON, || async {
            let is_it = |line: &String| {
                line.split_once(parts[0]).is_some_and(|(_, rest)| rest.contains(parts[1]))
            };
            self.lines.try_iter().find(is_it)
        })
        .await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn a_watch_adds_a_line_for_each_change_if_it_is_not_on_a_terminal() {
    let world = World::start().await;
    world.issue("reports", plain()).await;
    let watch = Watch::start(&world);
    watch.line(["NAME", "READY"]).await;
    watch.line(["reports", "Issued"]).await;
    world.create("second", assume("second")).await;
    watch.line(["second", "Issued"]).await;
    world.credentials().delete("second", &Default::default()).await.unwrap();
    watch.line(["second", "Deleted"]).await;
}
