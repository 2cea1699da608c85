//! Tests of chains.

use super::*;

/// A chain through these hops.
fn through(hops: &[&str], more: Value) -> Value {
    let hops: Vec<_> = hops.iter().map(|hop| json!({"roleArn": arn(hop)})).collect();
    let mut request = request(json!({"via": hops}));
    merge(&mut request, more);
    request
}

#[test]
fn each_hop_takes_its_parameters_from_the_grants_for_its_role() {
    let specs = [
        grant(
            "hub",
            json!({
                "maxDuration": "15m",
                "session": {"externalId": "of-hub", "policyArns": [ADMIN], "tags": {"hub": "x"}, "sourceIdentity": "{{ name }}"},
            }),
        ),
        grant("spoke", json!({"session": {"tags": {"stage": "prod"}, "transitive": false}})),
        grant(
            "reports",
            json!({"session": {
                "externalId": "of-reports", "policyArns": [READ_ONLY], "tenantMaySet": ["tags/app", "tags/hub"],
                "tags": {"hub": "x", "stage": "prod"}, "sourceIdentity": "reports",
            }}),
        ),
        constraint(json!({"session": {"attribution": true}})),
    ];
    let own = json!({"tags": {"app": "x", "Hub": "x"}, "transitiveTagKeys": ["app", "Hub"]});
    insta::assert_debug_snapshot!(granted(&specs, through(&["hub", "spoke"], own)));
}

#[test]
fn a_value_that_is_set_once_cannot_change_in_a_chain() {
    let tag = |value: &str, transitive: bool| json!({"session": {"tags": {"team": value}, "transitive": transitive}});
    let source = |value: &str| json!({"session": {"sourceIdentity": value}});
    for (row, hub, last, field) in [
        ("a tag", tag("a", true), tag("b", true), Some("the tag team")),
        ("a tag that is not transitive", tag("a", false), tag("b", false), Some("the tag team")),
        ("the same tag", tag("a", true), tag("a", false), None),
        ("a source identity", source("ab"), source("cd"), Some("the source identity")),
        ("the same source identity", source("ab"), source("ab"), None),
    ] {
        let specs = [grant("hub", hub), grant("reports", last)];
        match (decide(&specs, through(&["hub"], json!({}))), field) {
            (Permission::Granted { .. }, None) => {}
            (Permission::Denied(denial), Some(field)) => {
                assert_eq!(denial.problem.reason, Reason::GrantConflict, "{row}");
                assert!(denial.problem.message.contains(field), "{row}: {denial:?}");
                assert_eq!(denial.grants.len(), 2, "{row}: both");
            }
            (other, _) => panic!("{row}: {other:?}"),
        }
    }
}

#[test]
fn what_a_session_inherits_cannot_be_changed_by_the_resource() {
    let hub = |transitive: bool| {
        let session =
            json!({"tags": {"team": "a"}, "sourceIdentity": "ab", "transitive": transitive});
        grant("hub", json!({"session": session}))
    };
    let may = |fields: &[&str]| grant("reports", json!({"session": {"tenantMaySet": fields}}));
    let tag = |value: &str| json!({"tags": {"TEAM": value}});
    let all = &["tags", "sourceIdentity"][..];
    for (row, transitive, allowed, own, is_granted) in [
        ("another tag", true, all, tag("b"), false),
        ("the inherited tag", true, &[][..], tag("a"), true),
        ("the tag of a hop", false, &[], tag("a"), false),
        ("the tag of a hop, if allowed", false, all, tag("a"), true),
        ("another value than a hop", false, all, tag("b"), false),
        ("another source identity", true, all, json!({"sourceIdentity": "cd"}), false),
        ("the inherited source identity", true, &[], json!({"sourceIdentity": "ab"}), true),
    ] {
        let permission = decide(&[hub(transitive), may(allowed)], through(&["hub"], own));
        let Permission::Granted { parameters, .. } = &permission else {
            assert!(!is_granted, "{row}: {permission:?}");
            continue;
        };
        assert!(is_granted, "{row}: {permission:?}");
        let last = &parameters[1];
        assert_eq!(last.source_identity, None, "{row}: is inherited");
        assert_eq!(last.tags.is_empty(), transitive, "{row}: {last:?}");
    }
}

#[test]
fn the_names_of_a_hop_need_permission_for_its_role() {
    let may = |role: &str| {
        grant(role, json!({"session": {"tenantMaySet": ["externalId", "sessionName"]}}))
    };
    let chosen =
        json!({"via": [{"roleArn": arn("hub"), "externalId": "mine", "sessionName": "me"}]});
    let (reason, message, grants) =
        denied(&[grant("hub", json!({})), may("reports")], request(chosen.clone()));
    assert_eq!((reason, grants), (Reason::NotGranted, vec!["g0".to_owned()]));
    for says in [arn("hub").as_str(), "remove externalId", "remove sessionName"] {
        assert!(message.contains(says), "{message}");
    }
    let parameters = granted(&[may("hub"), grant("reports", json!({}))], request(chosen));
    assert_eq!(parameters[0].external_id.as_deref(), Some("mine"));
    assert_eq!(parameters[1].external_id, None);
}

#[test]
fn a_tag_that_becomes_transitive_later_is_inherited_from_there() {
    let tag = |role: &str, transitive: bool| {
        grant(role, json!({"session": {"tags": {"team": "a"}, "transitive": transitive}}))
    };
    let specs = [tag("hub", false), tag("spoke", true), tag("reports", true)];
    let sent = granted(&specs, through(&["hub", "spoke"], json!({})));
    let sent: Vec<_> =
        sent.iter().map(|call| (call.tags.len(), call.transitive_tag_keys.len())).collect();
    assert_eq!(sent, [(1, 0), (1, 1), (0, 0)]);
}

#[test]
fn the_message_about_a_conflict_does_not_depend_on_the_order_of_the_grants() {
    let source = |role: &str, value: &str| {
        grant(role, json!({"session": {"sourceIdentity": value, "tags": {"team": value}}}))
    };
    let mut specs = vec![source("hub", "cd"), source("hub", "ab"), source("reports", "ab")];
    let one = denied(&specs, through(&["hub"], json!({}))).1;
    specs.reverse();
    assert_eq!(one, denied(&specs, through(&["hub"], json!({}))).1);
}
