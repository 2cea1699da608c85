//! Properties over random sets of grants: what a session must have, and what a resource may choose, is read from the
//! specs one by one, without combining them.

use super::*;
use crate::api::{GrantMode, RoleGrantSpec};
use crate::fields::{Duration, folded};
use crate::request::assume_role::Request;
use crate::request::{AssumeRole, StsRequest};
use proptest::collection::{btree_map, vec};
use proptest::option::{of, weighted};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

/// The default session name of the resource.
const SESSION: &str = "tempcred-a.reports";

fn arn(name: &str) -> String {
    format!("arn:aws:iam::123456789012:role/{name}")
}

fn tags(most: usize) -> impl Strategy<Value = BTreeMap<String, String>> {
    let key = prop_oneof![12 => select(vec!["k", "K", "s", "\u{17f}", "t"]), 1 => Just("TEMPCRED.dev/name")];
    let value = prop_oneof![5 => Just("v"), 1 => Just("w")];
    btree_map(key.prop_map(str::to_owned), value.prop_map(str::to_owned), 0..=most)
}

fn policies() -> impl Strategy<Value = Value> {
    let [a, b] = ["arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/B"];
    select(vec![json!([]), json!([a]), json!([b]), json!([a, b])])
}

/// A grant. Most values are the same everywhere, so that many sets of grants allow something.
fn grant() -> impl Strategy<Value = Value> {
    let matchers = (
        prop_oneof![4 => Just(json!(["*"])), 2 => Just(json!(["a"])), 1 => Just(json!(["b"]))],
        prop_oneof![3 => Just(arn("*")), 2 => Just(arn("x")), 1 => Just(arn("y")), 2 => Just("*".to_owned())],
        prop_oneof![30 => Just(json!(null)), 1 => Just(json!(1))],
    );
    let fields = vec!["externalId", "sourceIdentity", "sessionName", "tags", "tags/k", "tags/S"];
    let session = (
        weighted(0.2, prop_oneof![6 => Just("e-{{ namespace }}"), 1 => Just("ef")]),
        weighted(0.2, prop_oneof![6 => Just("{{ name }}"), 1 => Just("si")]),
        tags(1),
        (prop::bool::weighted(0.2), any::<bool>()),
        weighted(0.15, policies()),
        weighted(0.7, subsequence(fields, 0..=6)),
    );
    let durations = weighted(0.3, select(vec!["30m", "1h", "2h"]));
    (matchers, session, durations).prop_map(|((names, role, unknown), session, duration)| {
        let (external, source, tags, (attribution, transitive), policies, choices) = session;
        let mut tags = json!(tags);
        // Sometimes a grant tries to set a reserved tag, and is invalid.
        if attribution {
            tags.as_object_mut().unwrap().remove("TEMPCRED.dev/name");
        }
        let mut spec = json!({
            "mode": if role == "*" { "Constrain" } else { "Allow" },
            "namespaces": {"names": names}, "roleArns": [role], "maxDuration": duration,
            "session": {
                "externalId": external, "sourceIdentity": source, "tags": tags,
                "attribution": attribution, "transitive": transitive,
                "policyArns": policies.unwrap_or(json!([])), "tenantMaySet": choices,
            },
        });
        if !unknown.is_null() {
            spec["session"]["newer"] = unknown;
        }
        spec
    })
}

fn request() -> impl Strategy<Value = Value> {
    let role = || select(vec![arn("x"), arn("y")]);
    let external = || weighted(0.3, select(vec!["e-a", "mine"]));
    let name = || weighted(0.3, select(vec![SESSION, "another"]));
    let hop = (role(), external(), name()).prop_map(|(role, external, name)| {
        json!({"roleArn": role, "externalId": external, "sessionName": name})
    });
    let source = weighted(0.3, select(vec!["reports", "victim"]));
    let policies = of(policies());
    let own = (tags(2), any::<bool>(), weighted(0.2, select(vec!["30m", "1h", "90m"])), policies);
    (role(), vec(hop, 0..3), external(), name(), source, own).prop_map(
        |(role, via, external, name, source, (tags, transitive, duration, policies))| {
            let keys: Vec<_> = tags.keys().filter(|_| transitive).cloned().collect();
            json!({
                "roleArn": role, "via": via, "externalId": external, "sessionName": name,
                "sourceIdentity": source, "tags": tags, "transitiveTagKeys": keys,
                "duration": duration, "policyArns": policies.unwrap_or(json!([])),
            })
        },
    )
}

