//! Writes the statuses of grants: some time after a change, many changes at once.

use std::time::Duration;

use futures::StreamExt;
use tokio::time::{Instant, sleep, timeout};

use super::shared::Shared;
use crate::cluster::Failed;

/// How long there must be no change before the statuses are written.
const QUIET: Duration = Duration::from_secs(2);

/// Longest wait for that.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Wait after a failure.
const RETRY: Duration = Duration::from_secs(30);

/// Writes the status of each grant when it changes, forever.
pub(super) async fn write(shared: &Shared, serves_all: bool) {
    let grants = &shared.indexes.grants;
    let begins = shared.parts.leadership.begins().for_each(|()| async {
        grants.outdate_all();
    });
    let writes = async {
        loop {
            grants.all_synced.wait().await;
            grants.status_outdated.notified().await;
            let begin = Instant::now();
            while begin.elapsed() < LONGEST_WAIT
                && timeout(QUIET, grants.status_outdated.notified()).await.is_ok()
            {}
            if shared.parts.leadership.term().is_none() {
                // When this replica begins to lead, it checks all of them.
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
    tokio::join!(begins, writes);
}
