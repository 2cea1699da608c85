//! Asks the API server whether the user has every permission that the operator needs.

use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};

use super::request::{Failed, bounded};
use crate::cluster::{Feature, RIGHTS, Right, Scope};
use crate::commands::doctor::args::Doctor;
use crate::commands::doctor::check::{Check, Finding};
use crate::commands::doctor::list::some_of;

/// Reviews at the same time.
const AT_ONCE: usize = 8;

/// A permission in one place.
#[derive(Clone, Debug)]
pub struct Question {
    right: &'static Right,
    verb: &'static str,
    /// `None` for a cluster-scoped resource, and for all namespaces.
    namespace: Option<String>,
    /// The object. `None` for all.
    name: Option<String>,
}

/// A question, and whether the user has the permission.
pub type Answer = (Question, Result<bool, Failed>);

/// Every permission that the operator needs with these flags, in its own namespace `own`.
pub fn questions(args: &Doctor, own: &str) -> Vec<Question> {
    let enabled = RIGHTS.iter().filter(|right| match right.feature {
        // Whether they are needed depends on the resources.
        Feature::Base | Feature::ServiceAccountTokens | Feature::WorkloadRestarts => true,
        Feature::LeaderElection => args.leader_elect,
        Feature::MetricsAuth => args.metrics_auth,
    });
    let of = |right: &'static Right| {
        let places = places(args, own, right.scope).into_iter();
        places.flat_map(move |(namespace, name)| {
            right.verbs.iter().copied().map(move |verb| Question {
                right,
                verb,
                namespace: namespace.clone(),
                name: name.clone(),
            })
        })
    };
    enabled.flat_map(of).collect()
}

/// Namespace and name of each place.
fn places(args: &Doctor, own: &str, scope: Scope) -> Vec<(Option<String>, Option<String>)> {
    let served = || args.namespaces.iter().cloned().map(Some);
    match scope {
        Scope::Served if args.namespaces.is_empty() => vec![(None, None)],
        Scope::Served => served().map(|namespace| (namespace, None)).collect(),
        Scope::ServedNamespaces if args.namespaces.is_empty() => vec![(None, None)],
        Scope::ServedNamespaces => served().map(|name| (None, name)).collect(),
        Scope::Cluster => vec![(None, None)],
        Scope::Named(name) => vec![(None, Some(name.to_owned()))],
        Scope::Own => vec![(Some(own.to_owned()), None)],
        Scope::Lease => vec![(Some(own.to_owned()), Some(args.lease_name.clone()))],
    }
}

/// Asks the API server, with a review for each question.
pub async fn ask(client: &Client, questions: Vec<Question>) -> Vec<Answer> {
    let api = Api::<SelfSubjectAccessReview>::all(client.clone());
    let ask = |question: Question| {
        let api = api.clone();
        async move {
            let review = review(&question);
            let reply = bounded(api.create(&PostParams::default(), &review)).await;
            let status = reply.map(|reply| reply.status.unwrap_or_default());
            (question, status.map(|status| status.allowed && status.denied != Some(true)))
        }
    };
    stream::iter(questions).map(ask).buffered(AT_ONCE).collect().await
}

fn review(question: &Question) -> SelfSubjectAccessReview {
    let Question { right, verb, namespace, name } = question;
    let (resource, subresource) = match right.resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (right.resource, None),
    };
    let attributes = ResourceAttributes {
        group: Some(right.group.to_owned()),
        resource: Some(resource.to_owned()),
        subresource,
        verb: Some((*verb).to_owned()),
        namespace: namespace.clone(),
        name: name.clone(),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec {
        resource_attributes: Some(attributes),
        ..SelfSubjectAccessReviewSpec::default()
    };
    SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() }
}

/// Whether a feature is allowed in at least one of the served namespaces. The other permissions of a feature may belong
/// to another one as well.
pub fn is_enabled(answers: &[Answer], feature: Feature) -> bool {
    answers.iter().any(|(question, allowed)| {
        let Right { scope, feature: of, .. } = question.right;
        *of == feature && *scope == Scope::Served && *allowed == Ok(true)
    })
}

