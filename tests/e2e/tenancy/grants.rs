//! Grants that are too wide or invalid: the API server rejects them.

use futures::future::join_all;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, PostParams};
use serde_json::{Map, Value, json};
use tempcred_core::api::RoleGrant;

use super::attack::{Attack, Refused, attack};
use crate::world::{SOON, World, wait_until};

fn grant(more: Value) -> Value {
    let mut spec = json!({
        "namespaces": {"names": ["nobody"]}, "roleArns": ["arn:aws:iam::123456789012:role/x"],
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

fn roles(arn: &str) -> Value {
    grant(json!({"roleArns": [arn]}))
}

fn session(fields: Value) -> Value {
    grant(json!({"session": fields}))
}

fn namespaces(fields: Value) -> Value {
    grant(json!({"namespaces": fields}))
}

fn expression(fields: Value) -> Value {
    namespaces(json!({"selector": {"matchExpressions": [fields]}}))
}

pub fn rows() -> Vec<Attack> {
    let arn = || Refused::ByApiServer("with a literal partition and account");
    let by_api_server = |says| Refused::ByApiServer(says);
    let variables = || Refused::ByApiServer("{{ namespace }} and {{ name }}");
    let operator = || Refused::ByApiServer("must have the operator In or NotIn with values");
    let tags: Map<_, _> = (0..51).map(|n| (format!("key-{n}"), json!("x"))).collect();
    let name = "arn:aws:iam::123456789012:role/";
    let many: Vec<_> = (0..65).map(|n| format!("{name}x-{n}")).collect();
    vec![
        attack("a grant for any account", roles("arn:aws:iam::*:role/x"), arn()),
        attack("a grant for some accounts", roles("arn:aws:iam::12345678901?:role/x"), arn()),
        attack("a grant for any partition", roles("arn:*:iam::123456789012:role/x"), arn()),
        attack("a grant for everything of an account", roles("arn:aws:iam::123456789012:*"), arn()),
        attack("a grant for everything", roles("*"), arn()),
        attack(
            "a constraint for several accounts",
            grant(json!({"mode": "Constrain", "roleArns": ["arn:aws:iam::*:role/x"]})),
            arn(),
        ),
        attack(
            "a constraint for two wildcards",
            grant(json!({"mode": "Constrain", "roleArns": ["**"]})),
            arn(),
        ),
        attack(
            "a grant of an unknown mode",
            grant(json!({"mode": "Deny"})),
            by_api_server("Unsupported value"),
        ),
        attack("a grant for users", roles("arn:aws:iam::123456789012:user/*"), arn()),
        attack("a grant for no role", roles(name), arn()),
        attack("a grant with a homoglyph", roles(&format!("{name}\u{430}dmin")), arn()),
        attack("a grant with a trailing newline", roles(&format!("{name}x\n")), arn()),
        attack(
            "a grant of no roles",
            grant(json!({"roleArns": []})),
            by_api_server("spec.roleArns"),
        ),
        attack(
            "a grant of 65 roles",
            grant(json!({"roleArns": many})),
            by_api_server("must have at most 64 items"),
        ),
        attack(
            "a grant of 2049 characters",
            roles(&format!("{name}{}", "x".repeat(2049 - name.len()))),
            by_api_server("spec.roleArns[0]"),
        ),
        attack(
            "a grant for all namespaces",
            namespaces(json!({})),
            by_api_server("set namespaces.names or namespaces.selector"),
        ),
        attack(
            "a grant without namespaces",
            json!({"roleArns": [format!("{name}x")]}),
            by_api_server("spec.namespaces"),
        ),
        attack(
            "a grant for no names",
            namespaces(json!({"names": []})),
            by_api_server("spec.namespaces.names"),
        ),
        attack(
            "a grant for 65 names",
            namespaces(json!({"names": (0..65).map(|n| format!("n-{n}")).collect::<Vec<_>>()})),
            by_api_server("must have at most 64 items"),
        ),
        attack(
            "a grant for an expression",
            namespaces(json!({"names": ["team-[a-z]+"]})),
            by_api_server("each of namespaces.names may contain only"),
        ),
        attack(
            "a grant for two names in one",
            namespaces(json!({"names": ["a,b"]})),
            by_api_server("each of namespaces.names may contain only"),
        ),
        attack(
            "a selector with a long key",
            namespaces(json!({"selector": {"matchLabels": {"x".repeat(318): "x"}}})),
            by_api_server("keys of selector.matchLabels must have at most 317 characters"),
        ),
        attack(
            "an empty selector",
            namespaces(json!({"selector": {}})),
            by_api_server("namespaces.selector must not be empty"),
        ),
        attack(
            "an empty selector with names",
            namespaces(
                json!({"names": ["a"], "selector": {"matchLabels": {}, "matchExpressions": []}}),
            ),
            by_api_server("to match every namespace, write names: ['*']"),
        ),
        attack(
            "a selector with an unknown operator",
            expression(json!({"key": "a", "operator": "Equals", "values": ["b"]})),
            operator(),
        ),
        attack(
            "a selector of no values",
            expression(json!({"key": "a", "operator": "In"})),
            operator(),
        ),
        attack(
            "a selector with values for DoesNotExist",
            expression(json!({"key": "a", "operator": "DoesNotExist", "values": ["b"]})),
            operator(),
        ),
        attack(
            "a selector without an operator",
            expression(json!({"key": "a"})),
            by_api_server("operator"),
        ),
        attack("an unknown variable", session(json!({"externalId": "{{ secret }}"})), variables()),
        attack(
            "a path into an object",
            session(json!({"externalId": "{{ .Values.secret }}"})),
            variables(),
        ),
        attack("a filter", session(json!({"sourceIdentity": "{{ name | upper }}"})), variables()),
        attack(
            "a loop",
            session(json!({"tags": {"a": "{% for x in range(9999) %}{{ name }}{% endfor %}"}})),
            variables(),
        ),
        attack("braces that stay open", session(json!({"externalId": "{{ name"})), variables()),
        attack("braces in braces", session(json!({"externalId": "{{ {{ name }} }}"})), variables()),
        attack(
            "a thousand open braces",
            session(json!({"externalId": "{{".repeat(500)})),
            variables(),
        ),
        attack(
            "a variable a thousand times",
            session(json!({"externalId": "{{name}}".repeat(1000)})),
            by_api_server("session.externalId"),
        ),
        attack(
            "51 tags of a grant",
            session(json!({"tags": tags})),
            by_api_server("must have at most 50"),
        ),
        attack(
            "a tag of AWS in a grant",
            session(json!({"tags": {"AWS:x": "a"}})),
            by_api_server("must not begin with aws:"),
        ),
        attack(
            "a tag that attribution sets",
            session(json!({"attribution": true, "tags": {"Tempcred.dev/Namespace": "x"}})),
            by_api_server("tag keys must not begin with tempcred.dev/"),
        ),
        attack(
            "an unknown choice",
            session(json!({"tenantMaySet": ["policy"]})),
            by_api_server("each of session.tenantMaySet must be externalId"),
        ),
        attack(
            "a choice of a reserved tag",
            session(json!({"tenantMaySet": ["tags/Tempcred.dev/name"]})),
            by_api_server(
                "session.tenantMaySet must not contain keys that begin with tempcred.dev/",
            ),
        ),
        attack(
            "65 choices",
            session(
                json!({"tenantMaySet": (0..65).map(|n| format!("tags/{n}")).collect::<Vec<_>>()}),
            ),
            by_api_server("must have at most 64 items"),
        ),
        attack(
            "a choice of a long tag",
            session(json!({"tenantMaySet": [format!("tags/{}", "x".repeat(129))]})),
            by_api_server("session.tenantMaySet"),
        ),
        attack(
            "an invalid boundary",
            session(json!({"policyArns": ["arn:aws:iam::*:policy/x"]})),
            by_api_server("session.policyArns"),
        ),
        attack(
            "a grant for a day",
            grant(json!({"maxDuration": "24h"})),
            by_api_server("maxDuration must be between 15m and 12h"),
        ),
    ]
}

#[tokio::test]
async fn the_api_server_rejects_a_grant_that_is_too_wide_or_invalid() {
    let world = World::new().await;
    let resource = ApiResource::erase::<RoleGrant>(&());
    let api: Api<DynamicObject> = Api::all_with(world.client.clone(), &resource);
    let rows = rows();
    let tried = rows.iter().enumerate().map(|(index, attack)| {
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "tempcred.dev/v1alpha1", "kind": "RoleGrant",
            "metadata": {"name": format!("{}-{index}", world.namespace)}, "spec": attack.spec,
        }))
        .unwrap();
        let api = &api;
        async move {
            let Refused::ByApiServer(says) = attack.refused else { panic!("{}", attack.name) };
            let Err(error) = api.create(&PostParams::default(), &object).await else {
                panic!("{}: was accepted", attack.name)
            };
            let error = error.to_string();
            assert!(error.contains(says), "{}: {error}", attack.name);
        }
    });
    join_all(tried).await;
}

