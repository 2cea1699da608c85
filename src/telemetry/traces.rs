//! Traces over OTLP: one trace for each rotation, with spans for the calls to STS and to the Kubernetes API.
//!
//! Only spans of this file are exported, so this file shows everything that a trace contains: names of resources,
//! requests and reasons. Traces contain no secret values.

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

/// Target of the exported spans. Logs do not contain them.
pub const TARGET: &str = "tempcred::traces";

/// The environment variables for the endpoint, from the OpenTelemetry specification.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// The exporter of spans.
pub struct Exporter(SdkTracerProvider);

impl Exporter {
    /// Starts the exporter if one of the OpenTelemetry variables sets an endpoint; returns `None` otherwise. Other
    /// `OTEL_` variables have the effect that the OpenTelemetry SDK documents. `cluster` becomes the attribute
    /// `k8s.cluster.name`.
    ///
    /// # Errors
    /// If the value of a variable is invalid.
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

    /// Sends the remaining spans. Blocks until the collector has received them, at most 5 s.
    pub fn stop(self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last traces could not be exported");
        }
    }
}

/// The span of a rotation. `action` is the STS action, `cause` the reason for the rotation, `grants` the names of the
/// grants that allow it, and `waited` the time in the STS queue, in seconds.
pub fn rotation(
    namespace: &str,
    name: &str,
    action: &'static str,
    cause: &str,
    grants: Option<&str>,
    waited: f64,
) -> Span {
    info_span!(
        target: TARGET,
        parent: None,
        "rotation",
        k8s.namespace.name = namespace,
        tempcred.credential = name,
        tempcred.operation = action,
        tempcred.cause = cause,
        tempcred.grants = grants,
        tempcred.queue_seconds = waited,
        otel.status_code = tracing::field::Empty,
        error.r#type = tracing::field::Empty,
    )
}

/// The span of a call to STS. `target` is the target of the request, and `session_name` the name of the session.
pub fn sts(action: &'static str, target: &str, session_name: Option<&str>) -> Span {
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
        tempcred.session_name = session_name,
        aws.request_id = tracing::field::Empty,
        otel.status_code = tracing::field::Empty,
        error.r#type = tracing::field::Empty,
    )
}

/// The span of a request to the Kubernetes API. `what` describes the request.
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

/// Records the request ID of the reply to a call to STS.
pub fn replied(span: &Span, request_id: Option<&str>) {
    span.record("aws.request_id", request_id);
}

/// Records in `span` that its operation failed with this reason.
pub fn failed(span: &Span, reason: &'static str) {
    span.record("otel.status_code", "ERROR");
    span.record("error.type", reason);
}

/// The ID of the current trace, for log lines. `None` if traces are not exported.
pub fn id() -> Option<String> {
    let context = Span::current().context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| context.trace_id().to_string())
}

/// Whether the current span belongs to a rotation. Requests outside a rotation, such as a status write after a failure,
/// are not traced.
fn in_rotation() -> bool {
    Span::current().metadata().is_some_and(|metadata| metadata.target() == TARGET)
}