fn decide(grants: &[(String, Value)], request: &Request) -> Permission {
    let mut all = Grants::new("prod".to_owned());
    all.set_namespace("a", &Default::default());
    for (name, spec) in grants {
        let stored = json!({"metadata": {"name": name}, "spec": spec});
        all.set(&serde_json::from_value(stored).unwrap());
    }
    all.decide("a", "reports", &request.requested_roles())
}

fn named(specs: &[Value]) -> Vec<(String, Value)> {
    specs.iter().enumerate().map(|(n, spec)| (format!("g{n}"), spec.clone())).collect()
}

/// The request. `None` if it is rejected before the grants are asked.
fn parsed(request: &Value) -> Result<Option<(AssumeRole, Request)>, TestCaseError> {
    let spec: AssumeRole = serde_json::from_value(request.clone()).unwrap();
    let reserved = spec.tags.tags.keys().any(|key| key.to_lowercase().starts_with("tempcred.dev/"));
    let parsed = Request::new(&spec, SESSION);
    let keys: BTreeSet<_> = spec.tags.tags.keys().map(|key| folded(key)).collect();
    let is_valid = !reserved && keys.len() == spec.tags.tags.len();
    prop_assert_eq!(parsed.is_ok(), is_valid, "{:?}", parsed);
    Ok(parsed.ok().map(|request| (spec, request)))
}

fn render(text: &str) -> String {
    text.replace("{{ namespace }}", "a").replace("{{ name }}", "reports")
}

/// What a session has so far.
#[derive(Default)]
struct Session {
    source_identity: Option<String>,
    /// Inherited tags, by folded key.
    inherited: BTreeMap<String, String>,
}

/// The valid grants that match a role. Fails if an invalid one does.
fn matching(specs: &[Value], role: &str) -> Result<Vec<RoleGrantSpec>, TestCaseError> {
    let mut matching = Vec::new();
    for spec in specs {
        let is_for = spec["namespaces"]["names"] != json!(["b"])
            && [arn("*"), "*".to_owned(), role.to_owned()]
                .iter()
                .any(|p| spec["roleArns"][0] == **p);
        if is_for {
            let reserved = spec["session"]["tags"].get("TEMPCRED.dev/name").is_some();
            prop_assert!(spec["session"].get("newer").is_none() && !reserved, "an invalid grant");
            matching.push(serde_json::from_value(spec.clone()).unwrap());
        }
    }
    prop_assert!(matching.iter().any(|grant: &RoleGrantSpec| grant.mode == GrantMode::Allow));
    Ok(matching)
}

/// Whether all grants with a say let the resource choose one of these.
fn may(grants: &[RoleGrantSpec], fields: &[&str]) -> bool {
    grants.iter().all(|grant| match (&grant.session.tenant_may_set, grant.mode) {
        (None, GrantMode::Constrain) => true,
        (None, GrantMode::Allow) => false,
        (Some(choices), _) => {
            let equal =
                |choice: &String| fields.iter().any(|field| folded(field) == folded(choice));
            choices.iter().any(equal)
        }
    })
}

