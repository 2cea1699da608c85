//! Requests to the API server, each with a timeout, and why they fail.

use std::error::Error;
use std::time::Duration;

/// Timeout for one request, or for one list.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A failed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The HTTP status. `None` without a reply.
    pub code: Option<u16>,
    /// Why, as the end of a sentence.
    pub why: String,
}

/// Waits for a request.
///
/// # Errors
/// If it fails, or takes too long.
pub async fn bounded<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, Failed> {
    match tokio::time::timeout(TIMEOUT, request).await {
        Ok(reply) => reply.map_err(|error| failed(&error)),
        Err(_) => {
            let why = format!("no reply within {} s", TIMEOUT.as_secs());
            Err(Failed { code: None, why })
        }
    }
}

fn failed(error: &kube::Error) -> Failed {
    match error {
        kube::Error::Api(status) => Failed {
            code: Some(status.code),
            why: format!("HTTP {}: {}", status.code, status.message),
        },
        other => Failed { code: None, why: chain(other) },
    }
}

/// The messages of an error and its causes, each once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut messages: Vec<String> = Vec::new();
    let first = error.source().unwrap_or(error);
    for error in std::iter::successors(Some(first), |&error| error.source()) {
        let message = error.to_string();
        if !messages.last().is_some_and(|last| last.contains(&message)) {
            messages.push(message);
        }
    }
    messages.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn every_cause_is_named_once() {
        let inner = io::Error::new(io::ErrorKind::ConnectionRefused, "Connection refused");
        let middle = anyhow::Error::new(inner).context("client error (Connect)");
        let error = kube::Error::Service(middle.into());
        let failed = failed(&error);
        assert_eq!(failed.code, None);
        assert_eq!(failed.why, "client error (Connect): Connection refused");
    }
}
