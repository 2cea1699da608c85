//! Free ports.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};

use crate::random;

/// Below the range from which the system serves outgoing connections (32768 and
/// up on Linux) and below NodePorts. A port given out by `bind(0)` can be taken
/// by any outgoing connection while the API server is stopped.
const RANGE: std::ops::Range<u16> = 12_000..30_000;

/// The ports that [`free_port`] has returned.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A free port of the loopback interface, which this process gets only once.
///
/// # Errors
/// If there is none.
pub fn free_port() -> Result<u16> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let [port] = free()?;
        if given.insert(port) {
            return Ok(port);
        }
    }
}

/// `N` different free ports of the loopback interface.
pub(crate) fn free<const N: usize>() -> Result<[u16; N]> {
    let mut ports = [0; N];
    // Held until all are found, so that they differ.
    let mut held = Vec::with_capacity(N);
    for slot in &mut ports {
        let Some(listener) = (0..200).find_map(|_| bind_random()) else {
            bail!("no free port in {RANGE:?}");
        };
        *slot = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

fn bind_random() -> Option<TcpListener> {
    let span = RANGE.end - RANGE.start;
    let port = RANGE.start + u16::from_le_bytes(random::bytes()) % span;
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()
}
