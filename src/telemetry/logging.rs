//! Logs: text for people or JSON for machines, without secret values.

use clap::ValueEnum;
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use super::traces::{self, Exporter};

/// How log lines look.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One line of text each.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging to standard error, as `filter` says (`info`, `tempcred=debug`, …), and tracing if there
/// is an exporter.
///
/// # Errors
/// If the filter cannot be read, or logging was started before.
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

/// Whether lines of this target and level may be logged at all, whatever the filter says.
///
/// Libraries log requests and replies: the Kubernetes client prints a reply that it cannot parse, which may be a
/// Secret; the SDK and the HTTP stack print both below `info`.
fn may_log(target: &str, level: Level) -> bool {
    let origin = target.split("::").next().unwrap_or_default();
    match origin {
        "tempcred" => target != traces::TARGET,
        "kube_client" => false,
        // It prints errors with `Debug`, at any level, and the error of a call contains its reply.
        aws if aws.starts_with("aws_") => false,
        // Its spans repeat the content of ours.
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
    fn lines_that_could_quote_a_value_are_never_logged() {
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
