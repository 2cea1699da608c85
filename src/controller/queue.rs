//! Queues for turns: at STS, and for the reconciliations that make no call to STS.
//!
//! A resource that waits is a key in the [`Queue`]. When its turn comes, the resource is requeued, and its
//! reconciliation [takes the turn](TurnQueue::take_turn).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tempcred_core::key::Key;
use tempcred_core::queue::{BudgetKey, BudgetSigner, Calls, Demand, Next, Queue, Turn};
use tokio::sync::Notify;
use tokio::time::sleep;

/// Number of reconciliations without a turn at STS that run at the same time. They take milliseconds.
const SHORT_RECONCILIATIONS: usize = 32;

/// A queue for turns.
pub(super) struct TurnQueue {
    state: Mutex<State>,
    /// Notified when the next turn may be due.
    changed: Notify,
    begin: Instant,
    /// Called with the number of waiting resources.
    depth: Box<dyn Fn(usize) + Send + Sync>,
}

struct State {
    queue: Queue,
    /// The turns that no reconciliation has taken yet.
    begun: HashMap<Key, Turn>,
}

impl TurnQueue {
    /// The queue for turns at STS. At most `concurrency` turns at the same time, and at most `rate` calls per second for
    /// each budget. `depth` is called with the number of waiting resources.
    pub(super) fn of_sts(
        concurrency: u16,
        rate: u32,
        depth: impl Fn(usize) + Send + Sync + 'static,
    ) -> Self {
        Self::new(Queue::new(concurrency.into(), rate.into()), Box::new(depth))
    }

    /// The queue for reconciliations without a turn at STS. Namespaces share them equally.
    pub(super) fn of_reconciliations() -> Self {
        Self::new(Queue::unlimited(SHORT_RECONCILIATIONS), Box::new(|_| {}))
    }

    fn new(queue: Queue, depth: Box<dyn Fn(usize) + Send + Sync>) -> Self {
        Self {
            state: Mutex::new(State { queue, begun: HashMap::new() }),
            changed: Notify::new(),
            begin: Instant::now(),
            depth,
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
        (self.depth)(depth);
        self.changed.notify_one();
        result
    }

    /// The turn of a resource that needs one, if it can begin at once. Otherwise the resource waits.
    ///
    /// # Errors
    /// How long the resource has waited.
    pub(super) fn begin(
        self: &Arc<Self>,
        key: &Key,
        demand: Demand,
    ) -> Result<TakenTurn, Duration> {
        let now = self.begin.elapsed();
        let turn = self.change(|state| {
            let waited = state.queue.waited(key, now);
            state.queue.begin(key, demand, now).ok_or(waited)
        });
        turn.map(|turn| self.taken(turn))
    }

    /// How long a resource has waited, if it waits. Its urgency follows the demand.
    pub(super) fn wait_on(&self, key: &Key, demand: &Demand) -> Option<Duration> {
        let (now, mut state) = (self.begin.elapsed(), self.state());
        state.queue.contains(key).then(|| {
            state.queue.add(key, demand.clone(), now);
            state.queue.waited(key, now)
        })
    }

    /// The slot of a reconciliation, if it can begin at once. Otherwise the resource waits.
    pub(super) fn begin_reconciliation(self: &Arc<Self>, key: &Key) -> Option<TakenTurn> {
        let budget = BudgetKey { signer: BudgetSigner::Operator, region: None };
        self.begin(key, Demand { due: Timestamp::UNIX_EPOCH, budget, calls: 1, refused: false })
            .ok()
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
                state.queue.end(turn, Calls::default(), self.begin.elapsed());
            }
        });
    }

    /// The turn of a resource, if it has one. It ends when the result is dropped.
    pub(super) fn take_turn(self: &Arc<Self>, key: &Key) -> Option<TakenTurn> {
        let turn = self.state().begun.remove(key)?;
        Some(self.taken(turn))
    }

    fn taken(self: &Arc<Self>, turn: Turn) -> TakenTurn {
        TakenTurn { queue: Arc::clone(self), turn: Some(turn), calls: Calls::default() }
    }

    /// The lowest rate in force for the operator's own identity, in calls per second.
    pub(super) fn operator_rate(&self) -> f64 {
        self.state().queue.operator_rate(self.begin.elapsed())
    }

    /// Begins turns, and requeues their resources. Never returns.
    pub(super) async fn run(&self, wake: impl Fn(&Key)) {
        loop {
            let next = self.state().queue.next(self.begin.elapsed());
            match next {
                Next::Turn(turn) => {
                    let key = turn.key().clone();
                    let depth = {
                        let mut state = self.state();
                        state.begun.insert(key.clone(), turn);
                        state.queue.len()
                    };
                    (self.depth)(depth);
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
    queue: Arc<TurnQueue>,
    turn: Option<Turn>,
    /// The calls that were made.
    pub(super) calls: Calls,
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
    use tokio::sync::mpsc;

    fn key(name: &str) -> Key {
        Key { namespace: "n".to_owned(), name: name.to_owned() }
    }

    #[tokio::test]
    async fn requeues_resources_as_their_turns_come() {
        let queue = Arc::new(TurnQueue::of_sts(1, 1000, |_| {}));
        let (wake, mut woken) = mpsc::unbounded_channel();
        let running = Arc::clone(&queue);
        let run = tokio::spawn(async move {
            running.run(|key| drop(wake.send(key.name.clone()))).await;
        });
        let first = queue.begin_reconciliation(&key("a")).unwrap();
        for name in ["b", "c"] {
            assert!(queue.begin_reconciliation(&key(name)).is_none());
        }
        drop(first);
        assert_eq!(woken.recv().await.unwrap(), "b");
        // The resource was deleted before its reconciliation took the turn.
        queue.remove(&key("b"));
        assert!(queue.take_turn(&key("b")).is_none());
        assert_eq!(woken.recv().await.unwrap(), "c");
        run.abort();
    }
}
