//! Runs the reconciliations of one scope: each resource at most once at a time, and each as a task only while it may make
//! requests.
//!
//! kube-runtime's `Controller` has the same purpose, but it begins a task and two spans for each resource that is
//! requeued, and needs a second cache of all resources.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use futures::stream::{FuturesUnordered, select};
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use kube::runtime::scheduler::{ScheduleRequest, scheduler};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::action::Action;
use super::reconcile::{Begun, reconcile};
use super::shared::Scope;
use crate::cluster::watch::Key;

/// Wait before the next reconciliation of a resource whose reconciliation panicked.
const AFTER_PANIC: Duration = Duration::from_secs(1);

/// Reconciles the resources that are woken, until `stop` is cancelled and the reconciliations in progress have ended.
pub(super) async fn run(
    scope: &Arc<Scope>,
    woken: UnboundedReceiver<Key>,
    stop: &CancellationToken,
) {
    run_with(|key| begin(scope, &key), woken, stop).await;
}

/// Begins a reconciliation. `None` if it may not begin now: then the resource is woken when it may.
fn begin(scope: &Arc<Scope>, key: &Key) -> Option<impl Future<Output = Action> + Send + use<>> {
    let shared = &scope.shared;
    let Some(resource) = scope.resources.get(key) else {
        shared.leave_queues(key);
        return None;
    };
    // Whatever this reconciliation does not use ends when it is dropped.
    let turn = shared.queue.take_turn(key);
    let mut slot = shared.slots.take_turn(key);
    // A standby replica only keeps its caches synced. When it becomes the leader, it reconciles every resource.
    let Some(term) = shared.parts.leadership.term() else {
        shared.indexes.memories.drop_outdated(&resource, Timestamp::now());
        return None;
    };
    if !scope.is_synced(&resource) {
        return None;
    }
    if turn.is_none() && slot.is_none() {
        slot = shared.slots.begin_reconciliation(key);
        slot.as_ref()?;
    }
    Some(reconcile(resource, Arc::clone(scope), Begun { term, turn, slot }))
}

async fn run_with<F: Future<Output = Action> + Send + 'static>(
    begin: impl Fn(Key) -> Option<F>,
    woken: impl Stream<Item = Key>,
    stop: &CancellationToken,
) {
    let (again, later) = unbounded();
    let at_once = woken.map(|message| ScheduleRequest { message, run_at: Instant::now() });
    let mut due = pin!(scheduler(select(at_once, later)));
    let mut active: HashSet<Key> = HashSet::new();
    let mut running = FuturesUnordered::new();
    loop {
        let next =
            async { pin!(due.as_mut().hold_unless(|key| !active.contains(key))).next().await };
        tokio::select! {
            () = stop.cancelled() => break,
            Some((key, action)) = running.next(), if !running.is_empty() => {
                active.remove(&key);
                let action: Action = action;
                if let Some(after) = action.requeue_after {
                    let request = ScheduleRequest { message: key, run_at: Instant::now() + after };
                    // The receiver is part of `due`.
                    let _ = again.unbounded_send(request);
                }
            }
            Some(key) = next => {
                if let Some(reconciliation) = begin(key.clone()) {
                    active.insert(key.clone());
                    running.push(spawned(key, reconciliation));
                }
            }
        }
    }
    while running.next().await.is_some() {}
}

/// Runs a reconciliation on any thread.
async fn spawned(
    key: Key,
    reconciliation: impl Future<Output = Action> + Send + 'static,
) -> (Key, Action) {
    // It is never cancelled.
    let action = tokio::spawn(reconciliation).await;
    (key, action.unwrap_or_else(|_| Action::requeue(AFTER_PANIC)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use tokio::sync::Notify;

    fn key(name: &str) -> Key {
        Key { namespace: "n".to_owned(), name: name.to_owned() }
    }

    #[tokio::test]
    async fn a_resource_is_reconciled_once_at_a_time_and_again_if_it_was_woken_meanwhile() {
        let (wake, woken) = unbounded();
        let (stop, begun) = (CancellationToken::new(), Arc::new(Mutex::new(Vec::new())));
        let (may_end, log) = (Arc::new(Notify::new()), Arc::clone(&begun));
        let end = Arc::clone(&may_end);
        let begin = move |key: Key| {
            if key.name == "never" {
                return None;
            }
            log.lock().unwrap().push(key.name.clone());
            let (end, panics) = (Arc::clone(&end), key.name == "panics");
            Some(async move {
                assert!(!panics);
                end.notified().await;
                Action::await_change()
            })
        };
        let run = {
            let stop = stop.clone();
            tokio::spawn(async move { run_with(begin, woken, &stop).await })
        };
        let send = |name| wake.unbounded_send(key(name)).unwrap();
        // On one thread, every task that can go on does so meanwhile. The timers of the scheduler take a millisecond.
        let settled = async || {
            for _ in 0..20 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let names = || std::mem::take(&mut *begun.lock().unwrap());
        ["a", "a", "never", "a"].into_iter().for_each(send);
        settled().await;
        assert_eq!(names(), ["a"]);
        ["a", "b", "a"].into_iter().for_each(send);
        settled().await;
        assert_eq!(names(), ["b"]);
        may_end.notify_one();
        settled().await;
        assert_eq!(names(), ["a"], "woken twice while it ran");
        send("panics");
        let twice = async {
            while begun.lock().unwrap().len() < 2 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), twice).await.unwrap();
        assert_eq!(names(), ["panics", "panics"]);
        stop.cancel();
        settled().await;
        assert!(!run.is_finished(), "waits for what is in progress");
        send("c");
        may_end.notify_waiters();
        run.await.unwrap();
        assert_eq!(names(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_resource_is_requeued_after_the_time_of_its_action() {
        let (wake, woken) = unbounded();
        let times = Arc::new(Mutex::new(Vec::new()));
        let (stop, log) = (CancellationToken::new(), Arc::clone(&times));
        let end = stop.clone();
        let begin = move |_| {
            let mut times = log.lock().unwrap();
            times.push(Instant::now());
            let action = match times.len() {
                1 => Action::requeue(Duration::from_millis(200)),
                2 => Action::requeue(Duration::from_millis(50)),
                _ => Action::await_change(),
            };
            if times.len() == 3 {
                end.cancel();
            }
            Some(async move { action })
        };
        wake.unbounded_send(key("a")).unwrap();
        let run = run_with(begin, woken, &stop);
        tokio::time::timeout(Duration::from_secs(30), run).await.unwrap();
        let times = times.lock().unwrap();
        assert!(times[1] - times[0] >= Duration::from_millis(200));
        assert!(times[2] - times[1] >= Duration::from_millis(50));
    }
}
