//! Requests at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use tokio::task::JoinSet;

/// Number of requests that the benchmark makes at the same time.
pub const AT_ONCE: usize = 64;

/// Does `work` for each number below `count`, [`AT_ONCE`] at the same time, on all cores.
pub async fn for_each<F, W>(count: usize, work: F) -> Result<()>
where
    F: Fn(usize) -> W + Send + Sync + 'static,
    W: Future<Output = Result<()>> + Send,
{
    let (work, next) = (Arc::new(work), Arc::new(AtomicUsize::new(0)));
    let mut workers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (work, next) = (Arc::clone(&work), Arc::clone(&next));
        workers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return anyhow::Ok(());
                }
                work(number).await?;
            }
        });
    }
    while let Some(done) = workers.join_next().await {
        done??;
    }
    Ok(())
}