/// Checks the parameters of one call against each grant for its role.
fn check_call(
    specs: &[Value],
    role: &str,
    parameters: &SessionParameters,
    chosen_name: Option<&str>,
    session: &mut Session,
) -> Result<(), TestCaseError> {
    let grants = matching(specs, role)?;
    if let Some(sent) = &parameters.source_identity {
        prop_assert!(session.source_identity.is_none(), "is sent twice");
        session.source_identity = Some(sent.clone());
    }
    let sent_folded: Vec<_> = parameters.tags.keys().map(|key| folded(key)).collect();
    let different: BTreeSet<_> = sent_folded.iter().collect();
    prop_assert_eq!(different.len(), sent_folded.len(), "keys that STS does not distinguish");
    for (key, value) in &parameters.tags {
        prop_assert!(
            !session.inherited.contains_key(&folded(key)),
            "an inherited tag is set again"
        );
        if parameters.transitive_tag_keys.contains(key) {
            session.inherited.insert(folded(key), value.clone());
        }
    }
    prop_assert!(parameters.transitive_tag_keys.iter().all(|k| parameters.tags.contains_key(k)));
    let mut effective = session.inherited.clone();
    effective.extend(parameters.tags.iter().map(|(key, value)| (folded(key), value.clone())));
    let (mut demanded, mut kept) = (BTreeSet::new(), BTreeSet::new());
    for grant in &grants {
        let wanted = &grant.session;
        let equals = |wanted: &Option<String>, got: &Option<String>| {
            wanted.is_none() || wanted.as_deref().map(render) == *got
        };
        prop_assert!(equals(&wanted.external_id, &parameters.external_id));
        prop_assert!(equals(&wanted.source_identity, &session.source_identity));
        let mut tags = wanted.tags.clone();
        if wanted.attribution {
            let attribution = [("cluster", "prod"), ("namespace", "a"), ("name", "reports")];
            tags.extend(attribution.map(|(k, v)| (format!("tempcred.dev/{k}"), v.to_owned())));
        }
        for (key, value) in tags {
            prop_assert_eq!(effective.get(&folded(&key)), Some(&value));
            prop_assert!(!wanted.transitive || session.inherited.contains_key(&folded(&key)));
            if wanted.transitive {
                kept.insert(folded(&key));
            }
            demanded.insert(folded(&key));
        }
    }
    // What no grant demands, the resource has chosen.
    if parameters.external_id.is_some() && grants.iter().all(|g| g.session.external_id.is_none()) {
        prop_assert!(may(&grants, &["externalId"]));
    }
    let sets_source = |grant: &RoleGrantSpec| grant.session.source_identity.is_some();
    if parameters.source_identity.is_some() && !grants.iter().any(sets_source) {
        prop_assert!(may(&grants, &["sourceIdentity"]));
    }
    if chosen_name.is_some_and(|name| name != SESSION) {
        prop_assert!(may(&grants, &["sessionName"]));
    }
    for key in parameters.tags.keys().filter(|key| !demanded.contains(&folded(key))) {
        prop_assert!(!folded(key).starts_with("tempcred.dev/"), "a reserved tag");
        prop_assert!(may(&grants, &["tags", &format!("tags/{key}")]), "{key}");
    }
    for key in parameters.transitive_tag_keys.iter().filter(|key| !kept.contains(&folded(key))) {
        prop_assert!(may(&grants, &["tags", &format!("tags/{key}")]), "{key} is transitive");
    }
    Ok(())
}

/// Checks the parameters of all calls against the specs of the grants, one by one.
fn check(
    specs: &[Value],
    spec: &AssumeRole,
    all: &[SessionParameters],
) -> Result<(), TestCaseError> {
    let hops = spec.via.iter().map(|hop| (&hop.role_arn, &hop.session_name));
    let calls: Vec<_> = hops.chain([(&spec.role_arn, &spec.session_name)]).collect();
    prop_assert_eq!(calls.len(), all.len());
    let mut session = Session::default();
    for ((role, name), parameters) in calls.iter().zip(all) {
        check_call(specs, role, parameters, name.as_deref(), &mut session)?;
    }
    let (last, hops) = all.split_last().unwrap();
    for hop in hops {
        prop_assert_eq!((&hop.duration, hop.policy_arns.is_empty()), (&None, true));
    }
    let wanted = spec.duration.unwrap_or(Duration::from_secs(3600));
    prop_assert!(last.duration <= Some(wanted) && last.duration >= spec.duration);
    for grant in matching(specs, &spec.role_arn)? {
        prop_assert!(grant.max_duration.is_none_or(|most| last.duration <= Some(most)));
        let boundary = &grant.session.policy_arns;
        prop_assert!(boundary.is_empty() || *boundary == last.policy_arns);
    }
    Ok(())
}

