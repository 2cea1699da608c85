//! Every metric: its name, kind, labels and meaning. `docs/metrics.md` is made from this table, and
//! nothing is exported that is not in it.

/// What kind of metric it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows. Its name ends with `_total`.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Counts of observations by size. Its names end with `_bucket`, `_sum` and `_count`.
    Histogram,
    /// Always 1: what it tells is in its labels. Its name ends with `_info`.
    Info,
}

/// Which process exports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every replica, of itself.
    Process,
    /// The leader, of all resources together.
    Fleet,
    /// The leader, of each resource, unless `--resource-metrics=false`.
    Resource,
}

/// A metric.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, without the prefix of all and the suffix of its kind.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Which process exports it.
    pub scope: Scope,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it says, in one sentence.
    pub help: &'static str,
}

/// What all names begin with.
pub const PREFIX: &str = "tempcred";

impl Metric {
    /// The name by which Prometheus knows it. That of a histogram has one of three suffixes.
    pub fn exported(&self) -> String {
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        format!("{PREFIX}_{}{suffix}", self.name)
    }
}

macro_rules! metrics {
    ($(#[doc = $help:literal] $id:ident $name:literal $kind:ident $scope:ident [$($label:literal),*];)*) => {
        $(
            #[doc = $help]
            pub const $id: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                scope: Scope::$scope,
                labels: &[$($label),*],
                help: $help.trim_ascii(),
            };
        )*

        /// Every metric, in the order in which they are documented.
        pub const ALL: &[Metric] = &[$($id),*];
    };
}

metrics! {
    /// Version and commit of this process
    BUILD "build" Info Process ["version", "commit"];
    /// Whether this replica leads (1) or waits (0)
    LEADER "leader" Gauge Process [];
    /// Credentials that STS issued where there were none, or none that answered the spec
    ISSUED "credentials_issued" Counter Process ["operation"];
    /// Credentials that STS issued in place of those that were about to expire, had expired or were to be renewed on request
    RENEWED "credentials_renewed" Counter Process ["operation"];
    /// Attempts that failed, by what stood in the way
    FAILED "credentials_failed" Counter Process ["operation", "class", "reason"];
    /// Calls to AWS STS, hops included; outcome is answered, blocked, refused, throttled or transient
    STS_CALLS "sts_calls" Counter Process ["action", "outcome"];
    /// How long calls to AWS STS took, whatever came of them
    STS_CALL_DURATION "sts_call_duration_seconds" Histogram Process ["action"];
    /// Credentials that wait for their turn to call STS, which --concurrency and --sts-rate limit
    STS_QUEUE "sts_queue_depth" Gauge Process [];
    /// How long looks at a resource took, waiting for STS included
    RECONCILE_DURATION "reconcile_duration_seconds" Histogram Process [];
    /// Writes to the Kubernetes API that went through; object is secret, status, grant_status or event
    API_WRITES "api_writes" Counter Process ["object"];
    /// Resources by condition
    CREDENTIALS "credentials" Gauge Fleet ["condition", "status"];
    /// Resources that are not Ready, by the reason that their condition gives
    NOT_READY "credentials_not_ready" Gauge Fleet ["reason"];
    /// Resources whose last attempt failed, whether or not they still hold valid credentials
    FAILING "credentials_failing" Gauge Fleet ["class", "reason"];
    /// Resources with valid credentials whose renewal time has passed
    OVERDUE "credentials_overdue" Gauge Fleet [];
    /// When the first of all credentials expires, in seconds since 1970
    NEXT_EXPIRATION "next_expiration_timestamp_seconds" Gauge Fleet [];
    /// Since when the resource that has failed for longest fails, in seconds since 1970
    FAILING_SINCE "failing_since_timestamp_seconds" Gauge Fleet ["class"];
    /// When the credentials expire, in seconds since 1970
    EXPIRATION "credential_expiration_timestamp_seconds" Gauge Resource ["namespace", "name"];
    /// When the credentials are renewed, in seconds since 1970
    RENEWAL "credential_renewal_timestamp_seconds" Gauge Resource ["namespace", "name"];
    /// Seconds until the credentials expire; negative once they have
    UNTIL_EXPIRATION "credential_seconds_until_expiration" Gauge Resource ["namespace", "name"];
    /// Seconds until the credentials are renewed; negative while the renewal is overdue
    UNTIL_RENEWAL "credential_seconds_until_renewal" Gauge Resource ["namespace", "name"];
    /// Whether the resource is Ready (1) or not (0)
    READY "credential_ready" Gauge Resource ["namespace", "name"];
    /// Since when the resource fails, in seconds since 1970; absent while all is well
    CREDENTIAL_FAILING_SINCE "credential_failing_since_timestamp_seconds" Gauge Resource ["namespace", "name", "class", "reason"];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_prometheus_expects() {
        for (metric, exported) in [
            (&STS_CALLS, "tempcred_sts_calls_total"),
            (&BUILD, "tempcred_build_info"),
            (&LEADER, "tempcred_leader"),
        ] {
            assert_eq!(metric.exported(), exported);
        }
        let mut names: Vec<_> = ALL.iter().map(Metric::exported).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), ALL.len(), "two metrics of one name");
    }
}
