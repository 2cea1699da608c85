//! Gauges that are computed from the cache of resources at each scrape.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::Gauge;

use super::causes::Seen;
use super::fleet::{Fleet, label};
use super::grants::{GrantFigures, GrantSource};
use super::table::{self, Metric};
use tempcred_core::api::condition::READY;
use tempcred_core::api::{CachedCredential, CredentialStatus};

/// Returns the resources of one cache.
type Source = Box<dyn Fn() -> Vec<Arc<CachedCredential>> + Send + Sync>;

/// The caches of resources.
pub(super) type Sources = Arc<Mutex<Vec<Source>>>;

/// The collector of these gauges.
pub(super) struct Gauges {
    pub(super) resources: Sources,
    pub(super) grants: GrantSource,
    pub(super) leader: Gauge,
    pub(super) each_resource: bool,
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauges").field("each_resource", &self.each_resource).finish_non_exhaustive()
    }
}

impl Collector for Gauges {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // Every replica has the same resources in its cache. Only the leader exports them, so that sums over replicas
        // do not count them twice.
        if self.leader.get() == 0 {
            return Ok(());
        }
        let sources = self.resources.lock().unwrap_or_else(PoisonError::into_inner);
        let resources: Vec<_> = sources.iter().flat_map(|source| source()).collect();
        drop(sources);
        let now = Timestamp::now();
        let seen: Vec<_> = resources.iter().map(|resource| Seen::of(resource)).collect();
        let mut page = Page { encoder };
        page.fleet(&Fleet::of(&seen, now))?;
        page.grants(&self.grants.figures())?;
        if self.each_resource {
            page.each(&resources, now)?;
        }
        Ok(())
    }
}

