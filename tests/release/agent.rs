//! The memory of `tempcred agent`: it runs beside the containers of a Pod, in as many Pods as there are.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use rig::janitor::Janitor;
use rig::{Mount, Process, memory};
use serde_json::json;

use crate::bundle::scratch;
use crate::unpacked::image;

/// Most memory of its own: heap, stack and relocated constants. The kernel cannot reclaim it, and no other Pod shares it.
const MOST_OWN: u64 = 4 << 20;

/// Most memory that may ever be resident, with the pages of the program that all Pods of a node share.
const MOST_RESIDENT: u64 = 8 << 20;

/// The deadline for everything that should happen at once.
const SOON: Duration = Duration::from_secs(60);

/// Mounted Secrets.
const FILES: usize = 5;

/// Length of a session token: AWS documents no limit, and says that it is usually less than 4096 bytes.
const TOKEN: usize = 4096;

/// Requests of each client, and rotations of each file.
const REQUESTS: usize = 1000;
const ROTATIONS: usize = 100;

/// Requests of each kind that is larger than others.
const LARGE_REQUESTS: usize = 200;

/// More connections than the agent serves at a time.
const CONNECTIONS: usize = 100;

/// A folder, a running agent for several files in it, and its address.
struct Scene {
    mounts: Vec<Mount>,
    address: SocketAddr,
    process: Process,
    served: AtomicUsize,
}

impl Scene {
    fn start() -> Self {
        let folder = scratch().join("agent");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let mounts: Vec<_> =
            (0..FILES).map(|at| Mount::new(&folder.join(format!("m{at}"))).unwrap()).collect();
        mounts.iter().for_each(|mount| mount.put(credentials(0)).unwrap());
        std::fs::write(folder.join("token"), "the token").unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], rig::free_port().unwrap()));
        let process = start(&folder, &mounts, address);
        let scene = Self { mounts, address, process, served: AtomicUsize::new(0) };
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            let said = scene.process.output().unwrap();
            assert!(scene.process.is_running() && begin.elapsed() < SOON, "{said}");
            std::thread::sleep(Duration::from_millis(10));
        }
        scene
    }

    /// The status of a reply, or none if the agent closes the connection first.
    fn request(&self, path: &str, token: &str, more: &str) -> Option<u16> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(SOON)).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: {token}\r\n{more}\r\n",
            self.address
        );
        // The agent may refuse a large request before it has read all of it.
        let _ = stream.write_all(request.as_bytes());
        let mut reply = vec![];
        let _ = stream.read_to_end(&mut reply);
        let reply = String::from_utf8_lossy(&reply);
        if reply.starts_with("HTTP/1.1 200") {
            assert!(path == "/livez" || reply.contains("\"SecretAccessKey\""), "{reply}");
            self.served.fetch_add(1, Ordering::Relaxed);
        }
        let status = reply.split(' ').nth(1)?.parse().ok()?;
        // The mounts always contain credentials.
        assert_ne!(status, 503, "{reply}");
        Some(status)
    }
}

fn start(folder: &Path, mounts: &[Mount], address: SocketAddr) -> Process {
    let mut command = Command::new(image().root.join("tempcred"));
    command.arg("agent").arg(format!("--listen={address}"));
    command.arg(format!("--authorization-token-file={}", folder.join("token").display()));
    command.args(mounts.iter().map(|mount| format!("--file={}", mount.path("credentials.json"))));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TEMPCRED_") {
            command.env_remove(name);
        }
    }
    let logs = folder.join("logs");
    std::fs::create_dir_all(&logs).unwrap();
    Janitor::start(&logs, false).unwrap().spawn("agent", &command).unwrap()
}

/// What tempcred writes to `credentials.json`.
fn credentials(round: usize) -> String {
    let expiration = Timestamp::now() + SignedDuration::from_hours(1);
    json!({
        "Version": 1,
        "AccessKeyId": format!("ASIA{round:016}"),
        "SecretAccessKey": "s".repeat(40),
        "SessionToken": "t".repeat(TOKEN),
        "Expiration": expiration.to_string(),
    })
    .to_string()
}

/// The memory of its own, now.
fn own(scene: &Scene) -> u64 {
    memory(scene.process.pid(), "RssAnon").unwrap()
}

#[test]
fn its_memory_stays_small_under_load() {
    let scene = Scene::start();
    let mut own = vec![own(&scene)];
    let large = format!("X: {}\r\n", "x".repeat(64 * 1024));
    let nearly_too_large = format!("X: {}\r\n", "x".repeat(15 * 1024));
    std::thread::scope(|scope| {
        let scene = &scene;
        for token in ["the token", "the token", "the token", "a wrong token"] {
            scope.spawn(move || {
                for at in 0..REQUESTS {
                    let path = format!("/m{}", at % FILES);
                    let expected = if token == "the token" { 200 } else { 401 };
                    assert_eq!(scene.request(&path, token, ""), Some(expected));
                }
            });
        }
        let (large, nearly) = (&large, &nearly_too_large);
        scope.spawn(move || {
            for _ in 0..LARGE_REQUESTS {
                assert_ne!(scene.request("/", "the token", large), Some(200));
                assert_eq!(scene.request("/", "the token", nearly), Some(200));
                assert_eq!(scene.request("/none", "the token", ""), Some(404));
            }
        });
        for round in 1..=ROTATIONS {
            scene.mounts.iter().for_each(|mount| mount.put(credentials(round)).unwrap());
            own.push(self::own(scene));
        }
    });
    own.push(self::own(&scene));
    // Connections that each fill the buffer of the agent, and end no request.
    let part = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}", "x".repeat(15 * 1024));
    let mut open = vec![];
    for _ in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(scene.address).unwrap();
        stream.write_all(part.as_bytes()).unwrap();
        open.push(stream);
    }
    own.push(self::own(&scene));
    assert_eq!(scene.request("/livez", "", ""), Some(200));
    own.push(self::own(&scene));
    drop(open);

    assert!(scene.served.load(Ordering::Relaxed) > 3 * REQUESTS);
    let (first, most) = (own[0] >> 10, own.iter().max().unwrap());
    let peak = memory(scene.process.pid(), "VmHWM").unwrap();
    eprintln!("agent: {first} KiB at first, {} at most, {} resident", most >> 10, peak >> 10);
    assert!(*most <= MOST_OWN, "{most} bytes of its own");
    assert!(peak <= MOST_RESIDENT, "{peak} bytes were resident");
    scene.process.terminate().unwrap();
    assert!(scene.process.wait(SOON).unwrap().success());
}
