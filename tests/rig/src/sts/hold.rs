//! A gate between a request's arrival and its reply.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::watch;

use crate::process::wait_until;

/// Holds requests back until released or dropped.
///
/// With it, a test can act at a known moment: between a request of the operator and
/// its reply.
pub struct Hold {
    gate: Arc<Gate>,
}

pub(super) struct Gate {
    arrivals: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Hold {
    pub(super) fn new() -> Self {
        let gate = Gate { arrivals: watch::Sender::new(0), open: watch::Sender::new(false) };
        Self { gate: Arc::new(gate) }
    }

    pub(super) fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.gate)
    }

    /// How many requests have arrived.
    #[must_use]
    pub fn arrivals(&self) -> usize {
        *self.gate.arrivals.borrow()
    }

    /// Waits until so many requests have arrived. In any runtime; put a deadline on it.
    pub async fn arrived(&self, count: usize) {
        // The sender lives as long as self, so this cannot fail.
        let _ = self.gate.arrivals.subscribe().wait_for(|arrivals| *arrivals >= count).await;
    }

    /// Blocks until so many requests have arrived, at most so long.
    pub fn wait_arrived(&self, count: usize, at_most: Duration) -> Result<()> {
        wait_until("requests at the gate", at_most, || Ok(self.arrivals() >= count))
    }

    /// Releases all held requests, and holds no further ones.
    pub fn release(&self) {
        self.gate.open.send_replace(true);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.release();
    }
}

impl Gate {
    pub(super) async fn pass(&self) {
        self.arrivals.send_modify(|arrivals| *arrivals += 1);
        // The sender lives as long as self, so this cannot fail.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }
}
