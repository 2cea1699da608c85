//! Tests of what grants demand and allow, for a single role and for chains.

mod hops;

use super::*;
use crate::grant::{Grants, Permission};
use crate::problem::Reason;
use crate::request::{AssumeRole, StsRequest};
use crate::testing::merge;
use serde_json::{Value, json};

const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const ADMIN: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

fn arn(name: &str) -> String {
    format!("arn:aws:iam::123456789012:role/{name}")
}

/// A grant for all namespaces and this role.
fn grant(role: &str, patch: Value) -> Value {
    let mut spec = json!({"namespaces": {"names": ["*"]}, "roleArns": [arn(role)]});
    merge(&mut spec, patch);
    spec
}

/// A constraint for all namespaces and roles.
fn constraint(patch: Value) -> Value {
    let mut spec = grant("x", patch);
    merge(&mut spec, json!({"mode": "Constrain", "roleArns": ["*"]}));
    spec
}

fn decide(specs: &[Value], request: Value) -> Permission {
    let mut grants = Grants::new("prod".to_owned());
    grants.set_namespace("analytics", &Default::default());
    for (number, spec) in specs.iter().enumerate() {
        let stored = json!({"metadata": {"name": format!("g{number}")}, "spec": spec});
        grants.set(&serde_json::from_value(stored).unwrap());
    }
    let spec: AssumeRole = serde_json::from_value(request).unwrap();
    let request = StsRequest::new(&spec, "tempcred-analytics.reports");
    let request: crate::request::assume_role::Request = request.unwrap();
    grants.decide("analytics", "reports", &request.requested_roles())
}

/// The parameters of each call.
fn granted(specs: &[Value], request: Value) -> Vec<SessionParameters> {
    match decide(specs, request) {
        Permission::Granted { parameters, .. } => parameters,
        other => panic!("{other:?}"),
    }
}

/// Reason, message and rejecting grants.
fn denied(specs: &[Value], request: Value) -> (Reason, String, Vec<String>) {
    match decide(specs, request) {
        Permission::Denied(Denial { problem, grants }) => {
            (problem.reason, problem.message, grants.iter().map(ToString::to_string).collect())
        }
        other => panic!("{other:?}"),
    }
}

fn request(more: Value) -> Value {
    let mut request = json!({"roleArn": arn("reports")});
    merge(&mut request, more);
    request
}

#[test]
fn a_resource_sets_only_what_equals_the_demands_or_is_allowed() {
    let session = |session: Value| json!({"session": session});
    let may = |fields: &[&str]| session(json!({"tenantMaySet": fields}));
    let fixed = session(json!({"externalId": "{{ cluster }}/{{ namespace }}"}));
    let tagged = session(json!({"tags": {"team": "{{ namespace }}"}}));
    let bound = session(json!({"policyArns": [READ_ONLY]}));
    let bounds = session(json!({"policyArns": [READ_ONLY, ADMIN]}));
    let sourced = session(json!({"sourceIdentity": "{{ namespace }}.{{ name }}"}));
    let tags = |key: &str, value: &str| json!({"tags": {key: value}});
    let default_name = json!({"sessionName": "tempcred-analytics.reports"});
    let rows: [(&str, Value, Value, Option<&str>); 39] = [
        ("nothing", json!({}), json!({}), None),
        (
            "an external ID",
            json!({}),
            json!({"externalId": "mine"}),
            Some("remove externalId, or ask"),
        ),
        ("an allowed one", may(&["externalId"]), json!({"externalId": "mine"}), None),
        (
            "another choice is allowed",
            may(&["tags"]),
            json!({"externalId": "mine"}),
            Some("externalId"),
        ),
        ("the enforced one", fixed.clone(), json!({"externalId": "prod/analytics"}), None),
        (
            "another one",
            fixed.clone(),
            json!({"externalId": "prod/web"}),
            Some("remove externalId"),
        ),
        ("in another case", fixed, json!({"externalId": "Prod/analytics"}), Some("externalId")),
        ("a session name", json!({}), json!({"sessionName": "web"}), Some("remove sessionName")),
        ("an allowed session name", may(&["sessionName"]), json!({"sessionName": "web"}), None),
        ("the default session name", json!({}), default_name, None),
        (
            "a source identity",
            json!({}),
            json!({"sourceIdentity": "me"}),
            Some("remove sourceIdentity"),
        ),
        ("an allowed one", may(&["sourceIdentity"]), json!({"sourceIdentity": "me"}), None),
        ("the enforced one", sourced.clone(), json!({"sourceIdentity": "analytics.reports"}), None),
        ("another one", sourced, json!({"sourceIdentity": "me"}), Some("remove sourceIdentity")),
        ("a tag", json!({}), tags("app", "x"), Some("remove app from tags, or ask")),
        ("any tag is allowed", may(&["tags"]), tags("app", "x"), None),
        ("this tag is allowed", may(&["tags/app"]), tags("app", "x"), None),
        ("in another case", may(&["tags/App"]), tags("aPP", "x"), None),
        ("another tag is allowed", may(&["tags/apps"]), tags("app", "x"), Some("tags/app in")),
        ("the enforced tag", tagged.clone(), tags("team", "analytics"), None),
        ("in another case", tagged.clone(), tags("TEAM", "analytics"), None),
        ("another value", tagged.clone(), tags("team", "web"), Some("the grants set the tag team")),
        (
            "another value in another case",
            tagged,
            tags("TeaM", "web"),
            Some("remove TeaM from tags"),
        ),
        (
            "a long s for an s",
            session(json!({"tags": {"stage": "x"}, "tenantMaySet": ["tags"]})),
            tags("\u{17f}tage", "y"),
            Some("the grants set the tag stage"),
        ),
        ("a policy", json!({}), json!({"policy": "{}"}), None),
        ("policies", json!({}), json!({"policyArns": [ADMIN]}), None),
        ("a boundary", bound.clone(), json!({}), None),
        ("the same policy", bound.clone(), json!({"policyArns": [READ_ONLY]}), None),
        ("an inline policy", bound.clone(), json!({"policy": "{}"}), Some("none of its own")),
        (
            "a part of the boundary",
            bounds.clone(),
            json!({"policyArns": [READ_ONLY]}),
            Some("remove policy"),
        ),
        ("the boundary in another order", bounds, json!({"policyArns": [ADMIN, READ_ONLY]}), None),
        ("another policy", bound, json!({"policyArns": [READ_ONLY, ADMIN]}), Some("remove policy")),
        ("short enough", json!({"maxDuration": "2h"}), json!({"duration": "2h"}), None),
        ("too long", json!({"maxDuration": "2h"}), json!({"duration": "121m"}), Some("at most 2h")),
        ("no limit", json!({}), json!({"duration": "12h"}), None),
        (
            "a long value",
            session(json!({"tags": {"a": "x".repeat(257)}})),
            json!({}),
            Some("257 characters"),
        ),
        (
            "a short value",
            session(json!({"externalId": "x"})),
            json!({}),
            Some("would have 1 characters"),
        ),
        (
            "other characters",
            session(json!({"sourceIdentity": "a;b"})),
            json!({}),
            Some("characters that STS"),
        ),
        (
            "other characters in a tag",
            session(json!({"tags": {"a": "\u{7}"}})),
            json!({}),
            Some("the tag a"),
        ),
    ];
    for (row, patch, more, says) in rows {
        let specs = [grant("reports", patch)];
        match (decide(&specs, request(more)), says) {
            (Permission::Granted { .. }, None) => {}
            (Permission::Denied(Denial { problem, grants }), Some(says)) => {
                assert_eq!(problem.reason, Reason::NotGranted, "{row}");
                assert!(problem.message.contains(says), "{row}: {}", problem.message);
                assert_eq!(grants.len(), 1, "{row}");
            }
            (other, _) => panic!("{row}: {other:?}"),
        }
    }
}