struct Page<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl Page<'_> {
    fn fleet(&mut self, fleet: &Fleet) -> fmt::Result {
        let count = |n: u64| n as f64;
        let conditions = fleet.conditions.iter();
        let conditions = conditions
            .map(|((type_, status), n)| ([("condition", *type_), ("status", *status)], count(*n)));
        self.gauge(&table::CREDENTIALS, conditions)?;
        let not_ready = fleet.not_ready.iter();
        self.gauge(
            &table::NOT_READY,
            not_ready.map(|(reason, n)| ([("reason", *reason)], count(*n))),
        )?;
        let failing = fleet.failing.iter();
        let failing = failing
            .map(|((class, reason), n)| ([("class", *class), ("reason", *reason)], count(*n)));
        self.gauge(&table::FAILING, failing)?;
        self.sole(&table::WITHDRAWN_SECRETS, Some(count(fleet.withdrawn)))?;
        self.sole(&table::OVERDUE, Some(count(fleet.overdue)))?;
        self.sole(&table::NEXT_EXPIRATION, fleet.next_expiration.map(seconds))?;
        let since = fleet.failing_since.iter();
        self.gauge(
            &table::FAILING_SINCE,
            since.map(|(class, at)| ([("class", *class)], seconds(*at))),
        )?;
        self.sole(&table::EXPIRED, Some(count(fleet.expired)))?;
        self.sole(&table::SUSPENDED, Some(count(fleet.suspended)))?;
        let restarts = fleet.unfinished_restarts.iter();
        self.gauge(
            &table::UNFINISHED_RESTARTS,
            restarts.map(|(state, n)| ([("state", *state)], count(*n))),
        )?;
        self.sole(&table::WAITING_SINCE, fleet.waiting_since.map(seconds))?;
        let common = fleet.common_failures.iter();
        self.gauge(
            &table::COMMON_FAILURE_SINCE,
            common.map(|(cause, at)| ([("cause", *cause)], seconds(*at))),
        )
    }

    fn grants(&mut self, grants: &[GrantFigures]) -> fmt::Result {
        let conditions = grants.iter().flat_map(|grant| {
            let statuses = [("True", grant.is_valid), ("False", !grant.is_valid)];
            statuses.map(|(status, is_so)| {
                ([name(grant), ("condition", READY), ("status", status)], f64::from(is_so))
            })
        });
        self.gauge(&table::GRANT_CONDITION, conditions)?;
        let used = grants.iter().map(|grant| ([name(grant)], f64::from(grant.used)));
        self.gauge(&table::GRANT_CREDENTIALS, used)?;
        let rejections = grants.iter().flat_map(|grant| {
            grant.rejections.map(|(reason, count)| {
                ([name(grant), ("reason", reason.as_str())], f64::from(count))
            })
        });
        self.gauge(&table::GRANT_REJECTIONS, rejections)
    }

    fn each(&mut self, resources: &[Arc<CachedCredential>], now: Timestamp) -> fmt::Result {
        let now = seconds(now);
        let time = |time: &Option<Time>| time.as_ref().map(|at| seconds(at.0));
        let expiration = |status: &CredentialStatus| time(&status.expiration);
        let renewal = |status: &CredentialStatus| time(&status.renewal_time);
        let is_ready =
            |status: &CredentialStatus| status.readiness().is_some_and(|ready| ready.ready);
        self.gauge(&table::EXPIRATION, of_each(resources, expiration))?;
        self.gauge(&table::RENEWAL, of_each(resources, renewal))?;
        let until = |status: &CredentialStatus| Some(expiration(status)? - now);
        self.gauge(&table::UNTIL_EXPIRATION, of_each(resources, until))?;
        let until = |status: &CredentialStatus| Some(renewal(status)? - now);
        self.gauge(&table::UNTIL_RENEWAL, of_each(resources, until))?;
        // New resources without a status are included.
        let ready = resources.iter().map(|resource| {
            (labels(resource), f64::from(resource.status.as_deref().is_some_and(is_ready)))
        });
        self.gauge(&table::READY, ready)?;
        let failing = resources.iter().filter_map(|resource| {
            let failure = resource.status.as_deref()?.failure.as_ref()?;
            let [namespace, name] = labels(resource);
            let class = ("class", failure.class.as_str());
            let reason = ("reason", label(failure.reason()));
            Some(([namespace, name, class, reason], seconds(failure.since.0)))
        });
        self.gauge(&table::CREDENTIAL_FAILING_SINCE, failing)?;
        let waiting = resources.iter().filter_map(|resource| {
            let seen = Seen::of(resource);
            let waits = !seen.suspended && seen.issued_at().is_none();
            Some((labels(resource), seconds(seen.created.filter(|_| waits)?)))
        });
        self.gauge(&table::CREDENTIAL_WAITING_SINCE, waiting)?;
        let suspended = resources.iter().filter(|resource| resource.is_suspended);
        self.gauge(&table::CREDENTIAL_SUSPENDED, suspended.map(|resource| (labels(resource), 1.0)))
    }

    /// A gauge without labels.
    fn sole(&mut self, metric: &Metric, value: Option<f64>) -> fmt::Result {
        match value {
            Some(value) => self.describe(metric)?.encode_gauge(&value),
            None => Ok(()),
        }
    }

    fn gauge<L: EncodeLabelSet>(
        &mut self,
        metric: &Metric,
        samples: impl IntoIterator<Item = (L, f64)>,
    ) -> fmt::Result {
        let mut family = self.describe(metric)?;
        for (labels, value) in samples {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn describe<'m>(&'m mut self, metric: &'m Metric) -> Result<MetricEncoder<'m>, fmt::Error> {
        let help = format!("{}.", metric.help);
        self.encoder.encode_descriptor(metric.name, &help, None, MetricType::Gauge)
    }
}

/// The value of each resource for which there is one.
fn of_each<'a>(
    resources: &'a [Arc<CachedCredential>],
    value: impl Fn(&CredentialStatus) -> Option<f64> + 'a,
) -> impl Iterator<Item = ([(&'static str, &'a str); 2], f64)> {
    let status = |resource: &'a CachedCredential| resource.status.as_deref();
    resources.iter().filter_map(move |resource| Some((labels(resource), value(status(resource)?)?)))
}

fn name(grant: &GrantFigures) -> (&'static str, &str) {
    ("rolegrant", &grant.name)
}

fn labels(resource: &CachedCredential) -> [(&'static str, &str); 2] {
    [("namespace", &resource.key.namespace), ("name", &resource.key.name)]
}

fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}
