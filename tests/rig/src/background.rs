//! A thread with a small runtime of its own.
//!
//! Servers of the rig live longer than a test and its runtime, and a runtime that
//! is busy or blocked must not make them slow.

use std::future::Future;
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use tokio::sync::oneshot;

/// Runs a server until dropped.
pub(crate) struct Background {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Runs `server`, and what it spawns with [`tokio::task::spawn_local`].
    pub(crate) fn start<F, S>(name: &str, server: S) -> Result<Self>
    where
        F: Future<Output = ()>,
        S: FnOnce() -> F + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            tokio::task::LocalSet::new().block_on(&runtime, async {
                tokio::select! {
                    () = server() => {}
                    _ = stopped => {}
                }
            });
        });
        let thread = thread.context("cannot start a thread")?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
