//! How many connections a process has open at most.

use std::collections::HashSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};

/// The state of an established connection in `/proc/PID/net/tcp`.
const ESTABLISHED: &str = "01";

/// Samples the connections of a process on a thread of its own.
#[derive(Debug)]
pub struct ConnectionSampler<const PORTS: usize> {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<[usize; PORTS]>,
}

impl<const PORTS: usize> ConnectionSampler<PORTS> {
    /// Starts to count the established connections of a process to each of these ports, at this interval.
    pub fn start(pid: u32, ports: [u16; PORTS], interval: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut most = [0; PORTS];
            while !stopped.load(Ordering::Relaxed) {
                for (most, now) in most.iter_mut().zip(count(pid, ports)) {
                    *most = now.max(*most);
                }
                std::thread::sleep(interval);
            }
            most
        });
        Self { stop, thread }
    }

    /// Ends the sampling, and returns the largest number for each port.
    ///
    /// # Errors
    /// If the thread that counts panicked.
    pub fn most(self) -> Result<[usize; PORTS]> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the thread that counts connections panicked"))
    }
}

/// The current number of connections to each port. A process that has ended has none.
fn count<const PORTS: usize>(pid: u32, ports: [u16; PORTS]) -> [usize; PORTS] {
    let own = sockets(pid);
    let mut counts = [0; PORTS];
    for table in ["tcp", "tcp6"] {
        let table = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        for line in table.lines().skip(1) {
            let fields: Vec<_> = line.split_whitespace().collect();
            let [_, _, remote, ESTABLISHED, _, _, _, _, _, inode, ..] = fields[..] else {
                continue;
            };
            let port =
                remote.rsplit_once(':').and_then(|(_, hex)| u16::from_str_radix(hex, 16).ok());
            if own.contains(inode)
                && let Some(index) = ports.iter().position(|wanted| Some(*wanted) == port)
            {
                counts[index] += 1;
            }
        }
    }
    counts
}

/// The inodes of the sockets of a process.
fn sockets(pid: u32) -> HashSet<String> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let links = files.filter_map(|file| fs::read_link(file.path()).ok());
    let inode = |link: std::path::PathBuf| {
        let link = link.to_str()?;
        Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
    };
    links.filter_map(inode).collect()
}
