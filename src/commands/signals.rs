//! The signals that end a command that serves.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancelled at the first SIGTERM or SIGINT.
///
/// # Errors
/// If the signals cannot be received.
pub(super) fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => tracing::info!("received SIGTERM: finishing operations in progress"),
            _ = int.recv() => tracing::info!("received SIGINT: finishing operations in progress"),
        }
        token.cancel();
    });
    Ok(stop)
}
