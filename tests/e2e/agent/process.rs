//! The process: how it ends, and what clients can do to it.

use std::time::{Duration, Instant};

use jiff::SignedDuration;
use rig::Mount;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Agent, after, credentials, mount};
use crate::world::{SOON, wait_until};

/// More connections than the agent serves at a time.
const CONNECTIONS: usize = 100;

async fn start() -> (Mount, Agent) {
    let mount = mount("reports").await;
    mount.put(credentials("ASIAONE", after(SignedDuration::from_hours(1)))).unwrap();
    let agent = Agent::start(&[format!("--file={}", mount.path("credentials.json"))]).await;
    (mount, agent)
}

#[tokio::test]
async fn a_request_in_progress_at_sigterm_is_completed() {
    let (_mount, agent) = start().await;
    let mut stream = TcpStream::connect(agent.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n").await.unwrap();
    // Later connections are accepted after this one.
    assert_eq!(agent.get("/").await.status, 200);
    agent.process.terminate().unwrap();
    wait_until("the agent accepts no connection", SOON, || async {
        TcpStream::connect(agent.address).await.is_err().then_some(())
    })
    .await;
    stream.write_all(b"\r\n").await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 200") && reply.contains("ASIAONE"), "{reply}");
    assert!(agent.process.wait(SOON).unwrap().success());
}

#[tokio::test]
async fn idle_connections_do_not_delay_the_end() {
    let (_mount, agent) = start().await;
    let _idle = TcpStream::connect(agent.address).await.unwrap();
    assert_eq!(agent.get("/").await.status, 200);
    let begin = Instant::now();
    agent.process.terminate().unwrap();
    assert!(agent.process.wait(SOON).unwrap().success());
    // The agent waits 2 s for requests in progress. After 5 s it would close an idle connection by itself.
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn connections_without_a_request_are_closed_and_others_are_served() {
    let (_mount, agent) = start().await;
    let mut idle = vec![];
    for _ in 0..CONNECTIONS {
        idle.push(TcpStream::connect(agent.address).await.unwrap());
    }
    let reply = tokio::time::timeout(SOON, agent.get("/")).await.unwrap();
    assert_eq!(reply.status, 200);
    let mut nothing = [0];
    let closed = tokio::time::timeout(SOON, idle[0].read(&mut nothing)).await.unwrap();
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
}

#[tokio::test]
async fn large_headers_are_refused() {
    let (_mount, agent) = start().await;
    let large = "x".repeat(64 * 1024);
    let mut stream = TcpStream::connect(agent.address).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {large}\r\n\r\n");
    // The agent may close the connection before it has all of it.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut reply = vec![];
    let _ = stream.read_to_end(&mut reply).await;
    let reply = String::from_utf8_lossy(&reply);
    assert!(!reply.contains("200 OK") && !reply.contains("ASIAONE"), "{reply}");
    assert_eq!(agent.get("/").await.status, 200);
}