/// A template that the API server accepts, and whose result is too long for STS.
#[tokio::test]
async fn a_template_whose_result_is_too_long_is_rejected_for_that_resource() {
    let world = World::start().await;
    let mut spec = world.any_role();
    let tag = "{{name}}".repeat(32);
    spec["session"] = json!({"externalId": "{{name}}".repeat(150), "tags": {"t": tag}});
    world.grant(&world.namespace, spec).await;
    let long = "x".repeat(200);
    let role = |name: &str| json!({"assumeRole": {"roleArn": format!("arn:aws:iam::123456789012:role/{name}")}});
    world.create(&long, role("long")).await;
    let refused = world
        .wait(&long, "refused", |s| crate::world::failure_reason(s) == Some("NotGranted"))
        .await;
    let message = refused.status.unwrap().failure.unwrap().message;
    for says in ["would have 30000 characters", "would have 6400 characters"] {
        assert!(message.contains(says), "{message}");
    }
    assert!(message.len() < 1000, "{message}");
    // With a shorter name the result fits, and the credential is issued.
    world.issue("short", role("short")).await;
    wait_until("only the one that fits", SOON, || async {
        (world.sts.calls_total() == 1).then_some(())
    })
    .await;
    assert_eq!(world.sts.requests()[0].form["ExternalId"], "short".repeat(150));
}
