//! What changed grants would do to the resources in a cluster.

use tempcred_core::api::TemporaryCredential;
use tempcred_core::desired::Desired;
use tempcred_core::grant::Grants;
use tempcred_core::key::Key;

use super::finding::{Finding, Place};
use super::grants::{AllowedCall, Outcome, decide};
use super::rule::Rule;

/// What a change does to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// No grant allows its request any more.
    Revoked,
    /// Grants for its role exist, and reject its request.
    Rejected,
    /// Its credentials are issued again, with other parameters.
    Constrained,
    /// Its request is rejected now, and will be allowed.
    NowAllowed,
}

impl Effect {
    /// The rule that reports it.
    pub const fn rule(self) -> Rule {
        match self {
            Self::Revoked => Rule::Revoked,
            Self::Rejected => Rule::Rejected,
            Self::Constrained => Rule::Constrained,
            Self::NowAllowed => Rule::NowAllowed,
        }
    }
}

/// A change of one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Namespace and name of the resource.
    pub key: Key,
    /// What happens to it.
    pub effect: Effect,
    /// Details.
    pub message: String,
}

impl Change {
    /// The change as a finding.
    pub fn finding(&self) -> Finding {
        let Key { namespace, name } = &self.key;
        let place = Place { file: "cluster".into(), line: 0 };
        let finding = Finding::new(self.effect.rule(), place, &self.message);
        Finding { object: Some(format!("TemporaryCredential {namespace}/{name}")), ..finding }
    }
}

/// The resources for which the decision of the grants changes.
pub fn changes(resources: &[TemporaryCredential], before: &Grants, after: &Grants) -> Vec<Change> {
    let outcome = |resource: &TemporaryCredential, grants| {
        decide(&Desired::compile(resource, grants)?, resource)
    };
    let change = |resource: &TemporaryCredential| {
        let (effect, message) = effect(&outcome(resource, before)?, &outcome(resource, after)?)?;
        Some(Change { key: Key::of(&resource.metadata), effect, message })
    };
    resources.iter().filter_map(change).collect()
}

fn effect(before: &Outcome, after: &Outcome) -> Option<(Effect, String)> {
    match (before, after) {
        (Outcome::Allowed { calls: old, .. }, Outcome::Allowed { calls: new, .. }) => {
            let differences: Vec<_> =
                old.iter().zip(new).flat_map(|(old, new)| differences(old, new)).collect();
            (!differences.is_empty()).then(|| (Effect::Constrained, differences.join("; ")))
        }
        (Outcome::Allowed { .. }, Outcome::Denied { problem, grants }) => {
            let effect = if grants.is_empty() { Effect::Revoked } else { Effect::Rejected };
            let by = if grants.is_empty() {
                String::new()
            } else {
                format!(" (RoleGrants: {})", grants.join(", "))
            };
            Some((effect, format!("{}: {}{by}", problem.reason, problem.message)))
        }
        (Outcome::Denied { problem, .. }, Outcome::Allowed { grants, .. }) => {
            let message = format!("{} now, and allowed by {}", problem.reason, grants.join(", "));
            Some((Effect::NowAllowed, message))
        }
        (Outcome::Denied { .. }, Outcome::Denied { .. }) => None,
    }
}

/// What differs between two calls for one role.
fn differences(old: &AllowedCall, new: &AllowedCall) -> Vec<String> {
    let mut found = Vec::new();
    let role = &new.role;
    let mut compare = |what: &str, old: Option<&String>, new: Option<&String>| {
        if old != new {
            let show = |value: Option<&String>| value.cloned().unwrap_or_else(|| "none".to_owned());
            found.push(format!("{what} for {role}: {} → {}", show(old), show(new)));
        }
    };
    compare("duration", old.duration.as_ref(), new.duration.as_ref());
    compare("external ID", old.external_id.as_ref(), new.external_id.as_ref());
    compare("source identity", old.source_identity.as_ref(), new.source_identity.as_ref());
    let keys: std::collections::BTreeSet<_> = old.tags.keys().chain(new.tags.keys()).collect();
    for key in keys {
        compare(&format!("tag {key}"), old.tags.get(key), new.tags.get(key));
    }
    let list = |items: Vec<&String>| {
        let items: Vec<_> = items.into_iter().map(String::as_str).collect();
        (!items.is_empty()).then(|| items.join(", "))
    };
    let transitive = [old, new].map(|call| list(call.transitive.iter().collect()));
    compare("transitive tags", transitive[0].as_ref(), transitive[1].as_ref());
    let policies = [old, new].map(|call| list(call.policy_arns.iter().collect()));
    compare("boundary", policies[0].as_ref(), policies[1].as_ref());
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::check::grants::{Namespaces, compile};
    use serde_json::{Value, json};
    use tempcred_core::api::StoredGrant;

    fn grant(name: &str, more: Value) -> StoredGrant {
        let mut spec = json!({
            "namespaces": {"names": ["n"]}, "roleArns": ["arn:aws:iam::123456789012:role/*"],
        });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap()
    }

    #[test]
    fn a_change_is_reported_by_what_it_does() {
        let namespaces: Namespaces = [("n".to_owned(), <_>::default())].into();
        let resource = |duration: Option<&str>| -> TemporaryCredential {
            serde_json::from_value(json!({
                "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
                "metadata": {"name": "a", "namespace": "n"},
                "spec": {"assumeRole": {"roleArn": "arn:aws:iam::123456789012:role/r", "duration": duration}},
            }))
            .unwrap()
        };
        let old = [grant("g", json!({}))];
        let nothing: [StoredGrant; 0] = [];
        let other = json!({"roleArns": ["arn:aws:iam::123456789012:role/other"]});
        let capped = || [grant("g", json!({"maxDuration": "30m"}))];
        for (row, before, after, duration, expected) in [
            ("the same", &old[..], &old[..], None, None),
            (
                "narrowed",
                &old,
                &[grant("g", other)],
                None,
                Some((Effect::Revoked, "No RoleGrant allows")),
            ),
            ("capped", &old, &capped(), Some("1h"), Some((Effect::Rejected, "(RoleGrants: g)"))),
            (
                "capped without a duration",
                &old,
                &capped(),
                None,
                Some((Effect::Constrained, "1h → 30m")),
            ),
            (
                "a tag",
                &old,
                &[grant("g", json!({"session": {"tags": {"team": "a"}}}))],
                None,
                Some((
                    Effect::Constrained,
                    "tag team for arn:aws:iam::123456789012:role/r: none → a",
                )),
            ),
            ("new", &nothing, &old, None, Some((Effect::NowAllowed, "allowed by g"))),
            ("still denied", &nothing, &nothing, None, None),
        ] {
            let resources = [resource(duration)];
            let (before, after) =
                (compile("", before, &namespaces), compile("", after, &namespaces));
            let found = changes(&resources, &before, &after);
            let seen = found.first().map(|change| (change.effect, change.message.as_str()));
            match (seen, expected) {
                (None, None) => {}
                (Some((effect, message)), Some((expected, text))) => {
                    assert_eq!(effect, expected, "{row}: {message}");
                    assert!(message.contains(text), "{row}: {message}");
                }
                other => panic!("{row}: {other:?}"),
            }
        }
    }
}