/// Source identity, tags, and tags that are kept for the next session.
type Effective = (Option<String>, BTreeMap<String, String>, BTreeMap<String, String>);

/// What the sessions of a chain are, however the parameters are distributed over the calls.
fn sessions(all: &[SessionParameters]) -> Vec<Effective> {
    let mut session = Session::default();
    let mut sessions = Vec::new();
    for parameters in all {
        session.source_identity = session.source_identity.or(parameters.source_identity.clone());
        let sent = || parameters.tags.iter().map(|(key, value)| (key.clone(), value.clone()));
        let is_transitive = |key: &String| parameters.transitive_tag_keys.contains(key);
        let mut tags = session.inherited.clone();
        tags.extend(sent().map(|(key, value)| (folded(&key), value)));
        let kept = sent().filter(|(key, _)| is_transitive(key));
        session.inherited.extend(kept.map(|(key, value)| (folded(&key), value)));
        sessions.push((session.source_identity.clone(), tags, session.inherited.clone()));
    }
    sessions
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_session_meets_every_demand_and_the_resource_chooses_only_what_all_grants_allow(
        specs in vec(grant(), 1..5), request in request(),
    ) {
        let Some((spec, request)) = parsed(&request)? else { return Ok(()) };
        match decide(&named(&specs), &request) {
            Permission::Granted { parameters, .. } => check(&specs, &spec, &parameters)?,
            Permission::Denied(denial) => prop_assert!(denial.problem.reason.is_denial()),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn neither_the_order_nor_the_names_of_grants_matter(
        specs in vec(grant(), 1..5).prop_flat_map(|specs| (Just(specs.clone()), Just(specs).prop_shuffle())),
        request in request(),
    ) {
        let Some((_, request)) = parsed(&request)? else { return Ok(()) };
        let (one, other) = (decide(&named(&specs.0), &request), decide(&named(&specs.1), &request));
        match (one, other) {
            (
                Permission::Granted { parameters, grants },
                Permission::Granted { parameters: other, grants: others },
            ) => {
                prop_assert_eq!(parameters, other);
                prop_assert_eq!(grants.len(), others.len());
            }
            (Permission::Denied(denial), Permission::Denied(other)) => {
                prop_assert_eq!(denial.problem, other.problem);
                prop_assert_eq!(denial.grants.len(), other.grants.len());
            }
            (one, other) => prop_assert!(false, "{one:?} {other:?}"),
        }
    }

    #[test]
    fn adding_a_grant_never_loosens_a_session(
        specs in vec(grant(), 1..4), added in grant(), request in request(),
    ) {
        let Some((_, request)) = parsed(&request)? else { return Ok(()) };
        let before = decide(&named(&specs), &request);
        let after = decide(&named(&[specs, vec![added]].concat()), &request);
        match (before, after) {
            (
                Permission::Granted { parameters: before, .. },
                Permission::Granted { parameters: after, .. },
            ) => {
                for (before, after) in before.iter().zip(&after) {
                    prop_assert!(after.duration <= before.duration);
                    prop_assert!(before.external_id.is_none() || before.external_id == after.external_id);
                    let is_part = || after.policy_arns.iter().all(|arn| before.policy_arns.contains(arn));
                    prop_assert!(before.policy_arns.is_empty() || (!after.policy_arns.is_empty() && is_part()));
                }
                for ((source, tags, kept), (source_after, tags_after, kept_after)) in sessions(&before).iter().zip(sessions(&after)) {
                    prop_assert!(source.is_none() || *source == source_after);
                    for (key, value) in tags {
                        prop_assert_eq!(tags_after.get(key), Some(value));
                    }
                    prop_assert!(kept.keys().all(|key| kept_after.contains_key(key)));
                }
            }
            (Permission::Denied(before), Permission::Granted { .. }) => {
                prop_assert_eq!(before.problem.reason, Reason::NotGranted);
            }
            (_, Permission::Denied(_)) => {}
            (before, after) => prop_assert!(false, "{before:?} {after:?}"),
        }
    }
}
