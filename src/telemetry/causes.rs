//! Failures with a common cause: of the operator's own AWS identity, and of STS.
//!
//! Alerts report such a failure once, instead of once for each resource.

use std::collections::BTreeSet;

use jiff::Timestamp;

use tempcred_core::api::{CachedCredential, CredentialStatus};
use tempcred_core::problem::Reason;

/// A resource, as far as totals depend on it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Whether `spec.suspend` is set.
    pub suspended: bool,
    /// Whether the operator's own identity signs its request.
    pub signed_by_operator: bool,
    /// Its status, if there is one.
    pub status: Option<&'a CredentialStatus>,
}

impl<'a> Seen<'a> {
    /// Reads a resource.
    pub fn of(resource: &'a CachedCredential) -> Self {
        Self {
            namespace: &resource.key.namespace,
            created: resource.created,
            suspended: resource.is_suspended,
            signed_by_operator: resource.is_signed_by_operator,
            status: resource.status.as_deref(),
        }
    }

    /// When its credentials were issued.
    pub(super) fn issued_at(&self) -> Option<Timestamp> {
        self.status?.issued_at.as_ref().map(|at| at.0)
    }
}

/// A common cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The operator has no AWS identity, or AWS rejects it.
    Identity,
    /// STS cannot be reached, or its replies cannot be used.
    Sts,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 2] = [Self::Identity, Self::Sts];

    /// The label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Sts => "sts",
        }
    }

    fn includes(self, reason: Reason) -> bool {
        match self {
            Self::Identity => matches!(
                reason,
                Reason::IdentityMissing
                    | Reason::IdentityUnavailable
                    | Reason::IdentityExpired
                    | Reason::IdentityRefused
            ),
            Self::Sts => {
                matches!(reason, Reason::StsUnavailable | Reason::StsTimeout | Reason::InvalidReply)
            }
        }
    }

    /// Whether a resource fails for this cause if others do.
    fn affects(self, seen: &Seen<'_>) -> bool {
        !seen.suspended && (self == Self::Sts || seen.signed_by_operator)
    }

    /// Since when resources fail for this cause, while no other one is issued. `None` unless many fail, of several
    /// namespaces: one resource can also name a region that does not exist, and one tenant must not raise an alarm about
    /// the operator. All resources are many, and all namespaces are several.
    pub fn since(self, resources: &[Seen<'_>]) -> Option<Timestamp> {
        let all = || resources.iter().filter(|seen| self.affects(seen));
        let issued = all().filter_map(Seen::issued_at).max();
        let (mut failing, mut namespaces, mut since) = (0, BTreeSet::new(), None);
        for seen in all() {
            let Some(failure) = seen.status.and_then(|status| status.failure.as_ref()) else {
                continue;
            };
            let began = failure.since.0;
            if failure.reason().is_some_and(|reason| self.includes(reason)) && Some(began) > issued
            {
                failing += 1;
                namespaces.insert(seen.namespace);
                since = since.into_iter().chain([began]).min();
            }
        }
        let are_all = failing == all().count();
        let are_many = failing >= MANY
            && (namespaces.len() > 1 || all().all(|seen| namespaces.contains(seen.namespace)));
        since.filter(|_| are_all || are_many)
    }
}

/// How many failing resources are many.
const MANY: usize = 3;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn issued(second: i64) -> CredentialStatus {
        serde_json::from_value(json!({"issuedAt": at(second).to_string()})).unwrap()
    }

    fn failing(since: i64, class: &str, reason: &str) -> CredentialStatus {
        serde_json::from_value(json!({
            "issuedAt": at(10).to_string(),
            "failure": {"class": class, "reason": reason, "message": "m", "count": 1,
                        "since": at(since).to_string(), "nextAttempt": at(900).to_string()},
        }))
        .unwrap()
    }

    fn away(since: i64) -> CredentialStatus {
        failing(since, "Transient", "StsUnavailable")
    }

    fn refused(since: i64) -> CredentialStatus {
        failing(since, "Refused", "IdentityRefused")
    }

    fn seen<'a>(namespace: &'a str, status: &'a CredentialStatus) -> Seen<'a> {
        Seen { namespace, status: Some(status), signed_by_operator: true, ..Seen::default() }
    }

    #[test]
    fn a_failure_is_common_if_many_fail_and_none_was_issued_since() {
        use Cause::{Identity, Sts};
        let (a20, a30, a40, r20, r30) = (away(20), away(30), away(40), refused(20), refused(30));
        let (old, new) = (issued(15), issued(25));
        let none = CredentialStatus::default();
        let by_tenant = |seen: Seen<'static>| Seen { signed_by_operator: false, ..seen };
        let leaked: &'static CredentialStatus = Box::leak(Box::new(refused(20)));
        let rows = [
            ("nothing", vec![], Sts, None),
            ("the only one", vec![seen("a", &a20)], Sts, Some(20)),
            ("all in one namespace", vec![seen("a", &a20), seen("a", &a30)], Sts, Some(20)),
            ("one of two", vec![seen("a", &a20), seen("b", &old)], Sts, None),
            (
                "three of many, in two namespaces",
                vec![seen("a", &a30), seen("a", &a20), seen("b", &a40), seen("c", &old)],
                Sts,
                Some(20),
            ),
            (
                "three of one tenant among others",
                vec![seen("a", &a30), seen("a", &a20), seen("a", &a40), seen("c", &old)],
                Sts,
                None,
            ),
            (
                "three of the only namespace",
                vec![seen("a", &a30), seen("a", &a20), seen("a", &a40), seen("a", &old)],
                Sts,
                Some(20),
            ),
            (
                "another one was issued since",
                vec![seen("a", &a20), seen("b", &a20), seen("c", &a20), seen("c", &new)],
                Sts,
                None,
            ),
            (
                "those that began before the last issue are other failures",
                vec![
                    seen("a", &a20),
                    seen("a", &a30),
                    seen("b", &a30),
                    seen("c", &a40),
                    seen("c", &new),
                ],
                Sts,
                Some(30),
            ),
            ("another cause", vec![seen("a", &r20), seen("b", &r30)], Sts, None),
            ("the identity", vec![seen("a", &r20), seen("b", &r30)], Identity, Some(20)),
            ("keys of a tenant", vec![by_tenant(seen("a", leaked))], Identity, None),
            (
                "keys of a tenant that are issued",
                vec![seen("a", &r20), by_tenant(seen("a", leaked))],
                Identity,
                Some(20),
            ),
            (
                "a suspended one",
                vec![Seen { suspended: true, ..seen("a", &a20) }, seen("b", &none)],
                Sts,
                None,
            ),
        ];
        for (row, resources, cause, since) in rows {
            assert_eq!(cause.since(&resources), since.map(at), "{row}");
        }
    }
}
