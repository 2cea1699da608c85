//! Tests of all grants together, and of the index.

use super::*;
use crate::request::arn::RoleArn;
use proptest::prelude::*;
use serde_json::{Value, json};

fn resource(name: &str, generation: i64, spec: Value) -> StoredGrant {
    serde_json::from_value(json!({
        "metadata": {"name": name, "uid": name, "generation": generation}, "spec": spec,
    }))
    .unwrap()
}

fn spec(namespace: &str, role: &str) -> Value {
    json!({
        "namespaces": {"names": [namespace]},
        "roleArns": [format!("arn:aws:iam::123456789012:role/{role}")],
    })
}

fn role(name: &str) -> RoleArn {
    RoleArn::try_from(format!("arn:aws:iam::123456789012:role/{name}").as_str()).unwrap()
}

fn labels(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn decide(grants: &Grants, namespace: &str, roles: &[&str]) -> Permission {
    let roles: Vec<RoleArn> = roles.iter().map(|name| role(name)).collect();
    grants.decide(namespace, "reports", &roles.iter().map(RequestedRole::hop).collect::<Vec<_>>())
}

fn granted_by(permission: &Permission) -> Vec<String> {
    match permission {
        Permission::Granted { grants, .. } => grants.iter().map(ToString::to_string).collect(),
        Permission::Denied(_) => vec!["-".to_owned()],
        Permission::Unknown | Permission::NotNeeded => vec!["?".to_owned()],
    }
}

#[test]
fn every_role_needs_a_grant_and_all_that_match_are_used() {
    let mut grants = Grants::default();
    for (name, spec) in [
        ("b-reports", spec("analytics", "reports-*")),
        ("a-reports", spec("analytics", "reports-x")),
        ("hub", spec("*", "hub")),
        ("others", spec("web", "secret-*")),
    ] {
        grants.set(&resource(name, 1, spec));
    }
    assert_eq!(decide(&grants, "analytics", &["reports-x"]), Permission::Unknown);
    for namespace in ["analytics", "web"] {
        grants.set_namespace(namespace, &labels(&[]));
    }
    for (row, namespace, roles, expected) in [
        ("two allow it", "analytics", &["reports-x"][..], &["a-reports", "b-reports"][..]),
        ("one allows it", "analytics", &["reports-y"], &["b-reports"]),
        ("each role by its own", "analytics", &["hub", "reports-y"], &["b-reports", "hub"]),
        ("a hop that is not granted", "analytics", &["admin", "reports-x"], &["-"]),
        ("granted only to another namespace", "analytics", &["secret-x"], &["-"]),
        ("granted to another namespace", "web", &["secret-x"], &["others"]),
    ] {
        assert_eq!(granted_by(&decide(&grants, namespace, roles)), expected, "{row}");
    }
    let Permission::Denied(Denial { problem, .. }) = decide(&grants, "analytics", &["secret-x"])
    else {
        panic!("granted")
    };
    assert_eq!(problem.reason, Reason::NotGranted);
    assert!(matches!(decide(&grants, "web", &[]), Permission::Denied(_)), "no role requested");
    assert!(!problem.message.contains("others") && !problem.message.contains("web"));
}

#[test]
fn returns_the_namespaces_that_a_change_affects() {
    let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>();
    let mut grants = Grants::default();
    let selecting = json!({
        "namespaces": {"selector": {"matchLabels": {"team": "data"}}},
        "roleArns": ["arn:aws:iam::123456789012:role/x"],
    });
    for name in ["a", "b"] {
        assert!(grants.set_namespace(name, &labels(&[])), "{name} is new");
    }
    assert_eq!(grants.set(&resource("by-name", 1, spec("a", "x"))), set(&["a"]));
    assert_eq!(grants.set(&resource("by-name", 1, spec("a", "x"))), set(&[]), "its status");
    assert_eq!(grants.set(&resource("by-name", 2, spec("b", "x"))), set(&["a", "b"]));
    assert_eq!(grants.set(&resource("by-label", 1, selecting)), set(&[]));
    assert!(grants.set_namespace("a", &labels(&[("team", "data")])));
    assert!(!grants.set_namespace("a", &labels(&[("team", "data")])), "the same again");
    assert!(!grants.set_namespace("a", &labels(&[("team", "data"), ("x", "y")])));
    assert_eq!(granted_by(&decide(&grants, "a", &["x"])), ["by-label"]);
    assert!(grants.set_namespace("a", &labels(&[("team", "web")])));
    assert_eq!(granted_by(&decide(&grants, "a", &["x"])), ["-"]);
    assert_eq!(grants.remove("by-name"), set(&["b"]));
    assert_eq!(grants.remove("by-name"), set(&[]), "it is gone");
}

/// The number of grants that a decision evaluates.
fn evaluated(grants: &Grants, namespace: &str, role_name: &str) -> usize {
    let role = role(role_name);
    grants.candidates(&grants.namespaces[namespace], &RequestedRole::hop(&role)).len()
}

#[test]
fn ten_thousand_decisions_evaluate_as_many_grants_with_a_thousand_as_with_ten() {
    let total = |teams: usize| -> usize {
        let mut grants = Grants::default();
        for n in 0..teams {
            grants.set_namespace(&format!("team-{n}"), &labels(&[]));
            let spec = spec(&format!("team-{n}"), &format!("team-{n}-*"));
            grants.set(&resource(&format!("g{n}"), 1, spec));
        }
        let evaluated = |n: usize| {
            let team = format!("team-{}", n % teams);
            evaluated(&grants, &team, &format!("{team}-{n}"))
        };
        (0..10_000).map(evaluated).sum()
    };
    assert_eq!((total(10), total(1000)), (10_000, 10_000));
}

#[test]
fn the_grants_that_a_decision_evaluates_do_not_grow_with_the_number_of_grants() {
    let by_label = |n: usize| {
        json!({
            "namespaces": {"selector": {"matchLabels": {"team": n.to_string()}}},
            "roleArns": ["arn:aws:iam::123456789012:role/*"],
        })
    };
    type Shape = (&'static str, fn(usize) -> Value);
    let shapes: [Shape; 5] = [
        ("a namespace and a role each", |n| spec(&format!("team-{n}"), &format!("team-{n}-*"))),
        ("a namespace each, any role", |n| spec(&format!("team-{n}"), "*")),
        ("a role each, any namespace", |n| spec("*", &format!("team-{n}-*"))),
        ("one namespace, a role each", |n| spec("team-7", &format!("team-{n}-*"))),
        ("a constraint of all roles each, and one namespace with a role each", |n| match n % 2 {
            0 => {
                json!({"mode": "Constrain", "namespaces": {"names": [format!("team-{n}")]}, "roleArns": ["*"]})
            }
            _ => spec("team-7", &format!("team-{n}-*")),
        }),
    ];
    for many in [10, 200] {
        let fill = |of: &dyn Fn(usize) -> Value| {
            let mut grants = Grants::default();
            for n in 0..many {
                grants.set_namespace(&format!("team-{n}"), &labels(&[("team", &n.to_string())]));
            }
            for n in 0..many {
                grants.set(&resource(&format!("g{n}"), 1, of(n)));
            }
            grants
        };
        for (shape, of) in shapes {
            let grants = fill(&of);
            assert_eq!(granted_by(&decide(&grants, "team-7", &["team-7-x"])), ["g7"], "{shape}");
            assert_eq!(evaluated(&grants, "team-7", "team-7-x"), 1, "{shape}, {many}");
        }
        assert_eq!(evaluated(&fill(&by_label), "team-7", "x"), 1, "by label, {many}");
    }
}

#[test]
fn knows_the_state_of_each_grant_and_whether_it_matches_a_namespace() {
    let mut grants = Grants::default();
    grants.set_namespace("analytics", &labels(&[]));
    grants.set(&resource("good", 3, spec("analytics", "x")));
    grants.set(&resource("elsewhere", 1, spec("web", "x")));
    grants.set(&resource("invalid", 2, json!({"namespaces": {"names": ["*"]}, "roleArns": ["x"]})));
    let state = |name: &str| grants.state(name).map(|(generation, e)| (generation, e.is_some()));
    assert_eq!(state("good"), Some((Some(3), false)));
    assert_eq!(state("invalid"), Some((Some(2), true)));
    assert_eq!(state("unknown"), None);
    let matches = ["good", "invalid", "elsewhere", "unknown"].map(|name| grants.is_for_any(name));
    assert_eq!(matches, [true, true, false, false]);
    let names: Vec<_> = grants.names().map(|name| &**name).collect();
    assert_eq!(names, ["elsewhere", "good", "invalid"]);
}

#[test]
fn a_removed_namespace_is_unknown() {
    let mut grants = Grants::default();
    grants.set_namespace("analytics", &labels(&[]));
    grants.remove_namespace("analytics");
    assert_eq!(decide(&grants, "analytics", &["x"]), Permission::Unknown);
}

proptest! {
    /// Compares the index with a linear search over all grants.
    #[test]
    fn the_index_decides_like_a_linear_search(
        given in prop::collection::vec(("[a-c*?]{1,3}", "[a-c*?]{1,4}(/[a-c*?])?", any::<bool>()), 0..12),
        changed in prop::collection::vec((0..12usize, "[a-c*?]{1,3}", "[a-c*?]{1,4}(/[a-c*?])?"), 0..6),
        namespace in "[a-c]{1,3}", name in "[a-c]{1,2}(/[a-c]{1,2})?",
    ) {
        let mut grants = Grants::default();
        let mut all = BTreeMap::new();
        for (n, (names, role, before)) in given.iter().enumerate() {
            if *before && n == 3 {
                grants.set_namespace(&namespace, &labels(&[]));
            }
            let resource = resource(&format!("g{n}"), 1, spec(names, role));
            grants.set(&resource);
            all.insert(resource.name_any(), resource);
        }
        grants.set_namespace(&namespace, &labels(&[]));
        for (generation, (n, names, role)) in (2..).zip(changed) {
            let resource = resource(&format!("g{n}"), generation, spec(&names, &role));
            grants.set(&resource);
            all.insert(resource.name_any(), resource);
        }
        let role = role(&name);
        let allows = |grant: &StoredGrant| {
            let compiled = CompiledGrant::compile(&grant.spec, "");
            compiled.namespaces.matches(&namespace, &labels(&[])) && compiled.roles.matches(&role)
        };
        let matching: Vec<_> =
            all.iter().filter(|(_, grant)| allows(grant)).map(|(name, _)| name.clone()).collect();
        let decided = granted_by(&grants.decide(&namespace, "x", &[RequestedRole::hop(&role)]));
        prop_assert_eq!(decided, if matching.is_empty() { vec!["-".to_owned()] } else { matching });
    }
}

#[test]
fn a_grant_that_cannot_be_decoded_blocks_all_until_it_is_corrected() {
    let mut grants = Grants::default();
    grants.set_namespace("analytics", &labels(&[]));
    grants.set(&resource("good", 1, spec("*", "*")));
    let all = BTreeSet::from(["analytics".to_owned()]);
    assert_eq!(grants.set_undecodable("bad", "it is broken"), all);
    let Permission::Denied(denial) = decide(&grants, "analytics", &["x"]) else {
        panic!("granted")
    };
    assert_eq!(denial.problem.reason, Reason::GrantInvalid);
    assert!(grants.state("bad").unwrap().1.unwrap().to_string().contains("it is broken"));
    // A namespace that appears later is blocked, too.
    grants.set_namespace("web", &labels(&[]));
    assert_eq!(granted_by(&decide(&grants, "web", &["x"])), ["-"]);
    grants.set(&resource("bad", 1, spec("other", "x")));
    assert_eq!(granted_by(&decide(&grants, "web", &["x"])), ["good"]);
}