/// Judges the permissions of a user.
pub fn judge(user: &str, answers: &[Answer]) -> Vec<Finding> {
    let check = Check::Rbac;
    let off = |feature| {
        matches!(feature, Feature::ServiceAccountTokens | Feature::WorkloadRestarts)
            && !is_enabled(answers, feature)
    };
    let needed: Vec<_> = answers.iter().filter(|(q, _)| !off(q.right.feature)).collect();
    let mut findings = Vec::new();
    let unanswered: Vec<_> =
        needed.iter().filter_map(|(_, allowed)| allowed.as_ref().err()).collect();
    if let Some(Failed { why, .. }) = unanswered.first() {
        findings.push(Finding::warning(
            check,
            format!("{} of {} permissions could not be checked: {why}.", unanswered.len(), needed.len()),
            "Check that the user may create SelfSubjectAccessReviews (ClusterRole system:basic-user).",
        ));
    }
    let denied: Vec<_> = needed.iter().filter(|(_, allowed)| *allowed == Ok(false)).collect();
    if denied.is_empty() && findings.is_empty() {
        let all = format!("{user} has all {} permissions that the operator needs.", needed.len());
        return vec![Finding::ok(check, all)];
    }
    let features: BTreeSet<_> = denied.iter().map(|(q, _)| q.right.feature).collect();
    for feature in features {
        let of_feature: Vec<_> =
            denied.iter().map(|(q, _)| q).filter(|q| q.right.feature == feature).collect();
        let value = feature.chart_value();
        findings.push(Finding::problem(
            check,
            format!("{user} may not {}.", in_words(&of_feature)),
            format!("Upgrade the release with {value}: true, or allow it in a role of your own (docs/install.md lists the permissions)."),
        ));
    }
    findings
}

/// `get, list secrets in a, b; patch temporarycredentials/status in all namespaces`.
fn in_words(denied: &[&Question]) -> String {
    // Verbs of one resource in one place, then places with the same verbs.
    let mut verbs: Vec<(&Right, String, Vec<&str>)> = Vec::new();
    for question in denied {
        let place = place(question);
        match verbs.iter_mut().find(|(right, at, _)| *right == question.right && *at == place) {
            Some((_, _, verbs)) => verbs.push(question.verb),
            None => verbs.push((question.right, place, vec![question.verb])),
        }
    }
    let mut places: Vec<(&Right, Vec<&str>, Vec<String>)> = Vec::new();
    for (right, place, verbs) in verbs {
        match places.iter_mut().find(|(other, same, _)| *other == right && *same == verbs) {
            Some((_, _, places)) => places.push(place),
            None => places.push((right, verbs, vec![place])),
        }
    }
    let phrase = |(right, verbs, places): &(&Right, Vec<&str>, Vec<String>)| {
        format!("{} {} in {}", verbs.join(", "), right.resource, some_of(places))
    };
    places.iter().map(phrase).collect::<Vec<_>>().join("; ")
}

