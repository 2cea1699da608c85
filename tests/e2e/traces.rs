//! Traces, as a collector receives them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use rig::sts::Fault;
use serde_json::json;

use crate::world::{World, is_ready, plain};

/// A collector with the part of OTLP over HTTP that receives traces.
pub struct Collector {
    url: String,
    received: Arc<Mutex<Vec<Bytes>>>,
}

/// A span with its attributes and those of its resource.
#[derive(Clone, Debug)]
struct Seen {
    span: Span,
    attributes: BTreeMap<String, String>,
    resource: BTreeMap<String, String>,
}

impl Collector {
    /// Starts one, and configures the operators of this world to send to it.
    pub async fn of(world: &mut World) -> Self {
        let collector = Self::start().await;
        send_to(world, &collector.url);
        collector
    }

    /// All that it received, as far as it is text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.received.lock().unwrap().concat()).into_owned()
    }

    async fn start() -> Self {
        let received: Arc<Mutex<Vec<Bytes>>> = Arc::default();
        let take = Arc::clone(&received);
        let receive = move |body: Bytes| async move { take.lock().unwrap().push(body) };
        let router = Router::new().route("/v1/traces", post(receive));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { url, received }
    }

    fn spans(&self) -> Vec<Seen> {
        let mut seen = vec![];
        for body in self.received.lock().unwrap().iter() {
            let request = ExportTraceServiceRequest::decode(body.clone()).unwrap();
            for of_resource in request.resource_spans {
                let resource = text(&of_resource.resource.unwrap().attributes);
                for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                    let attributes = text(&span.attributes);
                    seen.push(Seen { span, attributes, resource: resource.clone() });
                }
            }
        }
        seen
    }
}

/// Configures the operators of a world to send their traces there, at once rather than every 5 s.
fn send_to(world: &mut World, url: &str) {
    world.environment.insert("OTEL_EXPORTER_OTLP_ENDPOINT", Some(url.to_owned()));
    world.environment.insert("OTEL_BSP_SCHEDULE_DELAY", Some("100".to_owned()));
}

/// Attributes as text.
fn text(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let value = |attribute: &KeyValue| match attribute.value.clone().and_then(|any| any.value) {
        Some(Value::StringValue(text)) => text,
        other => format!("{other:?}"),
    };
    attributes.iter().map(|a| (a.key.clone(), value(a))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_is_one_trace_with_its_calls_as_spans() {
    let mut world = World::new().await;
    let collector = Collector::of(&mut world).await;
    world.start_operator(&["--cluster-name", "prod-eu"]).await;
    let mut chained = plain();
    chained["assumeRole"]["via"] = json!([{"roleArn": "arn:aws:iam::123456789012:role/hop"}]);
    world.issue("reports", chained).await;
    world.sts.inject(Fault::access_denied().for_role("role/refused"));
    let mut refused = plain();
    refused["assumeRole"]["roleArn"] = "arn:aws:iam::123456789012:role/refused".into();
    world.create("refused", refused).await;
    world.wait("refused", "refused", |s| s.failure.is_some() && !is_ready(s)).await;
    let log = world.full_log();

    let spans = collector.spans();
    let root = |name: &str| {
        let mut roots = spans
            .iter()
            .filter(|s| s.attributes.get("tempcred.credential").is_some_and(|n| n == name));
        let root = roots.next().unwrap_or_else(|| panic!("no trace of {name} in {spans:#?}"));
        // The refused one may have been tried again.
        assert!(name == "refused" || roots.next().is_none(), "{name}: one attempt, one trace");
        assert!(root.span.parent_span_id.is_empty(), "{name}");
        root.clone()
    };
    let within = |root: &Seen| -> Vec<String> {
        let mut children: Vec<_> = spans
            .iter()
            .filter(|s| {
                s.span.trace_id == root.span.trace_id && s.span.span_id != root.span.span_id
            })
            .collect();
        children.sort_by_key(|s| s.span.start_time_unix_nano);
        for child in &children {
            assert!(!child.span.parent_span_id.is_empty());
        }
        let name = |s: &&Seen| match s.attributes.get("tempcred.request") {
            Some(request) => request.clone(),
            None => s.span.name.clone(),
        };
        children.iter().map(name).collect()
    };

    let issued = root("reports");
    assert_eq!(issued.span.name, "rotation");
    assert_eq!(issued.attributes["k8s.namespace.name"], world.namespace);
    assert_eq!(issued.attributes["tempcred.operation"], "AssumeRole");
    assert_eq!(issued.attributes["tempcred.cause"], "Missing");
    assert!(issued.attributes["tempcred.queue_seconds"].contains("DoubleValue"));
    assert_eq!(issued.resource["service.name"], "tempcred");
    assert_eq!(issued.resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(issued.resource["k8s.cluster.name"], "prod-eu");
    assert_eq!(
        within(&issued),
        ["AssumeRole", "AssumeRole", "Writing Secret reports", "Writing the status of reports",]
    );
    let hop = spans
        .iter()
        .find(|s| s.attributes.get("tempcred.target").is_some_and(|t| t.ends_with("role/hop")));
    let hop = hop.unwrap();
    assert_eq!(hop.attributes["rpc.service"], "STS");
    // 3: a client's.
    assert_eq!(hop.span.kind, 3);
    let id: String = issued.span.trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
    let line = log.lines().find(|line| line.contains("issued") && line.contains(&id));
    assert!(line.is_some(), "the log leads to the trace {id}:\n{log}");
    assert_eq!(issued.attributes["tempcred.grants"], world.namespace);
    let session = format!("tempcred-{}.reports", world.namespace);
    assert_eq!(hop.attributes["tempcred.session_name"], session);
    assert_eq!([hop.attributes["aws.request_id"].clone()], *world.sts.request_ids("role/hop"));

    let failed = root("refused");
    // 2: an error.
    assert_eq!(failed.span.status.as_ref().unwrap().code, 2);
    assert_eq!(failed.attributes["error.type"], "AccessDenied");
    let ids = world.sts.request_ids("role/refused");
    let call = spans.iter().find(|s| s.attributes.get("aws.request_id") == ids.first()).unwrap();
    assert_eq!(call.attributes["error.type"], "AccessDenied");
}

#[tokio::test]
async fn an_unreachable_collector_stops_nothing_and_is_logged() {
    let mut world = World::new().await;
    // Nothing listens on this port.
    send_to(&mut world, "http://127.0.0.1:9");
    world.start_operator(&[]).await;
    world.issue("reports", plain()).await;
    let log = world.full_log();
    let reports = |line: &str| line.contains("ERROR") && line.contains("export");
    assert!(log.lines().any(reports), "{log}");
}
