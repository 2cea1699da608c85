//! Proof by enumeration: each scenario is repeated with each fault at each of its effects.
//!
//! An interceptor stands between the operator and its peers. A run without faults shows the effects of a scenario, and
//! how it ends. Then the scenario is run once for each effect and each fault, and must end in the same state, while an
//! observer sees no violation of an invariant. Only calls whose credentials were in flight may be repeated.

mod backlog;
mod campaign;
mod end_state;
mod faults;
mod observed;
mod observer;
#[cfg(feature = "planted-bugs")]
mod planted;
mod scenarios;
mod stage;
mod stale;
mod transitions;

use tokio::sync::{Mutex, MutexGuard, SemaphorePermit};

use crate::world::loading;

/// Waits until no other test of this kind runs: each starts many operators.
async fn turn() -> (MutexGuard<'static, ()>, SemaphorePermit<'static>) {
    static TURN: Mutex<()> = Mutex::const_new(());
    (TURN.lock().await, loading().await)
}
