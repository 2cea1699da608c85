//! The gate before STS: so many calls at a time, so many a second, the most urgent first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use jiff::Timestamp;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// Somebody who waits: the earlier `deadline` goes first, then whoever came first.
struct Waiter {
    deadline: Timestamp,
    turn: u64,
    calls: u32,
    admit: oneshot::Sender<OwnedSemaphorePermit>,
}

impl Waiter {
    fn key(&self) -> Reverse<(Timestamp, u64)> {
        Reverse((self.deadline, self.turn))
    }
}

impl PartialEq for Waiter {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Waiter {}

impl PartialOrd for Waiter {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiter {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

#[derive(Default)]
struct Queue {
    waiters: BinaryHeap<Waiter>,
    turns: u64,
}

/// The gate.
pub(super) struct Gate {
    queue: Mutex<Queue>,
    came: Notify,
    closed: CancellationToken,
    metrics: Arc<Metrics>,
}

impl Gate {
    /// Opens a gate that lets through `concurrency` at a time and `rate` calls a second, until
    /// `closed`.
    pub(super) fn open(
        concurrency: usize,
        rate: NonZeroU32,
        closed: CancellationToken,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        let gate = Arc::new(Self { queue: Mutex::default(), came: Notify::new(), closed, metrics });
        let limiter = RateLimiter::direct(Quota::per_second(rate));
        let slots = Arc::new(Semaphore::new(concurrency));
        tokio::spawn(admit_all(Arc::clone(&gate), limiter, slots));
        gate
    }

    /// Waits for a turn to make so many calls. `None` once the gate is closed.
    ///
    /// `deadline` says how urgent it is: when the credentials expire that are to be replaced.
    pub(super) async fn admit(
        &self,
        deadline: Timestamp,
        calls: u32,
    ) -> Option<OwnedSemaphorePermit> {
        let (admit, admitted) = oneshot::channel();
        {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.turns += 1;
            let turn = queue.turns;
            queue.waiters.push(Waiter { deadline, turn, calls, admit });
            self.metrics.sts_queue(queue.waiters.len());
        }
        self.came.notify_one();
        tokio::select! {
            biased;
            () = self.closed.cancelled() => None,
            permit = admitted => permit.ok(),
        }
    }

    fn most_urgent(&self) -> Option<Waiter> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let first = queue.waiters.pop();
        self.metrics.sts_queue(queue.waiters.len());
        first
    }

    fn is_empty(&self) -> bool {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).waiters.is_empty()
    }
}

/// Takes a slot and a share of the rate first, and only then looks who is the most urgent.
async fn admit_all(gate: Arc<Gate>, limiter: DefaultDirectRateLimiter, slots: Arc<Semaphore>) {
    let run = async {
        loop {
            while gate.is_empty() {
                gate.came.notified().await;
            }
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                return;
            };
            limiter.until_ready().await;
            let Some(waiter) = gate.most_urgent() else {
                continue;
            };
            for _ in 1..waiter.calls {
                limiter.until_ready().await;
            }
            // Whoever no longer waits gives its slot back by being dropped.
            let _ = waiter.admit.send(slot);
        }
    };
    tokio::select! {
        () = gate.closed.cancelled() => {}
        () = run => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> Arc<Metrics> {
        Arc::new(Metrics::new(false))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[tokio::test]
    async fn the_most_urgent_goes_first() {
        let gate = Gate::open(1, NonZeroU32::MAX, CancellationToken::new(), metrics());
        let first = gate.admit(at(0), 1).await.unwrap();
        let order = Arc::new(Mutex::new(vec![]));
        let waits: Vec<_> = [30, 10, 20]
            .into_iter()
            .map(|deadline| {
                let (gate, order) = (Arc::clone(&gate), Arc::clone(&order));
                tokio::spawn(async move {
                    let _slot = gate.admit(at(deadline), 1).await.unwrap();
                    order.lock().unwrap().push(deadline);
                })
            })
            .collect();
        while gate.queue.lock().unwrap().waiters.len() < 3 {
            tokio::task::yield_now().await;
        }
        drop(first);
        futures::future::join_all(waits).await;
        assert_eq!(*order.lock().unwrap(), [10, 20, 30]);
    }

    #[tokio::test]
    async fn nobody_waits_at_a_closed_gate() {
        let closed = CancellationToken::new();
        let gate = Gate::open(1, NonZeroU32::MIN, closed.clone(), metrics());
        let _slot = gate.admit(at(0), 1).await.unwrap();
        let waiting = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.admit(at(0), 1).await.is_none() }
        });
        closed.cancel();
        assert!(waiting.await.unwrap());
    }
}
