//! The table of all metrics: name, type, scope, labels and meaning. `docs/metrics.md` is generated from it, and every
//! exported metric is in it.

/// Type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A value that only increases. The exported name ends with `_total`.
    Counter,
    /// A value that increases and decreases.
    Gauge,
    /// Counts of observations in buckets. The exported names end with `_bucket`, `_sum` and `_count`.
    Histogram,
    /// Always 1, with the information in labels. The exported name ends with `_info`.
    Info,
}

/// The processes that export a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every replica exports its own values.
    Process,
    /// The leader exports totals over all resources.
    Fleet,
    /// The leader exports values for each RoleGrant. Their number is the number of RoleGrants.
    Grant,
    /// The leader exports a value for each resource, unless `--resource-metrics=false` is set.
    Resource,
}

/// A metric.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// Name without the common prefix and the suffix of the type.
    pub name: &'static str,
    /// Type.
    pub kind: Kind,
    /// The processes that export the metric.
    pub scope: Scope,
    /// Names of the labels.
    pub labels: &'static [&'static str],
    /// The meaning: one sentence without the final period.
    pub help: &'static str,
}

/// Prefix of all names.
pub const PREFIX: &str = "tempcred";

/// A label of every metric, if `--cluster-name` is set.
pub const CLUSTER: &str = "cluster";