#[test]
fn the_strictest_demand_of_all_grants_applies() {
    let specs = [
        grant("reports", json!({"maxDuration": "2h", "session": {"tags": {"Team": "a"}}})),
        grant("*", json!({"maxDuration": "4h", "session": {"externalId": "fixed"}})),
        constraint(json!({"maxDuration": "30m", "session": {
            "attribution": true, "tags": {"team": "a"}, "transitive": false, "sourceIdentity": "of-{{ name }}",
        }})),
        grant("reports", json!({"session": {"policyArns": [READ_ONLY, ADMIN]}})),
        constraint(json!({"session": {"policyArns": [ADMIN, READ_ONLY, ADMIN]}})),
    ];
    insta::assert_debug_snapshot!(granted(&specs, request(json!({}))));
    let (reason, message, grants) = denied(&specs, request(json!({"duration": "1h"})));
    assert_eq!((reason, grants), (Reason::NotGranted, vec!["g2".to_owned()]));
    assert!(message.contains("at most 30m, but the resource requests 1h"), "{message}");
}

#[test]
fn a_duration_that_the_resource_does_not_set_is_one_hour_or_the_limit() {
    for (limit, expected) in [(json!(null), 3600), (json!("2h"), 3600), (json!("30m"), 1800)] {
        let specs = [grant("reports", json!({"maxDuration": limit}))];
        let duration = granted(&specs, request(json!({})))[0].duration;
        assert_eq!(duration, Some(Duration::from_secs(expected)));
    }
}

#[test]
fn a_constraint_alone_allows_nothing_and_has_a_say_only_if_it_sets_one() {
    let baseline = constraint(json!({"session": {"tags": {"team": "a"}}}));
    let (reason, message, grants) = denied(std::slice::from_ref(&baseline), request(json!({})));
    assert_eq!((reason, grants), (Reason::NotGranted, vec![]));
    assert!(message.starts_with("No RoleGrant allows namespace analytics to use"), "{message}");

    let may = |fields: Value| json!({"session": {"tenantMaySet": fields}});
    let own = request(json!({"tags": {"app": "x"}}));
    let open = grant("reports", may(json!(["tags"])));
    for (row, other, is_granted) in [
        ("a constraint without a say", baseline, true),
        ("a constraint that allows nothing", constraint(may(json!([]))), false),
        ("a constraint that allows it", constraint(may(json!(["tags/app"]))), true),
        ("a constraint that allows another", constraint(may(json!(["tags/b"]))), false),
        ("a grant that allows nothing", grant("reports", json!({})), false),
        ("a grant that allows it", grant("*", may(json!(["tags/APP"]))), true),
        ("a grant for another role", grant("x", json!({})), true),
    ] {
        let permission = decide(&[open.clone(), other], own.clone());
        assert_eq!(matches!(permission, Permission::Granted { .. }), is_granted, "{row}");
    }
}

