//! The Prometheus metrics of this process. Labels come from closed sets. The exception is the gauges for each resource,
//! which can be disabled.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric as Encoded, Registry};

use tempcred_core::api::{CachedCredential, RestartState};
use tempcred_core::plan::IssueCause;
use tempcred_core::problem::{Class, Problem};

use super::fleet::restart_label;
use super::gauges::{Gauges, Sources};
use super::grants::{GrantFigures, GrantSource};
use super::measured::Measured;
use super::parts::Parts;
use super::table::{self, Metric};
use super::version::{COMMIT, VERSION};

/// Labels, in the order of the table.
type Labels<const N: usize> = [(&'static str, &'static str); N];

type Counters<const N: usize> = Family<Labels<N>, Counter>;

/// Buckets from 1 ms to 33 s, each twice the previous one. They cover reconciliations without requests and chains of
/// slow STS calls.
#[derive(Clone)]
struct Durations;

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        Histogram::new(exponential_buckets(0.001, 2.0, 16))
    }
}

fn register(registry: &mut Registry, metric: &Metric, counts: impl Encoded) {
    registry.register(metric.name, metric.help, counts);
}

/// The metrics of this process.
pub struct Metrics {
    registry: Registry,
    leader: Gauge,
    issued: Counters<1>,
    renewed: Counters<1>,
    failed: Counters<3>,
    sts_calls: Counters<2>,
    sts_call_duration: Family<Labels<1>, Histogram, Durations>,
    sts_queue: Gauge,
    sts_rate: Measured,
    reconcile_duration: Histogram,
    api_writes: Counters<1>,
    events_dropped: Counter,
    withdrawn: Counter,
    restarts: Counters<2>,
    grants_kept: Gauge,
    grants_watched: Gauge,
    resources: Sources,
    grants: GrantSource,
}

impl Metrics {
    /// Registers the metrics. `each_resource` enables the gauges for each resource.
    pub fn new(each_resource: bool) -> Self {
        Self::of_cluster(each_resource, None)
    }

    /// Registers the metrics. `cluster` becomes a label of all of them.
    pub fn of_cluster(each_resource: bool, cluster: Option<&str>) -> Self {
        let cluster = cluster.map(|name| (table::CLUSTER.into(), name.to_owned().into()));
        let mut registry = Registry::with_prefix_and_labels(table::PREFIX, cluster.into_iter());
        let resources = Arc::default();
        let leader = Gauge::default();
        let this = Self {
            issued: Family::default(),
            renewed: Family::default(),
            failed: Family::default(),
            sts_calls: Family::default(),
            sts_call_duration: Family::new_with_constructor(Durations),
            sts_queue: Gauge::default(),
            sts_rate: Measured::default(),
            reconcile_duration: Durations.new_metric(),
            api_writes: Family::default(),
            events_dropped: Counter::default(),
            withdrawn: Counter::default(),
            restarts: Family::default(),
            grants_kept: Gauge::default(),
            grants_watched: Gauge::default(),
            leader: leader.clone(),
            resources: Arc::clone(&resources),
            grants: GrantSource::default(),
            registry: Registry::default(),
        };
        register(
            &mut registry,
            &table::BUILD,
            Info::new([("version", VERSION), ("commit", COMMIT)]),
        );
        register(&mut registry, &table::LEADER, leader.clone());
        register(&mut registry, &table::ISSUED, this.issued.clone());
        register(&mut registry, &table::RENEWED, this.renewed.clone());
        register(&mut registry, &table::FAILED, this.failed.clone());
        register(&mut registry, &table::STS_CALLS, this.sts_calls.clone());
        register(&mut registry, &table::STS_CALL_DURATION, this.sts_call_duration.clone());
        register(&mut registry, &table::STS_QUEUE, this.sts_queue.clone());
        register(&mut registry, &table::STS_RATE, this.sts_rate.clone());
        register(&mut registry, &table::RECONCILE_DURATION, this.reconcile_duration.clone());
        register(&mut registry, &table::API_WRITES, this.api_writes.clone());
        register(&mut registry, &table::EVENTS_DROPPED, this.events_dropped.clone());
        register(&mut registry, &table::WITHDRAWN, this.withdrawn.clone());
        register(&mut registry, &table::RESTARTS, this.restarts.clone());
        register(&mut registry, &table::GRANTS_KEPT, this.grants_kept.clone());
        register(&mut registry, &table::GRANTS_WATCHED, this.grants_watched.clone());
        let grants = this.grants.clone();
        registry.register_collector(Box::new(Gauges { resources, grants, leader, each_resource }));
        Self { registry, ..this }
    }

