//! Memory: a crash leaves no core dump, and values are overwritten after their use.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use futures::future::join_all;
use kube::api::DeleteParams;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use crate::leak::Detector;
use crate::outage::RECOVERY;
use crate::world::{OPERATOR_SECRET, SOON, World, is_ready, plain, wait_until};

#[tokio::test]
async fn a_crash_leaves_no_core_dump() {
    // The operator is started with permission to write one, and gives the permission up.
    let before = getrlimit(Resource::Core);
    if before.maximum == Some(0) {
        println!("not shown: cores are off for all that is started here");
    }
    setrlimit(Resource::Core, Rlimit { current: before.maximum, ..before }).unwrap();
    let mut world = World::start().await;
    // Restored at once: the test itself must leave none either.
    setrlimit(Resource::Core, before).unwrap();
    let pid = world.pid().to_string();
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    let soft_and_hard: Vec<_> = core.split_whitespace().take(2).collect();
    assert_eq!(soft_and_hard, ["0", "0"]);

    assert!(Command::new("kill").args(["-s", "ABRT", &pid]).status().unwrap().success());
    let status = world.wait_for_operator_end(SOON);
    assert_eq!((status.signal(), status.core_dumped()), (Some(6), false));
}

/// A secret key that requests are signed with, in a Secret of the namespace.
const INPUT_SECRET: &str = "userSecretKeyThatIsWipedAfterEachUse7890";

#[tokio::test]
async fn no_secret_value_stays_in_memory_after_its_use() {
    let world = World::start().await;
    exercise(&world).await;
    let records = world.sts.issued();
    assert!(records.len() > 20, "only {} were issued", records.len());
    let issued = records.iter().flat_map(|m| [m.secret.as_str(), m.token.as_str()]);
    let issued = Detector::of(issued.chain([INPUT_SECRET]));

    // The operator's own identity stays in memory: finding it shows that the search works.
    match copies(world.pid(), &Detector::of([OPERATOR_SECRET])) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            println!("not shown: the memory of another process may not be read here: {error}");
            return;
        }
        found => assert!(found.unwrap() > 0, "the operator's own secret key is not found"),
    }
    wait_until_forgotten(&world, &issued, RECOVERY).await;
}

/// Waits until the memory of the operator contains none of these values.
pub async fn wait_until_forgotten(world: &World, values: &Detector, at_most: Duration) {
    // The last block that was encrypted is left on the stack of an idle thread, until the thread encrypts again. Several
    // resources at the same time keep every thread busy.
    let busy = AtomicUsize::new(0);
    wait_until("no value is left in memory", at_most, || async {
        let issue = |_| async {
            let name = format!("busy-{}", busy.fetch_add(1, Relaxed));
            world.issue(&name, plain()).await;
        };
        join_all((0..16).map(issue)).await;
        (copies(world.pid(), values).unwrap() == 0).then_some(())
    })
    .await;
}

/// Issues, chains, signs with a key of the namespace, and restores what was edited or deleted.
async fn exercise(world: &World) {
    let key = json!({
        "AWS_ACCESS_KEY_ID": "AKIAUSER000000000001", "AWS_SECRET_ACCESS_KEY": INPUT_SECRET,
    });
    world.create_secret("key", key).await;
    let mut chained = plain();
    chained["assumeRole"]["via"] = json!([{"roleArn": "arn:aws:iam::123456789012:role/hop"}]);
    let by_user = json!({
        "identity": {"accessKeySecretRef": {"name": "key"}}, "getSessionToken": {},
    });
    world.issue("chained", chained).await;
    world.issue("by-user", by_user).await;
    for name in (0..20).map(|n| format!("plain-{n}")) {
        world.create(&name, plain()).await;
    }
    for name in (0..20).map(|n| format!("plain-{n}")) {
        world.wait(&name, "ready", is_ready).await;
    }
    world.edit_secret("plain-0", json!({"stringData": {"AWS_SECRET_ACCESS_KEY": "x"}})).await;
    world.secrets().delete("plain-1", &DeleteParams::default()).await.unwrap();
    for name in ["plain-0", "plain-1"] {
        wait_until("restored", SOON, || async {
            let secret = world.secrets().get_opt(name).await.unwrap()?;
            let data = crate::world::data(&secret);
            data.get("AWS_SECRET_ACCESS_KEY").is_some_and(|value| value != "x").then_some(())
        })
        .await;
    }
}

/// How many copies of values are in the memory that a process can write to.
pub fn copies(pid: u32, values: &Detector) -> io::Result<usize> {
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let mut copies = 0;
    for line in fs::read_to_string(format!("/proc/{pid}/maps"))?.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next().unwrap(), fields.next().unwrap());
        if !rights.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|hex| u64::from_str_radix(hex, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        match memory.read_exact_at(&mut bytes, start) {
            Ok(()) => copies += values.copies(&bytes),
            // Unmapped since the list was read.
            Err(_) if !fs::read_to_string(format!("/proc/{pid}/maps"))?.contains(range) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(copies)
}
