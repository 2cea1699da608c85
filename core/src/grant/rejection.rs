//! Why the grants reject a request, and the problem that is reported.

use std::collections::BTreeSet;

use super::name::GrantName;
use crate::problem::{Problem, Reason};
use crate::request::arn::RoleArn;

/// Kinds of rejections. Of several, only those of the first kind are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A grant that matches is invalid.
    Invalid,
    /// No grant allows the role.
    NoGrant,
    /// The grants demand different values.
    Conflict,
    /// The resource sets what the grants do not allow.
    Violation,
}

/// A rejection of one role.
#[derive(Debug)]
pub(super) struct Rejection {
    kind: Kind,
    /// For a conflict, the field. For a violation, what to change.
    text: String,
    /// The grants that reject.
    grants: Vec<GrantName>,
}

impl Rejection {
    pub(super) fn new(kind: Kind, text: String, grants: Vec<GrantName>) -> Self {
        Self { kind, text, grants }
    }
}

/// A request that the grants do not allow.
#[derive(Clone, Debug, PartialEq)]
pub struct Denial {
    /// The problem to report. It names no grants, because a tenant may not know those of others.
    pub problem: Problem,
    /// The grants that reject the request, sorted. Empty if none matches.
    pub grants: Vec<GrantName>,
}

impl Denial {
    /// The denial for the rejections of each role, in the order of the roles. `None` if there are no rejections.
    pub(super) fn of(namespace: &str, rejections: &[(&RoleArn, Vec<Rejection>)]) -> Option<Self> {
        let kind = rejections.iter().flat_map(|(_, all)| all).map(|one| one.kind).min()?;
        let mut grants = BTreeSet::new();
        let mut sentences = Vec::new();
        for (role, all) in rejections {
            let all: Vec<_> = all.iter().filter(|rejection| rejection.kind == kind).collect();
            if all.is_empty() {
                continue;
            }
            grants.extend(all.iter().flat_map(|rejection| rejection.grants.iter().cloned()));
            let mut texts: Vec<_> = all.iter().map(|rejection| rejection.text.as_str()).collect();
            texts.dedup();
            let sentence = match kind {
                Kind::Invalid => format!(
                    "A RoleGrant that matches namespace {namespace} and {role} is invalid and blocks what it matches"
                ),
                Kind::NoGrant => format!(
                    "No RoleGrant allows namespace {namespace} to use {role} with the operator's identity"
                ),
                Kind::Conflict => format!(
                    "The RoleGrants for namespace {namespace} and {role} demand different values of {}",
                    texts.join(", ")
                ),
                Kind::Violation => format!(
                    "The RoleGrants allow namespace {namespace} to use {role}, but reject this request: {}",
                    texts.join("; ")
                ),
            };
            // A chain may contain a role twice.
            if !sentences.contains(&sentence) {
                sentences.push(sentence);
            }
        }
        let reason = match kind {
            Kind::Invalid => Reason::GrantInvalid,
            Kind::Conflict => Reason::GrantConflict,
            Kind::NoGrant | Kind::Violation => Reason::NotGranted,
        };
        let mut message = sentences.join(". ");
        if kind != Kind::Violation {
            message = format!("{message}. {}", reason.advice());
        }
        Some(Self { problem: Problem::new(reason, message), grants: grants.into_iter().collect() })
    }
}
