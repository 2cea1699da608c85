//! Attacks on the terms of a grant: what it sets, the resource may not choose.

use serde_json::{Map, Value, json};

use super::attack::{Attack, Refused, attack};
use super::scene::{OWN, Scene};

const BOUNDARY: &str = "arn:aws:iam::123456789012:policy/boundary";
const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// What the attacker's grant says of the session.
fn terms() -> Value {
    json!({
        "maxDuration": "1h",
        "session": {
            "externalId": "{{ namespace }}/{{ name }}",
            "sourceIdentity": "{{ name }}",
            "tags": {"team": "attacker"},
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

fn not_like_this(says: &'static str) -> Refused {
    Refused::With("NotGranted", says)
}

pub fn rows(victim: &str) -> Vec<Attack> {
    let tags: Map<_, _> = (0..47).map(|n| (format!("key-{n}"), json!("value"))).collect();
    vec![
        attack(
            "the external ID of the victim",
            own(json!({"externalId": format!("{victim}/payroll")})),
            not_like_this("remove externalId"),
        ),
        attack("an external ID of its own", own(json!({"externalId": "me"})), not_like_this("remove externalId")),
        attack("the source identity of the victim", own(json!({"sourceIdentity": "payroll"})), not_like_this("remove sourceIdentity")),
        attack("another value of a tag", tagged("team", "victim"), not_like_this("remove team from tags")),
        attack("a tag in upper case", tagged("TEAM", "victim"), not_like_this("remove TEAM from tags")),
        attack("a tag in upper case, of the same value", tagged("Team", "attacker"), not_like_this("remove Team from tags")),
        attack(
            "the namespace of the victim as a tag",
            tagged("kubernetes-namespace", victim),
            not_like_this("remove kubernetes-namespace from tags"),
        ),
        attack(
            "a tag with a long s",
            tagged("kubernete\u{17f}-namespace", victim),
            not_like_this("it sets the tag kubernetes-namespace itself"),
        ),
        attack(
            "a tag with the sign of Kelvin",
            tagged("\u{212a}ubernetes-namespace", victim),
            not_like_this("it sets the tag kubernetes-namespace itself"),
        ),
        attack(
            "a tag with an i without a dot",
            tagged("kubernetes-credent\u{131}al-name", "payroll"),
            not_like_this("it sets the tag kubernetes-credential-name itself"),
        ),
        attack("more tags than there is room for", own(json!({"tags": tags})), not_like_this("would have 51 tags")),
        attack(
            "a tag of the grant that outlives the role",
            own(json!({"transitiveTagKeys": ["team"]})),
            Refused::AtOnce("must be a key of tags"),
        ),
        attack("a longer session", own(json!({"duration": "61m"})), not_like_this("lower duration")),
        attack("the longest session", own(json!({"duration": "12h"})), not_like_this("at most 1h")),
        attack("a policy of its own", own(json!({"policy": "{}"})), not_like_this("remove policy")),
        attack("a policy beside the boundary", own(json!({"policyArns": [BOUNDARY, ADMINISTRATOR]})), not_like_this("policyArns")),
        attack("a policy in place of the boundary", own(json!({"policyArns": [ADMINISTRATOR]})), not_like_this("policyArns")),
        attack(
            "a name too long for the source identity",
            own(json!({})),
            not_like_this("the source identity that it sets would have 253 characters, and STS accepts 2 to 64: use another name"),
        )
        .called("x".repeat(253)),
        attack(
            "a name too short for the source identity",
            own(json!({})),
            not_like_this("the source identity that it sets would have 1 characters"),
        )
        .called("x"),
        attack(
            "everything at once",
            own(json!({
                "externalId": "xx", "sourceIdentity": "xx", "tags": {"TEAM": "x"}, "duration": "2h",
                "policy": "{}",
            })),
            not_like_this("; "),
        ),
    ]
}

#[tokio::test]
async fn a_resource_cannot_override_what_its_grant_sets() {
    let scene = Scene::new(terms(), &["--cluster-name", "prod"]).await;
    let rows = rows(&scene.victim.namespace);
    scene.withstands(rows).await;
    // What it gets in the end, it gets on these terms.
    let requests = scene.attacker.sts.requests();
    let form = &requests.last().unwrap().form;
    let namespace = &scene.attacker.namespace;
    assert_eq!(form["ExternalId"], format!("{namespace}/later"));
    assert_eq!(form["SourceIdentity"], "later");
    assert_eq!(form["PolicyArns.member.1.arn"], BOUNDARY);
    let keys: Vec<_> = (1..=4).map(|n| form[&format!("Tags.member.{n}.Key")].as_str()).collect();
    let expected =
        ["kubernetes-cluster-name", "kubernetes-credential-name", "kubernetes-namespace", "team"];
    assert_eq!(keys, expected);
    assert!(!form.contains_key("Tags.member.5.Key"));
}
