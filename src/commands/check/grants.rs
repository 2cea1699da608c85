//! What the grants decide about the resources of the input.

use std::collections::{BTreeMap, BTreeSet};

use tempcred_core::api::{StoredGrant, TemporaryCredential};
use tempcred_core::desired::Desired;
use tempcred_core::grant::{GrantName, Grants, InvalidGrant};
use tempcred_core::key::Key;
use tempcred_core::problem::{Problem, Reason};
use tempcred_core::request::Operation;

use super::finding::{Finding, Place};
use super::object::{Kind, Object};
use super::rule::Rule;
use super::validate::{Credential, Grant};

/// Label with the name of a namespace, which the API server sets on each.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The labels of namespaces.
pub type Namespaces = BTreeMap<String, BTreeMap<String, String>>;

/// A call to STS that the grants allow, with the parameters that they set and allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedCall {
    /// ARN of the role.
    pub role: String,
    /// Name of the session.
    pub session_name: String,
    /// Lifetime. `None` for a role of `via`.
    pub duration: Option<String>,
    /// External ID.
    pub external_id: Option<String>,
    /// Source identity, if it is not inherited.
    pub source_identity: Option<String>,
    /// Session tags, without inherited ones.
    pub tags: BTreeMap<String, String>,
    /// Keys of the transitive ones of these tags.
    pub transitive: BTreeSet<String>,
    /// ARNs of session policies.
    pub policy_arns: Vec<String>,
}

/// What the grants decide.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// They allow the request.
    Allowed {
        /// The grants that allow or constrain it.
        grants: Vec<String>,
        /// The calls, in their order.
        calls: Vec<AllowedCall>,
    },
    /// They do not allow it.
    Denied {
        /// The problem that the operator reports.
        problem: Problem,
        /// The grants that reject it. Empty if none matches.
        grants: Vec<String>,
    },
}

/// What the grants decide about one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Namespace and name of the resource.
    pub key: Key,
    /// Where it is.
    pub place: Place,
    /// The decision.
    pub outcome: Outcome,
}

/// All grants, and the namespaces that the resources are in.
pub fn compile<'a>(
    cluster: &str,
    stored: impl IntoIterator<Item = &'a StoredGrant>,
    namespaces: &Namespaces,
) -> Grants {
    let mut grants = Grants::new(cluster.to_owned());
    for grant in stored {
        set(&mut grants, grant);
    }
    for (name, labels) in namespaces {
        let mut labels = labels.clone();
        labels.insert(NAME_LABEL.to_owned(), name.clone());
        grants.set_namespace(name, &labels);
    }
    grants
}

/// Adds a grant, or replaces the one with its name.
pub fn set(grants: &mut Grants, grant: &StoredGrant) {
    // Grants in files have neither a UID nor a generation, by which a changed grant is recognised.
    grants.remove(grant.metadata.name.as_deref().unwrap_or_default());
    grants.set(grant);
}

/// The namespaces of the input, and those of its resources.
pub fn namespaces(objects: &[Object]) -> Namespaces {
    let mut namespaces = Namespaces::new();
    for object in objects {
        match object.kind {
            Kind::Namespace => {
                namespaces.insert(object.key.name.clone(), object.labels());
            }
            Kind::Credential => {
                namespaces.entry(object.key.namespace.clone()).or_default();
            }
            Kind::Grant | Kind::UnknownOfGroup | Kind::Secret | Kind::Workload | Kind::Other => {}
        }
    }
    namespaces
}

/// What the grants decide about a resource. `None` if the operator does not sign its request.
pub fn decide(desired: &Desired, resource: &TemporaryCredential) -> Option<Outcome> {
    if !resource.is_signed_by_operator() {
        return None;
    }
    let names = |names: &[GrantName]| names.iter().map(|name| name.to_string()).collect();
    if let Some(problem) = &desired.denied {
        let grants = names(&desired.rejected_by);
        return Some(Outcome::Denied { problem: problem.clone(), grants });
    }
    let request = desired.request.as_ref().ok()?;
    Some(Outcome::Allowed { grants: names(&desired.grants), calls: calls(&request.operation) })
}

