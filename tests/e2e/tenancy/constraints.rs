//! Attacks on the constraints of a grant: a resource cannot choose what the grant sets.

use serde_json::{Map, Value, json};

use super::attack::{Attack, Refused, attack};
use super::scene::{OWN, Scene};

const BOUNDARY: &str = "arn:aws:iam::123456789012:policy/boundary";
const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// How the attacker's grant constrains the session.
fn constraints() -> Value {
    json!({
        "maxDuration": "1h",
        "session": {
            "externalId": "{{ namespace }}/{{ name }}",
            "sourceIdentity": "{{ name }}",
            "tags": {"team": "attacker", "stage-key-id": "x"},
            "attribution": true,
            "policyArns": [BOUNDARY],
        },
    })
}

fn own(fields: Value) -> Value {
    let mut request = json!({"roleArn": OWN});
    request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"assumeRole": request})
}

fn tagged(key: &str, value: &str) -> Value {
    own(json!({"tags": {key: value}}))
}

fn not_granted(says: &'static str) -> Refused {
    Refused::ByOperator("NotGranted", says)
}

pub fn rows(victim: &str) -> Vec<Attack> {
    let tags: Map<_, _> = (0..45).map(|n| (format!("key-{n}"), json!("value"))).collect();
    let reserved = || Refused::ByApiServer("tag keys must not begin with tempcred.dev/");
    vec![
        attack(
            "the external ID of the victim",
            own(json!({"externalId": format!("{victim}/payroll")})),
            not_granted("remove externalId"),
        ),
        attack("an external ID of its own", own(json!({"externalId": "me"})), not_granted("remove externalId")),
        attack("the source identity of the victim", own(json!({"sourceIdentity": "payroll"})), not_granted("remove sourceIdentity")),
        attack("another value of a tag", tagged("team", "victim"), not_granted("remove team from tags")),
        attack("a tag in upper case", tagged("TEAM", "victim"), not_granted("remove TEAM from tags")),
        attack("a tag of its own", tagged("app", "x"), not_granted("do not let a resource choose these tags: remove app")),
        attack("many tags of its own", own(json!({"tags": tags})), not_granted("allow tags/key-0 in session.tenantMaySet")),
        attack("the namespace of the victim as a tag", tagged("tempcred.dev/namespace", victim), reserved()),
        attack("the same in upper case", tagged("TEMPCRED.DEV/NAMESPACE", victim), reserved()),
        attack(
            "a reserved tag of a federated user",
            json!({
                "getFederationToken": {"name": "me", "tags": {"tempcred.dev/name": "payroll"}},
                "identity": {"accessKeySecretRef": {"name": "keys"}},
            }),
            reserved(),
        ),
        attack(
            "a reserved tag of a web identity token",
            json!({
                "getWebIdentityToken": {"audiences": ["a"], "signingAlgorithm": "RS256", "tags": {"tempcred.dev/name": "payroll"}},
                "identity": {"accessKeySecretRef": {"name": "keys"}},
            }),
            reserved(),
        ),
        attack(
            "a reserved tag with an identity of its own",
            {
                let mut spec = tagged("tempcred.dev/namespace", victim);
                spec["identity"] = json!({"accessKeySecretRef": {"name": "keys"}});
                spec
            },
            reserved(),
        ),
        attack(
            "the session name of the victim",
            own(json!({"sessionName": format!("tempcred-{victim}.payroll")})),
            not_granted("do not let a resource choose its session name: remove sessionName"),
        ),
        attack(
            "the session name of the victim for a hop",
            own(json!({"via": [{"roleArn": OWN, "sessionName": format!("tempcred-{victim}.payroll")}]})),
            not_granted("remove sessionName"),
        ),
        attack(
            "a tag with a long s",
            tagged("\u{17f}tage-key-id", victim),
            not_granted("the grants set the tag stage-key-id: remove"),
        ),
        attack(
            "a tag with the sign of Kelvin",
            tagged("stage-\u{212a}ey-id", victim),
            not_granted("the grants set the tag stage-key-id: remove"),
        ),
        attack(
            "a tag with an i without a dot",
            tagged("stage-key-\u{131}d", victim),
            not_granted("the grants set the tag stage-key-id: remove"),
        ),
        attack(
            "a tag of the grant that outlives the role",
            own(json!({"transitiveTagKeys": ["team"]})),
            Refused::ByApiServer("must be a key of tags"),
        ),
        attack("a longer session", own(json!({"duration": "61m"})), not_granted("lower duration")),
        attack("the longest session", own(json!({"duration": "12h"})), not_granted("at most 1h")),
        attack("a policy of its own", own(json!({"policy": "{}"})), not_granted("remove policy")),
        attack("a policy beside the boundary", own(json!({"policyArns": [BOUNDARY, ADMINISTRATOR]})), not_granted("policyArns")),
        attack("a policy in place of the boundary", own(json!({"policyArns": [ADMINISTRATOR]})), not_granted("policyArns")),
        attack(
            "a name too long for the source identity",
            own(json!({})),
            not_granted("the source identity that the grants set would have 253 characters, but STS accepts 2 to 64: use another name"),
        )
        .called("x".repeat(253)),
        attack(
            "a name too short for the source identity",
            own(json!({})),
            not_granted("the source identity that the grants set would have 1 characters"),
        )
        .called("x"),
        attack(
            "everything at once",
            own(json!({
                "externalId": "xx", "sourceIdentity": "xx", "tags": {"TEAM": "x"}, "duration": "2h",
                "policy": "{}",
            })),
            not_granted("; "),
        ),
    ]
}

#[tokio::test]
async fn a_resource_cannot_override_what_its_grant_sets() {
    let scene = Scene::new(constraints(), &["--cluster-name", "prod"]).await;
    let rows = rows(&scene.victim.namespace);
    scene.withstands(rows).await;
    // The session that the attacker gets has these constraints.
    let requests = scene.attacker.sts.requests();
    let form = &requests.last().unwrap().form;
    let namespace = &scene.attacker.namespace;
    assert_eq!(form["ExternalId"], format!("{namespace}/later"));
    assert_eq!(form["SourceIdentity"], "later");
    assert_eq!(form["PolicyArns.member.1.arn"], BOUNDARY);
    let keys: Vec<_> = (1..=5).map(|n| form[&format!("Tags.member.{n}.Key")].as_str()).collect();
    let attribution = ["tempcred.dev/cluster", "tempcred.dev/name", "tempcred.dev/namespace"];
    assert_eq!(keys, [&["stage-key-id", "team"], &attribution[..]].concat());
    assert!(!form.contains_key("Tags.member.6.Key"));
}
