//! Traces over OTLP: one for each rotation, with its calls to STS and to the Kubernetes API as spans.
//!
//! Only spans that this file creates are exported, so this file shows everything that a trace contains: names of
//! resources, requests and reasons, and no value of a credential.

use opentelemetry::KeyValue;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Span, Subscriber, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use super::version::VERSION;

/// Target of the exported spans. Logs do not show them.
pub const TARGET: &str = "tempcred::traces";

/// The variables that configure an endpoint, by the specification of OpenTelemetry.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// Exports spans until it is stopped.
pub struct Exporter(SdkTracerProvider);

impl Exporter {
    /// Starts if one of the OpenTelemetry variables names an endpoint; further `OTEL_` variables count
    /// as the SDK documents them. `cluster` becomes the attribute `k8s.cluster.name`.
    ///
    /// # Errors
    /// If a variable cannot be read.
    pub fn start(cluster: Option<&str>) -> anyhow::Result<Option<Self>> {
        let set = |name| std::env::var(name).is_ok_and(|value: String| !value.is_empty());
        if !ENDPOINTS.into_iter().any(set) {
            return Ok(None);
        }
        let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
        let mut resource = Resource::builder();
        if !set("OTEL_SERVICE_NAME") {
            resource = resource.with_service_name("tempcred");
        }
        let cluster = cluster.map(|name| KeyValue::new("k8s.cluster.name", name.to_owned()));
        let attributes = [Some(KeyValue::new("service.version", VERSION)), cluster];
        let resource = resource.with_attributes(attributes.into_iter().flatten()).build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter.build()?)
            .with_resource(resource)
            .build();
        Ok(Some(Self(provider)))
    }

    /// The layer that passes spans to the exporter.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("tempcred"))
            .with_location(false)
            .with_threads(false)
            .with_level(false)
            .with_target(false)
            .with_filter(filter_fn(|metadata| metadata.target() == TARGET))
    }

    /// Sends the remaining spans. Blocks until the collector has them, at most 5 s.
    pub fn stop(self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// One rotation: of which resource, by which STS action, and why.
pub fn rotation(namespace: &str, name: &str, action: &'static str, cause: &str) -> Span {
    info_span!(
        target: TARGET,
        parent: None,
        "rotation",
        k8s.namespace.name = namespace,
        tempcred.credential = name,
        tempcred.operation = action,
        tempcred.cause = cause,
        otel.status_code = tracing::field::Empty,
        error.r#type = tracing::field::Empty,
    )
}

/// The wait in the queue to STS.
pub fn queue() -> Span {
    info_span!(target: TARGET, "queue")
}

/// One call to STS; `target` is what it requests.
pub fn sts(action: &'static str, target: &str) -> Span {
    if !in_rotation() {
        return Span::none();
    }
    info_span!(
        target: TARGET,
        "sts",
        otel.name = action,
        otel.kind = "client",
        rpc.system = "aws-api",
        rpc.service = "STS",
        rpc.method = action,
        tempcred.target = target,
        otel.status_code = tracing::field::Empty,
        error.r#type = tracing::field::Empty,
    )
}

/// One request to the Kubernetes API; `what` describes it.
pub fn kubernetes(what: &str) -> Span {
    if !in_rotation() {
        return Span::none();
    }
    info_span!(
        target: TARGET,
        "kubernetes",
        otel.kind = "client",
        tempcred.request = what,
        otel.status_code = tracing::field::Empty,
        error.r#type = tracing::field::Empty,
    )
}

/// Records in `span` that its operation failed for this reason.
pub fn failed(span: &Span, reason: &'static str) {
    span.record("otel.status_code", "ERROR");
    span.record("error.type", reason);
}

/// ID of the current trace, for log lines. `None` without an endpoint.
pub fn id() -> Option<String> {
    let context = Span::current().context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| context.trace_id().to_string())
}

/// Requests outside of a rotation, such as a status write after a failure, are not traces of their own.
fn in_rotation() -> bool {
    Span::current().metadata().is_some_and(|metadata| metadata.target() == TARGET)
}