impl Metric {
    /// The exported name. That of a histogram is without the suffixes `_bucket`, `_sum` and `_count`.
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
    /// Whether this replica is the leader (1) or not (0)
    LEADER "leader" Gauge Process [];
    /// Credentials that STS issued because the Secret contained none, or none that match the spec
    ISSUED "credentials_issued" Counter Process ["operation"];
    /// Credentials that STS issued to replace credentials that match the spec: at their renewal time, after their expiration, or on request
    RENEWED "credentials_renewed" Counter Process ["operation"];
    /// Failed attempts, by class and reason of the failure
    FAILED "credentials_failed" Counter Process ["operation", "class", "reason"];
    /// Calls to AWS STS, including those for hops; outcome is answered (the call succeeded) or the class of the failure: blocked, refused, throttled or transient
    STS_CALLS "sts_calls" Counter Process ["action", "outcome"];
    /// Duration of calls to AWS STS in seconds, including failed calls
    STS_CALL_DURATION "sts_call_duration_seconds" Histogram Process ["action"];
    /// Resources in the queue for STS calls, which --concurrency and --sts-rate limit
    STS_QUEUE "sts_queue_depth" Gauge Process [];
    /// Calls per second that the operator's identity may make in the region that STS throttles most; --sts-rate while STS throttles none
    STS_RATE "sts_rate" Gauge Process [];
    /// Duration of reconciliations in seconds, including the time in the STS queue
    RECONCILE_DURATION "reconcile_duration_seconds" Histogram Process [];
    /// Successful writes to the Kubernetes API; object is secret, status, grant_status, event or workload
    API_WRITES "api_writes" Counter Process ["object"];
    /// Events that were not published, because many were published shortly before
    EVENTS_DROPPED "events_dropped" Counter Process [];
    /// Resources with credentials that lost their grant although their spec did not change
    WITHDRAWN "credentials_withdrawn" Counter Process [];
    /// Changes of the restarts of workloads after rotations; state is pending, progressing, complete, stuck, missing or failed
    RESTARTS "workload_restarts" Counter Process ["kind", "state"];
    /// RoleGrants that stay in effect although they do not exist: they were deleted together with their CustomResourceDefinition, or it is not known yet whether they were
    GRANTS_KEPT "rolegrants_kept" Gauge Process [];
    /// Whether RoleGrants are listed and watched (1), or their changes are unknown (0)
    GRANTS_WATCHED "rolegrants_watched" Gauge Process [];
    /// Resources, by type and status of each condition
    CREDENTIALS "credentials" Gauge Fleet ["condition", "status"];
    /// Resources that are not Ready, by the reason of the Ready condition
    NOT_READY "credentials_not_ready" Gauge Fleet ["reason"];
    /// Resources whose last attempt failed, whether or not they still hold valid credentials
    FAILING "credentials_failing" Gauge Fleet ["class", "reason"];
    /// Secrets with valid credentials whose resource lost its grant; each is removed when its credentials expire
    WITHDRAWN_SECRETS "withdrawn_secrets" Gauge Fleet [];
    /// Resources with valid credentials whose renewal time has passed
    OVERDUE "credentials_overdue" Gauge Fleet [];
    /// Next expiration of valid credentials of any resource, in seconds since the Unix epoch
    NEXT_EXPIRATION "next_expiration_timestamp_seconds" Gauge Fleet [];
    /// Start of the longest current failure of any resource without spec.suspend, in seconds since the Unix epoch
    FAILING_SINCE "failing_since_timestamp_seconds" Gauge Fleet ["class"];
    /// Resources whose Secret contains expired credentials, unless spec.suspend is set
    EXPIRED "credentials_expired" Gauge Fleet [];
    /// Resources with spec.suspend
    SUSPENDED "credentials_suspended" Gauge Fleet [];
    /// Workloads whose last restart is not complete, once for each resource that restarts them; state is pending, progressing, stuck, missing or failed
    UNFINISHED_RESTARTS "unfinished_restarts" Gauge Fleet ["state"];
    /// Creation of the oldest resource without credentials that could be issued (attempts are not blocked or refused, and spec.suspend is not set), in seconds since the Unix epoch
    WAITING_SINCE "waiting_since_timestamp_seconds" Gauge Fleet [];
    /// Start of a failure that many resources share, in seconds since the Unix epoch; absent while there is none; cause is identity (the operator's own AWS identity) or sts
    COMMON_FAILURE_SINCE "common_failure_since_timestamp_seconds" Gauge Fleet ["cause"];
    /// Whether the RoleGrant has the condition with this status (1) or not (0); Ready is False while the RoleGrant is invalid, and then it blocks what it matches
    GRANT_CONDITION "rolegrant_condition" Gauge Grant ["rolegrant", "condition", "status"];
    /// Resources that the RoleGrant allows or constrains
    GRANT_CREDENTIALS "rolegrant_credentials" Gauge Grant ["rolegrant"];
    /// Resources that the RoleGrant rejects, by the reason that they report: NotGranted (they set what the RoleGrant does not allow), GrantConflict or GrantInvalid
    GRANT_REJECTIONS "rolegrant_rejections" Gauge Grant ["rolegrant", "reason"];
    /// When the credentials expire, in seconds since the Unix epoch
    EXPIRATION "credential_expiration_timestamp_seconds" Gauge Resource ["namespace", "name"];
    /// When the credentials are renewed, in seconds since the Unix epoch
    RENEWAL "credential_renewal_timestamp_seconds" Gauge Resource ["namespace", "name"];
    /// Seconds until the credentials expire; negative after the expiration
    UNTIL_EXPIRATION "credential_seconds_until_expiration" Gauge Resource ["namespace", "name"];
    /// Seconds until the credentials are renewed; negative while the renewal is overdue
    UNTIL_RENEWAL "credential_seconds_until_renewal" Gauge Resource ["namespace", "name"];
    /// Whether the resource is Ready (1) or not (0)
    READY "credential_ready" Gauge Resource ["namespace", "name"];
    /// Start of the current failure of the resource, in seconds since the Unix epoch; absent while nothing fails
    CREDENTIAL_FAILING_SINCE "credential_failing_since_timestamp_seconds" Gauge Resource ["namespace", "name", "class", "reason"];
    /// Creation of a resource that has no credentials yet, in seconds since the Unix epoch; absent once it has some, and while spec.suspend is set
    CREDENTIAL_WAITING_SINCE "credential_waiting_since_timestamp_seconds" Gauge Resource ["namespace", "name"];
    /// 1 while spec.suspend is set; absent otherwise
    CREDENTIAL_SUSPENDED "credential_suspended" Gauge Resource ["namespace", "name"];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exported_names_have_the_suffixes_of_openmetrics() {
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
        assert_eq!(names.len(), ALL.len(), "two metrics with the same name");
    }
}
