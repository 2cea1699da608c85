//! The queue to STS: limits calls at a time and calls per second, the most urgent first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use jiff::Timestamp;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use crate::telemetry::metrics::Metrics;

/// A resource that waits. The earliest `deadline` goes first; of equal ones, the first that came.
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
struct Waiters {
    waiting: BinaryHeap<Waiter>,
    turns: u64,
}

/// The queue.
pub(super) struct StsQueue {
    waiters: Mutex<Waiters>,
    came: Notify,
    closed: CancellationToken,
    metrics: Arc<Metrics>,
}

impl StsQueue {
    /// A queue that admits `concurrency` resources at a time and `rate` calls per second, until `closed`.
    pub(super) fn new(
        concurrency: usize,
        rate: NonZeroU32,
        closed: CancellationToken,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        let queue =
            Arc::new(Self { waiters: Mutex::default(), came: Notify::new(), closed, metrics });
        let limiter = RateLimiter::direct(Quota::per_second(rate));
        let slots = Arc::new(Semaphore::new(concurrency));
        tokio::spawn(admit_all(Arc::clone(&queue), limiter, slots));
        queue
    }

    /// Waits for a turn to make this number of calls. `None` once the queue is closed.
    ///
    /// `deadline` is when the credentials expire that are to be replaced.
    pub(super) async fn admit(
        &self,
        deadline: Timestamp,
        calls: u32,
    ) -> Option<OwnedSemaphorePermit> {
        let (admit, admitted) = oneshot::channel();
        {
            let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
            waiters.turns += 1;
            let turn = waiters.turns;
            waiters.waiting.push(Waiter { deadline, turn, calls, admit });
            self.metrics.sts_queue(waiters.waiting.len());
        }
        self.came.notify_one();
        tokio::select! {
            biased;
            () = self.closed.cancelled() => None,
            permit = admitted => permit.ok(),
        }
    }

    fn most_urgent(&self) -> Option<Waiter> {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        let first = waiters.waiting.pop();
        self.metrics.sts_queue(waiters.waiting.len());
        first
    }

    fn is_empty(&self) -> bool {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner).waiting.is_empty()
    }
}

/// Takes a slot and a share of the rate first, and only then the most urgent resource.
async fn admit_all(queue: Arc<StsQueue>, limiter: DefaultDirectRateLimiter, slots: Arc<Semaphore>) {
    let run = async {
        loop {
            while queue.is_empty() {
                queue.came.notified().await;
            }
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                return;
            };
            limiter.until_ready().await;
            let Some(waiter) = queue.most_urgent() else {
                continue;
            };
            for _ in 1..waiter.calls {
                limiter.until_ready().await;
            }
            // A resource that no longer waits returns its slot when the permit is dropped.
            let _ = waiter.admit.send(slot);
        }
    };
    tokio::select! {
        () = queue.closed.cancelled() => {}
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
        let queue = StsQueue::new(1, NonZeroU32::MAX, CancellationToken::new(), metrics());
        let first = queue.admit(at(0), 1).await.unwrap();
        let order = Arc::new(Mutex::new(vec![]));
        let waits: Vec<_> = [30, 10, 20]
            .into_iter()
            .map(|deadline| {
                let (queue, order) = (Arc::clone(&queue), Arc::clone(&order));
                tokio::spawn(async move {
                    let _slot = queue.admit(at(deadline), 1).await.unwrap();
                    order.lock().unwrap().push(deadline);
                })
            })
            .collect();
        while queue.waiters.lock().unwrap().waiting.len() < 3 {
            tokio::task::yield_now().await;
        }
        drop(first);
        futures::future::join_all(waits).await;
        assert_eq!(*order.lock().unwrap(), [10, 20, 30]);
    }

    #[tokio::test]
    async fn a_closed_queue_admits_nothing() {
        let closed = CancellationToken::new();
        let queue = StsQueue::new(1, NonZeroU32::MIN, closed.clone(), metrics());
        let _slot = queue.admit(at(0), 1).await.unwrap();
        let waiting = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.admit(at(0), 1).await.is_none() }
        });
        closed.cancel();
        assert!(waiting.await.unwrap());
    }
}
