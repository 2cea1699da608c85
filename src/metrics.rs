//! Counters, for Prometheus. Labels come from closed sets.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::failure::Class;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StsCall {
    action: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Write {
    object: &'static str,
}

/// What this process counts.
pub struct Metrics {
    registry: Registry,
    sts_calls: Family<StsCall, Counter>,
    writes: Family<Write, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let (sts_calls, writes) = (Family::default(), Family::default());
        let mut registry = Registry::with_prefix("tempcred");
        registry.register(
            "sts_calls",
            "Calls to AWS STS, by action and outcome",
            Family::clone(&sts_calls),
        );
        registry.register(
            "api_writes",
            "Writes to the Kubernetes API, by object",
            Family::clone(&writes),
        );
        Self { registry, sts_calls, writes }
    }
}

impl Metrics {
    /// One call to STS: what it failed with, or `None` if it was answered.
    pub fn sts_call(&self, action: &'static str, failure: Option<Class>) {
        let outcome = match failure {
            None => "answered",
            Some(Class::Blocked) => "blocked",
            Some(Class::Refused) => "refused",
            Some(Class::Throttled) => "throttled",
            Some(Class::Transient) => "transient",
        };
        self.sts_calls.get_or_create(&StsCall { action, outcome }).inc();
    }

    /// One write to the Kubernetes API that went through.
    pub fn write(&self, object: &'static str) {
        self.writes.get_or_create(&Write { object }).inc();
    }

    /// Everything in the OpenMetrics text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
