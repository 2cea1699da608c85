//! The permissions that the operator needs in the cluster.
//!
//! The roles of the chart grant exactly these: `tests/e2e/doctor/rights.rs` compares them.

use super::crd::GRANT_CRD;

/// Verbs of a resource that the operator needs.
#[derive(Debug, PartialEq, Eq)]
pub struct Right {
    /// The API group. Empty for the core group.
    pub group: &'static str,
    /// The resource, with its subresource: `temporarycredentials/status`.
    pub resource: &'static str,
    /// The verbs.
    pub verbs: &'static [&'static str],
    /// Where they are needed.
    pub scope: Scope,
    /// What needs them.
    pub feature: Feature,
}

/// Where a permission is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In every namespace that the operator serves.
    Served,
    /// For the Namespaces that the operator serves.
    ServedNamespaces,
    /// In the cluster.
    Cluster,
    /// In the cluster, for the object with this name.
    Named(&'static str),
    /// In the namespace of the operator.
    Own,
    /// In the namespace of the operator, for the Lease of leader election.
    Lease,
}

/// A part of the operator that needs permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// What every operator does.
    Base,
    /// `serviceAccountName`: the operator requests tokens.
    ServiceAccountTokens,
    /// `restart`: the operator restarts workloads.
    WorkloadRestarts,
    /// `--leader-elect`.
    LeaderElection,
    /// `--metrics-auth`.
    MetricsAuth,
}

impl Feature {
    /// The value of the chart that gives the permissions.
    pub const fn chart_value(self) -> &'static str {
        match self {
            Self::Base => "rbac.create",
            Self::ServiceAccountTokens => "features.serviceAccountTokens",
            Self::WorkloadRestarts => "features.workloadRestarts",
            Self::LeaderElection => "settings.leaderElect",
            Self::MetricsAuth => "metrics.auth.enabled",
        }
    }
}

const OWN_GROUP: &str = tempcred_core::api::GROUP;
const LEASES: &str = "coordination.k8s.io";

const fn right(
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
    scope: Scope,
    feature: Feature,
) -> Right {
    Right { group, resource, verbs, scope, feature }
}

/// Every permission of the operator.
pub const RIGHTS: &[Right] = &[
    right(OWN_GROUP, "temporarycredentials", &["list", "watch"], Scope::Served, Feature::Base),
    right(OWN_GROUP, "temporarycredentials/status", &["patch"], Scope::Served, Feature::Base),
    right(
        "",
        "secrets",
        &["get", "list", "watch", "create", "patch", "delete"],
        Scope::Served,
        Feature::Base,
    ),
    right("events.k8s.io", "events", &["create", "patch"], Scope::Served, Feature::Base),
    right(OWN_GROUP, "rolegrants", &["list", "watch"], Scope::Cluster, Feature::Base),
    right(OWN_GROUP, "rolegrants/status", &["patch"], Scope::Cluster, Feature::Base),
    right(
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        &["get"],
        Scope::Named(GRANT_CRD),
        Feature::Base,
    ),
    right("", "namespaces", &["list", "watch"], Scope::ServedNamespaces, Feature::Base),
    right("", "serviceaccounts/token", &["create"], Scope::Served, Feature::ServiceAccountTokens),
    right(
        "authentication.k8s.io",
        "tokenreviews",
        &["create"],
        Scope::Cluster,
        Feature::ServiceAccountTokens,
    ),
    right("apps", "deployments", &["get", "patch"], Scope::Served, Feature::WorkloadRestarts),
    right("apps", "statefulsets", &["get", "patch"], Scope::Served, Feature::WorkloadRestarts),
    right("apps", "daemonsets", &["get", "patch"], Scope::Served, Feature::WorkloadRestarts),
    // RBAC cannot restrict create to one name.
    right(LEASES, "leases", &["create"], Scope::Own, Feature::LeaderElection),
    right(LEASES, "leases", &["get", "patch"], Scope::Lease, Feature::LeaderElection),
    right(
        "authentication.k8s.io",
        "tokenreviews",
        &["create"],
        Scope::Cluster,
        Feature::MetricsAuth,
    ),
    right(
        "authorization.k8s.io",
        "subjectaccessreviews",
        &["create"],
        Scope::Cluster,
        Feature::MetricsAuth,
    ),
];
