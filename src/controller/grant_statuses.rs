//! Writes the statuses of grants. Changes are collected for some seconds and written together.

use std::time::Duration;

use futures::StreamExt;
use tokio::time::{Instant, sleep, timeout};

use super::shared::Shared;
use crate::cluster::Failed;

/// The statuses are written after this time without a change.
const QUIET_PERIOD: Duration = Duration::from_secs(2);

/// Longest wait for such a time.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Wait before a failed write is retried.
const RETRY: Duration = Duration::from_secs(30);

/// Writes the status of each grant when it changes. Never returns.
pub(super) async fn write(shared: &Shared, serves_all: bool) {
    let grants = &shared.indexes.grants;
    let new_terms = shared.parts.leadership.new_terms().for_each(|()| async {
        grants.outdate_all();
    });
    let writes = async {
        loop {
            grants.all_synced.wait().await;
            grants.status_outdated.notified().await;
            let begin = Instant::now();
            while begin.elapsed() < LONGEST_WAIT
                && timeout(QUIET_PERIOD, grants.status_outdated.notified()).await.is_ok()
            {
            }
            if shared.parts.leadership.term().is_none() {
                // When this replica becomes the leader, it checks all statuses.
                continue;
            }
            let mut failed = false;
            for (name, status) in grants.take_outdated(serves_all) {
                match shared.parts.cluster.write_grant_status(&name, &status).await {
                    Ok(()) | Err(Failed::Conflict) => {}
                    Err(Failed::Problem(problem)) => {
                        tracing::warn!(reason = %problem.reason, "{}", problem.message);
                        grants.not_written(name);
                        failed = true;
                    }
                }
            }
            if failed {
                sleep(RETRY).await;
                grants.status_outdated.notify_one();
            }
        }
    };
    tokio::join!(new_terms, writes);
}
