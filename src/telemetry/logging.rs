//! Logs, as text or JSON, without secret values.

use clap::ValueEnum;
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use super::traces::{self, Exporter};

/// Format of the log lines.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One line of text for each event.
    Text,
    /// One JSON object for each event.
    Json,
}

/// Starts logging to standard error with a filter such as `info` or `info,tempcred=debug`, and tracing if there is an
/// exporter.
///
/// # Errors
/// If the filter cannot be parsed, or logging was already started.
pub fn start(filter: &str, format: LogFormat, exporter: Option<&Exporter>) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter)?;
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines
            .with_target(false)
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let guarded = lines
        .with_filter(filter)
        .with_filter(filter_fn(|metadata| may_log(metadata.target(), *metadata.level())));
    tracing_subscriber::registry().with(guarded).with(exporter.map(Exporter::layer)).try_init()?;
    Ok(())
}

/// Whether events of this target and level may be logged, regardless of the filter.
///
/// Libraries log requests and replies. The Kubernetes client prints replies that it cannot parse, which may contain a
/// Secret. The AWS SDK and the HTTP libraries print requests and replies at levels below `info`.
fn may_log(target: &str, level: Level) -> bool {
    let origin = target.split("::").next().unwrap_or_default();
    match origin {
        "tempcred" => target != traces::TARGET,
        "kube_client" => false,
        // The SDK prints errors with `Debug` at any level, and the error of a call contains its reply.
        aws if aws.starts_with("aws_") => false,
        // The spans of kube-runtime repeat the fields of the spans of tempcred.
        "kube_runtime" | "opentelemetry" | "opentelemetry_sdk" | "opentelemetry-otlp" => {
            level <= Level::WARN
        }
        _ => level <= Level::INFO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_that_may_contain_secret_values_are_never_logged() {
        for (target, level, logged) in [
            ("tempcred::controller", Level::TRACE, true),
            (traces::TARGET, Level::INFO, false),
            ("kube_client::client", Level::WARN, false),
            ("kube_runtime::controller", Level::WARN, true),
            ("aws_smithy_runtime::client::orchestrator", Level::DEBUG, false),
            ("hyper_util::client", Level::TRACE, false),
            ("aws_smithy_runtime_api::client::interceptors::context", Level::ERROR, false),
        ] {
            assert_eq!(may_log(target, level), logged, "{target} {level}");
        }
    }
}
