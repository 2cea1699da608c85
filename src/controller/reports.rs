//! The statuses of grants: written some time after something changed, many changes at once.

use std::time::Duration;

use futures::StreamExt;
use tokio::time::{Instant, sleep, timeout};

use super::Operator;
use crate::cluster::Failed;

/// How long nothing has to change before the statuses are written.
const QUIET: Duration = Duration::from_secs(2);

/// How long they wait for that at most.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How long after a failure the next attempt comes.
const RETRY: Duration = Duration::from_secs(30);

/// Writes the status of each grant when it changes, for ever.
pub(super) async fn write(operator: &Operator, serves_all: bool) {
    let permissions = &operator.permissions;
    let begins = operator.parts.leadership.begins().for_each(|()| async {
        permissions.outdate_all();
    });
    let writes = async {
        loop {
            permissions.complete.wait().await;
            permissions.outdating.notified().await;
            let begin = Instant::now();
            while begin.elapsed() < LONGEST_WAIT
                && timeout(QUIET, permissions.outdating.notified()).await.is_ok()
            {}
            if operator.parts.leadership.term().is_none() {
                // When this replica leads, it looks at all of them.
                continue;
            }
            let mut failed = false;
            for (name, status) in permissions.take_outdated(serves_all) {
                match operator.parts.cluster.write_grant_status(&name, &status).await {
                    Ok(()) | Err(Failed::Conflict) => {}
                    Err(Failed::Problem(problem)) => {
                        tracing::warn!(reason = %problem.reason, "{}", problem.message);
                        permissions.not_written(name);
                        failed = true;
                    }
                }
            }
            if failed {
                sleep(RETRY).await;
                permissions.outdating.notify_one();
            }
        }
    };
    tokio::join!(begins, writes);
}