#[test]
fn grants_that_demand_different_values_conflict() {
    let tag = |key: &str, value: &str| json!({"session": {"tags": {key: value}}});
    for (field, one, other) in [
        ("the tag TEAM", tag("team", "a"), tag("TEAM", "b")),
        (
            "the external ID",
            json!({"session": {"externalId": "ab"}}),
            json!({"session": {"externalId": "{{ name }}"}}),
        ),
        (
            "the source identity",
            json!({"session": {"sourceIdentity": "ab"}}),
            json!({"session": {"sourceIdentity": "cd"}}),
        ),
        (
            "the boundary (session.policyArns)",
            json!({"session": {"policyArns": [READ_ONLY]}}),
            json!({"session": {"policyArns": [READ_ONLY, ADMIN]}}),
        ),
    ] {
        let specs = [
            grant("reports", one.clone()),
            constraint(other),
            constraint(one),
            constraint(json!({})),
            grant("x", json!({})),
        ];
        let (reason, message, grants) = denied(&specs, request(json!({"externalId": "other"})));
        assert_eq!(reason, Reason::GrantConflict, "{field}");
        let role = arn("reports");
        let says = format!(
            "The RoleGrants for namespace analytics and {role} demand different values of {field}. Ask"
        );
        assert!(message.starts_with(&says), "{message}");
        assert_eq!(grants, ["g0", "g1", "g2"], "{field}");
        assert!(!message.contains("g0"), "{message}");
    }
}

#[test]
fn an_invalid_grant_blocks_what_it_matches() {
    let good = grant("*", json!({}));
    let unknown = |role: &str| grant(role, json!({"maxSessions": 1}));
    let (reason, message, grants) =
        denied(&[good.clone(), unknown("reports")], request(json!({"externalId": "other"})));
    assert_eq!((reason, grants), (Reason::GrantInvalid, vec!["g1".to_owned()]));
    assert!(!message.contains("g1") && message.contains("kubectl get rolegrants"), "{message}");
    granted(&[good.clone(), unknown("x")], request(json!({})));
    let hop = request(json!({"via": [{"roleArn": arn("x")}]}));
    assert_eq!(denied(&[good.clone(), unknown("x")], hop).0, Reason::GrantInvalid);
    for unreadable in [json!(null), json!({"namespaces": 1, "roleArns": 1})] {
        let (reason, ..) = denied(&[good.clone(), unreadable], request(json!({})));
        assert_eq!(reason, Reason::GrantInvalid);
    }
}

#[test]
fn tags_of_the_grants_and_of_the_resource_count_together() {
    let tags = |prefix: &str, count: usize| -> Value {
        let tags = (0..count).map(|n| (format!("{prefix}{n}"), json!("x")));
        tags.collect::<serde_json::Map<_, _>>().into()
    };
    for (own, accepted) in [(10, true), (44, true), (45, false)] {
        let specs = [
            grant("reports", json!({"session": {"tags": tags("a", 4), "tenantMaySet": ["tags"]}})),
            grant("hub", json!({"session": {"tags": tags("b", 2)}})),
        ];
        let request = request(json!({"tags": tags("own", own), "via": [{"roleArn": arn("hub")}]}));
        let is_granted = matches!(decide(&specs, request), Permission::Granted { .. });
        assert_eq!(is_granted, accepted, "{own}");
    }
}

#[test]
fn a_resource_makes_a_tag_of_the_grants_transitive_only_if_that_is_allowed() {
    let own = json!({"tags": {"TEAM": "a"}, "transitiveTagKeys": ["TEAM"]});
    for (row, transitive, allowed, sent) in [
        ("not allowed", false, json!([]), None),
        ("another tag is allowed", false, json!(["tags/app"]), None),
        ("allowed", false, json!(["tags/team"]), Some(1)),
        ("transitive by the grant", true, json!([]), Some(1)),
    ] {
        let session =
            json!({"tags": {"team": "a"}, "transitive": transitive, "tenantMaySet": allowed});
        let specs = [grant("reports", json!({"session": session}))];
        match (decide(&specs, request(own.clone())), sent) {
            (Permission::Granted { parameters, .. }, Some(sent)) => {
                assert_eq!(parameters[0].transitive_tag_keys.len(), sent, "{row}");
            }
            (Permission::Denied(Denial { problem, .. }), None) => {
                assert_eq!(problem.reason, Reason::NotGranted, "{row}");
                let says = "remove TEAM from transitiveTagKeys, or ask";
                assert!(problem.message.contains(says), "{row}: {}", problem.message);
            }
            (other, _) => panic!("{row}: {other:?}"),
        }
    }
}
