//! The STS queue: limits concurrent issues and the rate of STS calls. The most urgent resource is admitted first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use jiff::Timestamp;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use crate::telemetry::metrics::Metrics;

/// A resource in the queue. The one with the earliest `deadline` is admitted first; with equal deadlines, the one that
/// was added first.
struct QueuedIssue {
    deadline: Timestamp,
    sequence: u64,
    calls: u32,
    admit: oneshot::Sender<OwnedSemaphorePermit>,
}

impl QueuedIssue {
    fn key(&self) -> Reverse<(Timestamp, u64)> {
        Reverse((self.deadline, self.sequence))
    }
}

impl PartialEq for QueuedIssue {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for QueuedIssue {}

impl PartialOrd for QueuedIssue {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for QueuedIssue {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

#[derive(Default)]
struct Queued {
    heap: BinaryHeap<QueuedIssue>,
    last_sequence: u64,
}

/// The STS queue.
pub(super) struct StsQueue {
    queued: Mutex<Queued>,
    added: Notify,
    closed: CancellationToken,
    metrics: Arc<Metrics>,
}

impl StsQueue {
    /// A queue that admits at most `concurrency` resources at the same time and `rate` STS calls per second, until
    /// `closed` is cancelled.
    pub(super) fn new(
        concurrency: usize,
        rate: NonZeroU32,
        closed: CancellationToken,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        let queue =
            Arc::new(Self { queued: Mutex::default(), added: Notify::new(), closed, metrics });
        let limiter = RateLimiter::direct(Quota::per_second(rate));
        let slots = Arc::new(Semaphore::new(concurrency));
        tokio::spawn(admit_all(Arc::clone(&queue), limiter, slots));
        queue
    }

    /// Waits until the queue admits this number of STS calls. The caller must keep the permit until the issue is
    /// finished. `None` if the queue is closed.
    ///
    /// `deadline` is the expiration of the credentials that are replaced.
    pub(super) async fn admit(
        &self,
        deadline: Timestamp,
        calls: u32,
    ) -> Option<OwnedSemaphorePermit> {
        let (admit, admitted) = oneshot::channel();
        {
            let mut queued = self.queued.lock().unwrap_or_else(PoisonError::into_inner);
            queued.last_sequence += 1;
            let sequence = queued.last_sequence;
            queued.heap.push(QueuedIssue { deadline, sequence, calls, admit });
            self.metrics.sts_queue(queued.heap.len());
        }
        self.added.notify_one();
        tokio::select! {
            biased;
            () = self.closed.cancelled() => None,
            permit = admitted => permit.ok(),
        }
    }

    fn pop(&self) -> Option<QueuedIssue> {
        let mut queued = self.queued.lock().unwrap_or_else(PoisonError::into_inner);
        let first = queued.heap.pop();
        self.metrics.sts_queue(queued.heap.len());
        first
    }

    fn is_empty(&self) -> bool {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner).heap.is_empty()
    }
}

/// Admits resources until the queue is closed. Acquires a slot and a share of the rate first, and then selects the
/// resource that is the most urgent at that time.
async fn admit_all(queue: Arc<StsQueue>, limiter: DefaultDirectRateLimiter, slots: Arc<Semaphore>) {
    let run = async {
        loop {
            while queue.is_empty() {
                queue.added.notified().await;
            }
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                return;
            };
            limiter.until_ready().await;
            let Some(next) = queue.pop() else {
                continue;
            };
            for _ in 1..next.calls {
                limiter.until_ready().await;
            }
            // If the resource has left the queue, the permit is dropped, which releases the slot.
            let _ = next.admit.send(slot);
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
    async fn admits_the_most_urgent_first() {
        let queue = StsQueue::new(1, NonZeroU32::MAX, CancellationToken::new(), metrics());
        let first = queue.admit(at(0), 1).await.unwrap();
        let order = Arc::new(Mutex::new(vec![]));
        let tasks: Vec<_> = [30, 10, 20]
            .into_iter()
            .map(|deadline| {
                let (queue, order) = (Arc::clone(&queue), Arc::clone(&order));
                tokio::spawn(async move {
                    let _slot = queue.admit(at(deadline), 1).await.unwrap();
                    order.lock().unwrap().push(deadline);
                })
            })
            .collect();
        while queue.queued.lock().unwrap().heap.len() < 3 {
            tokio::task::yield_now().await;
        }
        drop(first);
        futures::future::join_all(tasks).await;
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