fn calls(operation: &Operation) -> Vec<AllowedCall> {
    let Operation::AssumeRole(request) = operation else { return Vec::new() };
    let call = |call: &tempcred_core::request::assume_role::Call| AllowedCall {
        role: call.role.to_string(),
        session_name: call.session_name.clone(),
        duration: call.duration.map(|duration| duration.to_string()),
        external_id: call.external_id.clone(),
        source_identity: call.source_identity.clone(),
        tags: call.tags.clone(),
        transitive: call.transitive_tag_keys.clone(),
        policy_arns: call.policy_arns.clone(),
    };
    request.chain().iter().map(call).collect()
}

/// The decision about each resource that the operator signs, and the findings.
pub fn verdicts(credentials: &[(&Credential<'_>, Desired)]) -> (Vec<Verdict>, Vec<Finding>) {
    let (mut verdicts, mut findings) = (Vec::new(), Vec::new());
    for (Credential { object, resource }, desired) in credentials {
        let Some(outcome) = decide(desired, resource) else { continue };
        if let Outcome::Denied { problem, grants } = &outcome {
            let by = match grants.as_slice() {
                [] => String::new(),
                names => format!(" (RoleGrants: {})", names.join(", ")),
            };
            let message = format!("{}{by}", problem.message);
            findings.push(object.finding(rule(problem.reason), "/spec/assumeRole", &message));
        }
        verdicts.push(Verdict { key: object.key.clone(), place: object.place(""), outcome });
    }
    (verdicts, findings)
}

/// The rule for a denial.
fn rule(reason: Reason) -> Rule {
    let rules =
        [(Reason::GrantConflict, Rule::GrantConflict), (Reason::GrantInvalid, Rule::GrantInvalid)];
    let found = rules.into_iter().find(|(of, _)| *of == reason);
    found.map_or(Rule::NotGranted, |(_, rule)| rule)
}

/// The grants that the operator cannot use. `needs_cluster` tells whether the name of the cluster matters.
pub fn invalid(cluster: &str, input: &[Grant<'_>], needs_cluster: bool) -> Vec<Finding> {
    let stored = input.iter().map(|grant| &grant.stored);
    let grants = compile(cluster, stored, &Namespaces::new());
    let find = |Grant { object, .. }: &Grant<'_>| {
        let (_, invalid) = grants.state(&object.key.name)?;
        match invalid? {
            InvalidGrant::NoClusterName => needs_cluster.then(|| {
                let message = "session uses the name of the cluster, which is not known: pass the operator's --cluster-name to this command too";
                object.finding(Rule::ClusterNameUnknown, "/spec/session", message)
            }),
            invalid => Some(object.finding(Rule::GrantNotValid, "/spec", &invalid.to_string())),
        }
    };
    input.iter().filter_map(find).collect()
}

/// The namespaces of resources whose labels matter and are not known.
pub fn unknown_labels(
    objects: &[Object],
    credentials: &[Credential<'_>],
    grants: &[Grant<'_>],
) -> Vec<Finding> {
    let selects = |Grant { grant, .. }: &&Grant<'_>| grant.spec.namespaces.selector.is_some();
    let Some(selecting) = grants.iter().find(selects) else { return Vec::new() };
    let known = objects.iter().filter(|object| object.kind == Kind::Namespace);
    let mut seen: BTreeSet<&str> = known.map(|object| object.key.name.as_str()).collect();
    let mut findings = Vec::new();
    for Credential { object, resource } in credentials {
        if resource.is_signed_by_operator() && seen.insert(&object.key.namespace) {
            let message = format!(
                "RoleGrant {} selects namespaces by labels, and those of namespace {} are not in the input: only {NAME_LABEL} is assumed; add the Namespace to the input",
                selecting.object.key.name, object.key.namespace
            );
            findings.push(object.finding(Rule::NamespaceUnknown, "/metadata/namespace", &message));
        }
    }
    findings
}
