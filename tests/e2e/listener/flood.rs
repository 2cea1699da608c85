//! Peers that open thousands of connections, or read slowly: the kubelet still gets its answers.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use super::{Files, Scraper, connect_from};
use crate::world::{SOON, World, heavy};

/// How long an attack lasts.
const ATTACK: Duration = Duration::from_secs(6);

/// How many connections an attacker holds, or tries to.
const CONNECTIONS: usize = 3000;

/// Deadline for a probe: the timeout of the chart.
const PROBE: Duration = Duration::from_secs(5);

/// The fewest answers that show something.
const PROBES: usize = 11;

/// The address of the attacker.
const ATTACKER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// The address of the kubelet. A Pod in the network of the node has the same one.
const KUBELET: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What an attacker sends on a connection, before it waits.
type Bytes = &'static [u8];

/// Opens connections and holds them. From other addresses than that of the kubelet, it closes the oldest and opens
/// further ones, without end.
async fn attack(address: SocketAddr, sent: Bytes, from: Vec<IpAddr>, opened: Arc<AtomicUsize>) {
    let mut held = std::collections::VecDeque::new();
    for from in from.iter().cycle() {
        if *from == KUBELET && opened.load(Ordering::Relaxed) >= CONNECTIONS {
            return std::future::pending().await;
        }
        if let Some(mut stream) = connect_from(*from, address).await {
            let _ = stream.write_all(sent).await;
            opened.fetch_add(1, Ordering::Relaxed);
            held.push_back(stream);
        }
        if held.len() > CONNECTIONS / 4 {
            held.pop_front();
        }
    }
}

fn open_files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Attacks, and probes meanwhile. Returns the longest time of a probe, and the highest number of open files.
async fn probe_under_attack(
    scraper: &Scraper,
    pid: u32,
    sent: Bytes,
    from: &[IpAddr],
) -> (Duration, usize) {
    let opened = Arc::new(AtomicUsize::new(0));
    let mut attackers = JoinSet::new();
    for _ in 0..4 {
        attackers.spawn(attack(scraper.address, sent, from.to_vec(), Arc::clone(&opened)));
    }
    let (begin, mut longest, mut files, mut answered) = (Instant::now(), Duration::ZERO, 0, 0);
    while begin.elapsed() < ATTACK
        || opened.load(Ordering::Relaxed) < CONNECTIONS
        || answered < PROBES
    {
        assert!(begin.elapsed() < SOON * 3, "{answered} answers to {opened:?} connections");
        let asked = Instant::now();
        let answer = tokio::time::timeout(SOON, scraper.get_from(KUBELET, "/livez")).await.unwrap();
        // While a Pod on the node itself opens connections, its kubelet may have to try again.
        if answer.is_none() && from.contains(&KUBELET) {
            continue;
        }
        assert_eq!(answer, Some((200, "ok\n".to_owned())));
        (longest, answered) = (longest.max(asked.elapsed()), answered + 1);
        files = files.max(open_files(pid));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    attackers.shutdown().await;
    (longest, files)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_are_answered_while_thousands_of_connections_are_opened() {
    let _alone = heavy().await;
    let mut world = World::new().await;
    let files = Files::new(&world);
    let certificate = files.replace();
    let many: Vec<IpAddr> = (2..60).map(|n| Ipv4Addr::new(127, 0, 0, n).into()).collect();
    for tls in [false, true] {
        let flags = files.flags();
        let flags: Vec<&str> = flags.iter().map(String::as_str).filter(|_| tls).collect();
        let kubeconfig = world.rig.kubeconfig_for(world.rig.operator(), None).unwrap();
        let operator = world.replica(kubeconfig, &flags).await;
        let scraper = Scraper::new(operator.address, tls.then_some(&*certificate));
        scraper.wait_until_ready().await;
        let pid = operator.process.pid();
        let peak = || rig::memory(pid, "VmHWM").unwrap() >> 10;
        let (before, memory_before) = (open_files(pid), peak());
        for (row, sent, from) in [
            ("idle", &b""[..], vec![ATTACKER]),
            ("half a request", b"GET /livez HTTP/1.1\r\nHost: ", vec![ATTACKER]),
            ("garbage", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", vec![ATTACKER]),
            ("from many addresses", b"GET /metrics", many.clone()),
            ("from the same address", b"", vec![KUBELET]),
        ] {
            let (longest, files) = probe_under_attack(&scraper, pid, sent, &from).await;
            println!("{row}, TLS {tls}: {longest:?}, {files} files, {} KiB", peak());
            assert!(longest < PROBE, "{row}, TLS {tls}: {longest:?}");
            assert!(files < before + 128 + 128, "{row}, TLS {tls}: {before} → {files} files");
        }
        let grown = peak() - memory_before;
        assert!(grown < 20 * 1024, "TLS {tls}: {grown} KiB more");
        assert!(operator.stop().success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_stays_silent_or_reads_nothing_is_closed() {
    let mut world = World::new().await;
    let kubeconfig = world.rig.kubeconfig_for(world.rig.operator(), None).unwrap();
    let operator = world.replica(kubeconfig, &[]).await;
    let scraper = Scraper::new(operator.address, None);
    scraper.wait_until_ready().await;
    for sent in [&b""[..], b"GET /livez HTTP/1.1\r\n", b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let mut stream = connect_from(ATTACKER, operator.address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let mut reply = vec![];
        let read = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut reply);
        tokio::time::timeout(SOON, read).await.expect("it is still open").unwrap();
    }
    // Headers larger than any token end the connection too.
    let mut stream = connect_from(ATTACKER, operator.address).await.unwrap();
    let header = format!("GET /livez HTTP/1.1\r\nX: {}", "x".repeat(1 << 20));
    let _ = stream.write_all(header.as_bytes()).await;
    let mut reply = vec![];
    let read = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut reply);
    let _ = tokio::time::timeout(Duration::from_secs(4), read).await.expect("it is still open");
    assert!(operator.stop().success());
}
