//! Every documented metric is exported and changes, and every exported metric is documented.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use rig::sts::{Fault, Matching};
use serde::Deserialize;
use serde_json::json;
use tempcred::telemetry::table::{self, Kind, Metric, Scope};
use tempcred_core::api::CredentialStatus;

use crate::outage::arrived;
use crate::world::{SOON, World, condition, is_ready, plain, wait_until};

/// The OpenMetrics parser of the Python client of Prometheus, which is strict.
const PARSE: &str = "
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
print(json.dumps([
    {'name': sample.name, 'family': family.name, 'kind': family.type, 'help': family.documentation,
     'labels': sample.labels, 'value': sample.value}
    for family in text_string_to_metric_families(sys.stdin.read()) for sample in family.samples
]))
";

#[derive(Deserialize, Clone, Debug, PartialEq)]
struct Sample {
    name: String,
    family: String,
    kind: String,
    help: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

#[tokio::test]
async fn every_metric_is_documented_and_changes() {
    let mut world = World::new().await;
    world.start_operator(&["--concurrency", "1"]).await;
    let before = scrape(&world).await;
    world.grant(&format!("{}-more", world.namespace), world.any_role()).await;

    // One is queued while another is issued.
    let hold = world.sts.hold(Matching::any());
    let mut restarting = plain();
    restarting["restart"] = json!([{"kind": "Deployment", "name": "none"}]);
    for name in ["first", "second"] {
        world.create(name, restarting.clone()).await;
    }
    arrived(&hold, 1).await;
    let queued = wait_until("one waits for its turn", SOON, || async {
        let queued = scrape(&world).await;
        (value(&queued, "tempcred_sts_queue_depth", &[]) == Some(1.0)).then_some(queued)
    })
    .await;
    hold.release();
    for name in ["first", "second"] {
        world.wait(name, "ready", is_ready).await;
    }
    world.request_renewal("first", "now").await;
    world.wait("first", "renewed", |s| s.last_renew_request.is_some()).await;

    // One loses its grant.
    let elsewhere = "arn:aws:iam::999999999999:role/withdrawn";
    let grant = format!("{}-withdrawn", world.namespace);
    let spec = json!({"namespaces": {"names": [world.namespace]}, "roleArns": [elsewhere]});
    world.grant(&grant, spec).await;
    world.issue("withdrawn", json!({"assumeRole": {"roleArn": elsewhere}})).await;
    world.withdraw(&grant).await;

    // One is refused, and one cannot be renewed in time.
    world.sts.inject(Fault::access_denied().for_role("role/refused"));
    let role = |name: &str| {
        let mut spec = plain();
        spec["assumeRole"]["roleArn"] = format!("arn:aws:iam::123456789012:role/{name}").into();
        spec
    };
    world.create("refused", role("refused")).await;
    world.wait("refused", "refused", |s| s.failure.is_some()).await;
    world.sts.inject(Fault::lifetime(Duration::from_secs(40)).for_role("role/late").times(1));
    let mut late = role("late");
    late["renewal"] = json!({"beforePercentage": 66});
    world.issue("late", late).await;
    world.sts.inject(Fault::throttling().for_role("role/late"));

    // One expires, one is suspended, and three fail for the same reason after the others were issued.
    world.sts.inject(Fault::lifetime(Duration::from_secs(8)).for_role("role/short").times(1));
    world.issue("short", role("short")).await;
    world.sts.inject(Fault::access_denied().for_role("role/short"));
    let mut suspended = role("suspended");
    suspended["suspend"] = true.into();
    world.create("suspended", suspended).await;
    let expired = |s: &CredentialStatus| condition(s, "Ready") == Some((false, "Expired"));
    world.wait("short", "expired", expired).await;
    world.sts.inject(Fault::service_unavailable().for_role("role/away"));
    for name in ["away-1", "away-2", "away-3"] {
        world.create(name, role("away")).await;
        world.wait(name, "failing", |s| s.failure.is_some()).await;
    }
    let failing = [("condition", "RenewalFailing"), ("status", "True")];
    let restarts = [("kind", "Deployment"), ("state", "missing")];
    let after = wait_until("a renewal is overdue and fails", SOON, || async {
        let after = scrape(&world).await;
        let is_one = |name, labels| value(&after, name, labels) == Some(1.0);
        let renewals = value(&after, "tempcred_credentials", &failing) >= Some(1.0);
        let all = is_one("tempcred_credentials_overdue", &[])
            && renewals
            && value(&after, "tempcred_sts_rate", &[]) < Some(300.0)
            && is_one("tempcred_workload_restarts_total", &restarts)
            && is_one("tempcred_unfinished_restarts", &restarts[1..])
            && is_one("tempcred_withdrawn_secrets", &[]);
        all.then_some(after)
    })
    .await;

    for metric in table::ALL {
        let name = metric.exported();
        let of = |scrape: &[Sample]| -> Vec<Sample> {
            scrape.iter().filter(|sample| belongs(sample, metric)).cloned().collect()
        };
        let now = of(&after);
        assert!(!now.is_empty(), "{name} is not exported");
        for sample in &now {
            assert_eq!(sample.help, format!("{}.", metric.help), "{name}");
            let labels = sample.labels.keys().map(String::as_str).filter(|label| *label != "le");
            let documented: BTreeSet<_> = metric.labels.iter().copied().collect();
            assert_eq!(labels.collect::<BTreeSet<_>>(), documented, "{name}");
        }
        // Metrics about the process are constant; the tests with two replicas show that leadership changes, those of lost
        // grants and that of the budget of events show the others.
        let others =
            [table::LEADER, table::GRANTS_KEPT, table::GRANTS_WATCHED, table::EVENTS_DROPPED];
        let constant = metric.kind == Kind::Info || others.contains(metric);
        let moved = now != of(&before) || of(&queued) != of(&before);
        assert!(moved || constant, "{name} never changes");
    }
    for sample in &after {
        let documented = table::ALL.iter().any(|metric| belongs(sample, metric));
        assert!(documented, "{sample:?} is not documented");
    }

    // Their values are correct.
    let resource = |name| [("namespace", world.namespace.as_str()), ("name", name)];
    let operation = [("operation", "AssumeRole")];
    let denied = [("operation", "AssumeRole"), ("class", "Refused"), ("reason", "AccessDenied")];
    for (name, labels, expected) in [
        ("tempcred_credentials_issued_total", &operation[..], 5.0),
        ("tempcred_credentials_renewed_total", &operation, 1.0),
        ("tempcred_credentials", &[("condition", "Ready"), ("status", "True")], 3.0),
        ("tempcred_credentials_not_ready", &[("reason", "AccessDenied")], 1.0),
        ("tempcred_credentials_not_ready", &[("reason", "NotGranted")], 1.0),
        ("tempcred_credentials_withdrawn_total", &[], 1.0),
        ("tempcred_rolegrants_kept", &[], 0.0),
        ("tempcred_rolegrants_watched", &[], 1.0),
        ("tempcred_credential_ready", &resource("first"), 1.0),
        ("tempcred_credential_ready", &resource("refused"), 0.0),
        ("tempcred_api_writes_total", &[("object", "secret")], 6.0),
        ("tempcred_credentials_expired", &[], 1.0),
        ("tempcred_credentials_suspended", &[], 1.0),
        ("tempcred_credential_suspended", &resource("suspended"), 1.0),
        ("tempcred_leader", &[], 1.0),
        (
            "tempcred_build_info",
            &[("version", env!("CARGO_PKG_VERSION")), ("commit", "unknown")],
            1.0,
        ),
    ] {
        assert_eq!(value(&after, name, labels), Some(expected), "{name} {labels:?}");
    }
    assert!(value(&after, "tempcred_credentials_failed_total", &denied) >= Some(1.0));
    let away = world.credentials().get("away-1").await.unwrap();
    let created = away.metadata.creation_timestamp.unwrap().0.as_second() as f64;
    for (name, labels) in [
        ("tempcred_waiting_since_timestamp_seconds", &[][..]),
        ("tempcred_credential_waiting_since_timestamp_seconds", &resource("away-1")),
    ] {
        assert_eq!(value(&after, name, labels), Some(created), "{name}");
    }
    let since = away.status.unwrap().failure.unwrap().since.0.as_second() as f64;
    let common = "tempcred_common_failure_since_timestamp_seconds";
    assert_eq!(value(&after, common, &[("cause", "sts")]), Some(since));
    assert_eq!(value(&after, common, &[("cause", "identity")]), None);
    assert!(
        value(&after, "tempcred_credential_seconds_until_renewal", &resource("late")) < Some(0.0)
    );
    let left = value(&after, "tempcred_credential_seconds_until_expiration", &resource("first"));
    assert!(left.is_some_and(|left| left > 3500.0 && left <= 3601.0), "{left:?}");
    assert!(world.stop_operator().success());
}

#[tokio::test]
async fn every_metric_names_the_cluster() {
    let mut world = World::new().await;
    world.start_operator(&["--cluster-name", "west \"1\""]).await;
    world.issue("reports", plain()).await;
    let samples = scrape(&world).await;
    assert!(samples.len() > 30, "{samples:?}");
    for sample in samples {
        let cluster = sample.labels.get(table::CLUSTER).map(String::as_str);
        assert_eq!(cluster, Some("west \"1\""), "{sample:?}");
    }
    assert!(world.stop_operator().success());
}

#[tokio::test]
async fn per_resource_gauges_can_be_switched_off() {
    let mut world = World::new().await;
    world.start_operator(&["--resource-metrics", "false"]).await;
    world.issue("reports", plain()).await;
    let ready = [("condition", "Ready"), ("status", "True")];
    let samples = wait_until("it is counted", SOON, || async {
        let samples = scrape(&world).await;
        (value(&samples, "tempcred_credentials", &ready) == Some(1.0)).then_some(samples)
    })
    .await;
    for metric in table::ALL.iter().filter(|metric| metric.scope == Scope::Resource) {
        assert!(!samples.iter().any(|sample| belongs(sample, metric)), "{}", metric.exported());
    }
    assert!(world.stop_operator().success());
}

/// Whether a sample belongs to this metric.
fn belongs(sample: &Sample, metric: &Metric) -> bool {
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
        Kind::Info => "info",
    };
    sample.family == format!("{}_{}", table::PREFIX, metric.name) && sample.kind == kind
}

fn value(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels: BTreeMap<_, _> =
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    samples.iter().find(|s| s.name == name && s.labels == labels).map(|s| s.value)
}

async fn scrape(world: &World) -> Vec<Sample> {
    let text = world.http("/metrics").await;
    let python = world.rig.python();
    let parse = move || {
        let mut parser = std::process::Command::new(python)
            .args(["-c", PARSE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        parser.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = parser.wait_with_output().unwrap();
        assert!(output.status.success(), "not OpenMetrics:\n{text}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    tokio::task::spawn_blocking(parse).await.unwrap()
}