fn place(question: &Question) -> String {
    let Question { right, namespace, name, .. } = question;
    match (right.scope, namespace, name) {
        (Scope::Served, None, _) => "all namespaces".to_owned(),
        (_, Some(namespace), Some(name)) => format!("namespace {namespace} (object {name})"),
        (_, Some(namespace), None) => format!("namespace {namespace}"),
        (_, None, Some(name)) => format!("the cluster (object {name})"),
        (_, None, None) => "the cluster".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::Level;

    fn asked(flags: &[&str]) -> Vec<Question> {
        questions(&Doctor::of(flags), "own")
    }

    /// Answers to the questions with these flags, of which these are denied.
    fn answers(flags: &[&str], denied: impl Fn(&Question) -> bool) -> Vec<Answer> {
        let answer = |question: Question| {
            let allowed = !denied(&question);
            (question, Ok(allowed))
        };
        asked(flags).into_iter().map(answer).collect()
    }

    fn is(question: &Question, verb: &str, resource: &str) -> bool {
        question.verb == verb && question.right.resource == resource
    }

    #[test]
    fn the_flags_decide_what_is_asked_and_where() {
        let base = asked(&[]);
        assert!(base.iter().all(|q| q.namespace.is_none()));
        let all = asked(&["--leader-elect", "--metrics-auth", "--lease-name", "l"]);
        assert_eq!(all.len(), base.len() + 3 + 2);
        let lease = all.iter().find(|q| is(q, "patch", "leases")).unwrap();
        assert_eq!((lease.namespace.as_deref(), lease.name.as_deref()), (Some("own"), Some("l")));
        let some = asked(&["--namespaces", "a,b"]);
        let place = |q: &Question| (q.namespace.clone(), q.name.clone());
        let of = |verb, resource| {
            some.iter().filter(|q| is(q, verb, resource)).map(place).collect::<Vec<_>>()
        };
        let named = |name: &str| Some(name.to_owned());
        assert_eq!(of("get", "secrets"), [(named("a"), None), (named("b"), None)]);
        assert_eq!(of("list", "namespaces"), [(None, named("a")), (None, named("b"))]);
        assert_eq!(of("list", "rolegrants"), [(None, None)]);
        let crd = "rolegrants.tempcred.dev";
        assert_eq!(of("get", "customresourcedefinitions"), [(None, named(crd))]);
    }

    #[test]
    fn what_is_denied_is_named_with_the_value_that_allows_it() {
        let all = judge("operator", &answers(&["--leader-elect"], |_| false));
        assert_eq!((all.len(), all[0].level), (1, Level::Ok));
        let secrets = |q: &Question| is(q, "get", "secrets") || is(q, "delete", "secrets");
        let found = judge("operator", &answers(&["--namespaces", "a,b"], secrets));
        assert_eq!((found.len(), found[0].level), (1, Level::Problem));
        assert_eq!(
            found[0].message,
            "operator may not get, delete secrets in namespace a, namespace b."
        );
        assert!(found[0].advice.as_ref().unwrap().contains("rbac.create: true"));
        let lease = |q: &Question| is(q, "patch", "leases") || is(q, "patch", "rolegrants/status");
        let found = judge("operator", &answers(&["--leader-elect"], lease));
        assert_eq!(found[0].message, "operator may not patch rolegrants/status in the cluster.");
        assert_eq!(
            found[1].message,
            "operator may not patch leases in namespace own (object tempcred)."
        );
        assert!(found[1].advice.as_ref().unwrap().contains("settings.leaderElect: true"));
    }

    #[test]
    fn a_feature_that_is_off_needs_nothing_and_half_a_feature_is_a_problem() {
        let of = |feature| move |q: &Question| q.right.feature == feature;
        let found = judge("operator", &answers(&[], of(Feature::WorkloadRestarts)));
        assert_eq!((found.len(), found[0].level), (1, Level::Ok));
        // tokenreviews may be allowed for the metrics.
        let tokens = |q: &Question| q.right.resource == "serviceaccounts/token";
        assert_eq!(judge("operator", &answers(&[], tokens))[0].level, Level::Ok);
        let half = |q: &Question| is(q, "patch", "daemonsets");
        let found = judge("operator", &answers(&[], half));
        assert_eq!(found[0].message, "operator may not patch daemonsets in all namespaces.");
        assert!(found[0].advice.as_ref().unwrap().contains("features.workloadRestarts: true"));
    }

    #[test]
    fn without_answers_nothing_is_claimed() {
        let failed = || Err(Failed { code: Some(403), why: "HTTP 403: no".to_owned() });
        let answers: Vec<_> = asked(&[]).into_iter().map(|q| (q, failed())).collect();
        let found = judge("operator", &answers);
        assert_eq!((found.len(), found[0].level), (1, Level::Warning));
        assert!(found[0].message.contains("could not be checked: HTTP 403: no."), "{found:?}");
    }
}
