//! The STS queue: decides when it is the turn of a resource to call STS.
//!
//! A resource that waits is a key in the [`Queue`]. When its turn comes, the resource is requeued, and its
//! reconciliation [takes the turn](StsQueue::take_turn).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tempcred_core::key::Key;
use tempcred_core::queue::{BudgetKey, Next, Queue, Turn};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::telemetry::metrics::Metrics;

/// The STS queue.
pub(super) struct StsQueue {
    state: Mutex<State>,
    /// Notified when the next turn may be due.
    changed: Notify,
    begin: Instant,
    metrics: Arc<Metrics>,
}

struct State {
    queue: Queue,
    /// The turns that no reconciliation has taken yet.
    begun: HashMap<Key, Turn>,
}

impl StsQueue {
    /// An empty queue. At most `concurrency` turns at the same time, and `rate` STS calls per second for each budget.
    pub(super) fn new(concurrency: u16, rate: u32, metrics: Arc<Metrics>) -> Self {
        let queue = Queue::new(concurrency.into(), rate.into());
        Self {
            state: Mutex::new(State { queue, begun: HashMap::new() }),
            changed: Notify::new(),
            begin: Instant::now(),
            metrics,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let (result, depth) = {
            let mut state = self.state();
            let result = change(&mut state);
            (result, state.queue.len())
        };
        self.metrics.sts_queue(depth);
        self.changed.notify_one();
        result
    }

    /// Adds a resource that is due at `due`, and returns how long it has waited. Does nothing if it has a turn.
    pub(super) fn add(&self, key: &Key, due: Timestamp, budget: BudgetKey) -> Duration {
        self.change(|state| state.queue.add(key, due, budget, self.begin.elapsed()))
    }

    /// Removes a resource, because it needs no call or is gone. If it has a turn that no reconciliation has taken, the
    /// turn ends.
    pub(super) fn remove(&self, key: &Key) {
        {
            let state = self.state();
            if !state.queue.contains(key) && !state.begun.contains_key(key) {
                return;
            }
        }
        self.change(|state| {
            state.queue.remove(key);
            if let Some(turn) = state.begun.remove(key) {
                state.queue.end(turn, 0, self.begin.elapsed());
            }
        });
    }

    /// The turn of a resource, if it has one. It ends when the result is dropped.
    pub(super) fn take_turn(self: &Arc<Self>, key: &Key) -> Option<TakenTurn> {
        let turn = self.state().begun.remove(key)?;
        Some(TakenTurn { queue: Arc::clone(self), turn: Some(turn), calls: 0 })
    }

    /// Begins turns, and requeues their resources. Never returns.
    pub(super) async fn run(&self, wake: impl Fn(&Key)) {
        loop {
            let next = self.state().queue.next(self.begin.elapsed());
            match next {
                Next::Turn(turn) => {
                    let key = turn.key().clone();
                    self.state().begun.insert(key.clone(), turn);
                    self.metrics.sts_queue(self.state().queue.len());
                    wake(&key);
                }
                Next::At(at) => {
                    let wait = at.saturating_sub(self.begin.elapsed());
                    tokio::select! {
                        () = sleep(wait) => {}
                        () = self.changed.notified() => {}
                    }
                }
                Next::Idle => self.changed.notified().await,
            }
        }
    }
}

/// A turn that a reconciliation has taken.
pub(super) struct TakenTurn {
    queue: Arc<StsQueue>,
    turn: Option<Turn>,
    /// Number of calls that were made.
    pub(super) calls: u32,
}

impl TakenTurn {
    /// How long the resource waited, in seconds.
    pub(super) fn waited(&self) -> f64 {
        self.turn.as_ref().map_or(0.0, |turn| turn.waited().as_secs_f64())
    }
}

impl Drop for TakenTurn {
    fn drop(&mut self) {
        if let Some(turn) = self.turn.take() {
            let (calls, now) = (self.calls, self.queue.begin.elapsed());
            self.queue.change(|state| state.queue.end(turn, calls, now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempcred_core::queue::BudgetSigner;
    use tokio::sync::mpsc;

    fn key(name: &str) -> Key {
        Key { namespace: "n".to_owned(), name: name.to_owned() }
    }

    fn budget() -> BudgetKey {
        BudgetKey { signer: BudgetSigner::Operator, region: None }
    }

    #[tokio::test]
    async fn requeues_resources_as_their_turns_come() {
        let queue = Arc::new(StsQueue::new(1, 1000, Arc::new(Metrics::new(false))));
        let (wake, mut woken) = mpsc::unbounded_channel();
        let running = Arc::clone(&queue);
        let run = tokio::spawn(async move {
            running.run(|key| drop(wake.send(key.name.clone()))).await;
        });
        for name in ["a", "b", "c"] {
            queue.add(&key(name), Timestamp::UNIX_EPOCH, budget());
        }
        assert_eq!(woken.recv().await.unwrap(), "a");
        let turn = queue.take_turn(&key("a")).unwrap();
        assert!(queue.take_turn(&key("a")).is_none(), "a turn is taken once");
        drop(turn);
        assert_eq!(woken.recv().await.unwrap(), "b");
        // The resource was deleted before its reconciliation took the turn.
        queue.remove(&key("b"));
        assert!(queue.take_turn(&key("b")).is_none());
        assert_eq!(woken.recv().await.unwrap(), "c");
        run.abort();
    }
}