    /// Includes the resources that a cache contains in the gauges.
    pub fn count(&self, all: impl Fn() -> Vec<Arc<CachedCredential>> + Send + Sync + 'static) {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(all));
    }

    /// Includes the grants in the gauges. `figures` returns their current figures.
    pub fn count_grants(&self, figures: impl Fn() -> Vec<GrantFigures> + Send + Sync + 'static) {
        self.grants.set(figures);
    }

    /// Records whether this process leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    /// Counts credentials that STS issued.
    pub fn issued(&self, operation: &'static str, cause: IssueCause) {
        let family = match cause {
            IssueCause::Missing | IssueCause::Damaged | IssueCause::RequestChanged => &self.issued,
            IssueCause::Expired | IssueCause::Requested | IssueCause::Due => &self.renewed,
        };
        family.get_or_create(&[("operation", operation)]).inc();
    }

    /// Counts a failed attempt. `operation` is `none` if the spec contains no valid request.
    pub fn failed(&self, operation: &'static str, problem: &Problem) {
        let labels = [
            ("operation", operation),
            ("class", problem.class().as_str()),
            ("reason", problem.reason.as_str()),
        ];
        self.failed.get_or_create(&labels).inc();
    }

    /// Records a call to STS: its duration, and the class of its failure if it failed.
    pub fn sts_call(&self, action: &'static str, took: Duration, failure: Option<Class>) {
        let outcome = match failure {
            None => "answered",
            Some(Class::Blocked) => "blocked",
            Some(Class::Refused) => "refused",
            Some(Class::Throttled) => "throttled",
            Some(Class::Transient) => "transient",
        };
        self.sts_calls.get_or_create(&[("action", action), ("outcome", outcome)]).inc();
        self.sts_call_duration.get_or_create(&[("action", action)]).observe(took.as_secs_f64());
    }

    /// Records the number of resources in the STS queue.
    pub fn sts_queue(&self, depth: usize) {
        self.sts_queue.set(i64::try_from(depth).unwrap_or(i64::MAX));
    }

    /// Exports the rate of STS calls. `rate` returns the current one.
    pub fn measure_sts_rate(&self, rate: impl Fn() -> f64 + Send + Sync + 'static) {
        self.sts_rate.set(rate);
    }

    /// Records the duration of a reconciliation.
    pub fn reconciled(&self, took: Duration) {
        self.reconcile_duration.observe(took.as_secs_f64());
    }

    /// Counts a successful write to the Kubernetes API.
    pub fn write(&self, object: &'static str) {
        self.api_writes.get_or_create(&[("object", object)]).inc();
    }

    /// Counts an event that is not published.
    pub fn event_dropped(&self) {
        self.events_dropped.inc();
    }

    /// Counts a resource with credentials that lost its grant.
    pub fn withdrawn(&self) {
        self.withdrawn.inc();
    }

    /// Counts a change of the restart of a workload of this kind.
    pub fn restarted(&self, kind: &'static str, state: RestartState) {
        let state = restart_label(state);
        self.restarts.get_or_create(&[("kind", kind), ("state", state)]).inc();
    }

    /// Records the number of grants that stay in effect although they do not exist.
    pub fn grants_kept(&self, count: usize) {
        self.grants_kept.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Records whether the grants are listed and watched.
    pub fn grants_watched(&self, watched: bool) {
        self.grants_watched.set(watched.into());
    }

    /// Encodes all metrics in the OpenMetrics text format.
    pub fn text(&self) -> Vec<Bytes> {
        let mut text = Parts::default();
        // Writing to memory cannot fail.
        let _ = encode(&mut text, &self.registry);
        text.finish()
    }
}
