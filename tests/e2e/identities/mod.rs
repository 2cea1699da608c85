//! Every example with every identity of the operator, against an STS that judges like AWS by the policies in the
//! example's own comments.

mod granted;
mod operator;
mod policies;
mod probes;
mod signers;
mod table;

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::PostParams;
use rig::strict::{Iam, Policy, Strict, User, Verdict};
use rig::sts::Responder;
use serde_json::{Value, json};
use tempcred_core::api::{CredentialStatus, TemporaryCredential};

use crate::examples::{apply, is_credential, objects};
use crate::world::{SOON, World, failure, failure_reason, is_ready, wait_until};
use operator::{Identity, KEY, Source, USER, provide, trust_issuer};
use policies::{Found, Kind};
use table::{Table, advice};

/// The entity ID of the SAML provider in the example.
const ENTITY: &str = "https://idp.example.com/saml";

/// The example with the grant, which is applied first.
const GRANT: &str = "role-grant.yaml";

/// The example that rotates, which is applied last: its requests would mix with those of others.
const ROTATING: &str = "short-rotation.yaml";

/// A world whose operator has an identity, with an STS that knows the policies of all examples.
struct Scene {
    world: World,
    identity: Identity,
    strict: Strict,
    examples: Vec<Example>,
    docs: Vec<Found>,
    _source: Source,
}

/// An example in the namespace of the scene.
struct Example {
    name: String,
    objects: Vec<Value>,
    policies: Vec<Found>,
}

/// What became of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Ready,
    Failed { reason: String, message: String },
}

impl Scene {
    async fn start(identity: Identity) -> Self {
        let mut world = World::new().await;
        // The grant of the examples takes the place of the world's own.
        world.withdraw(&world.namespace).await;
        let mut iam = Iam::new().unwrap();
        trust_issuer(&world, &mut iam);
        iam.saml.insert(
            "arn:aws:iam::123456789012:saml-provider/corporate".to_owned(),
            ENTITY.to_owned(),
        );
        iam.organization = Some(("123456789012".to_owned(), ["210987654321".to_owned()].into()));
        iam.outbound_federation.insert("123456789012".to_owned());
        let key = (KEY.0.to_owned(), KEY.1.to_owned());
        iam.users.insert(USER.to_owned(), User { permissions: vec![], key });

        let mut examples: Vec<_> = vec![];
        for (name, text) in policies::examples() {
            let text = identity.localize(&text, &world);
            let described = policies::of_comments(&name, &text);
            let objects = objects(&text);
            let keys = keys_of_users(&described.policies, &objects);
            for found in &described.policies {
                policies::add(&mut iam, found, &keys);
            }
            for (role, seconds) in described.max_sessions {
                iam.roles.get_mut(&role).unwrap().max_session = seconds;
            }
            examples.push(Example { name, objects, policies: described.policies });
        }
        examples.sort_by_key(|example| match example.name.as_str() {
            GRANT => (0, String::new()),
            ROTATING => (2, String::new()),
            other => (1, other.to_owned()),
        });
        let marker = identity.trust_marker();
        let localized =
            |found: Found| Found { json: identity.localize(&found.json, &world), ..found };
        let docs: Vec<_> = policies::of_docs().into_iter().map(localized).collect();
        let trusts =
            docs.iter().filter(|found| found.kind == Kind::Trust && found.arn == operator::ROLE);
        let mut trusts = trusts.filter(|found| marker.is_some_and(|m| found.json.contains(m)));
        if let Some(trust) = trusts.next() {
            policies::add(&mut iam, trust, &[]);
        }
        assert!(
            marker.is_none() || iam.roles.contains_key(operator::ROLE),
            "the docs have its trust policy"
        );
        probes::add(&mut iam, identity);

        let strict = Strict::new(iam);
        world.sts = Responder::judging(&strict).unwrap();
        let source = provide(identity, &mut world, &strict);
        let probes = probes::namespace(&world);
        let object = serde_json::from_value(json!({"metadata": {"name": probes}})).unwrap();
        let namespaces = Api::<Namespace>::all(world.client.clone());
        namespaces.create(&PostParams::default(), &object).await.unwrap();
        let served = format!("{},{probes}", world.namespace);
        world.start_operator(&["--namespaces", &served, "--cluster-name", "prod"]).await;
        Self { world, identity, strict, examples, docs, _source: source }
    }

    /// Applies an example; what becomes of its resources, and the requests that they cause.
    async fn apply(&self, example: &Example) -> (BTreeMap<String, Outcome>, Vec<Verdict>) {
        let before = self.strict.verdicts().len();
        let mut names = vec![];
        for object in &example.objects {
            let mut object = object.clone();
            if object["kind"] == "RoleGrant" {
                let name = object["metadata"]["name"].as_str().unwrap();
                object["metadata"]["name"] = format!("{}-{name}", self.world.namespace).into();
            }
            self.apply_object(&example.name, &object);
            if is_credential(&object) {
                names.push(object["metadata"]["name"].as_str().unwrap().to_owned());
            }
        }
        let api = self.world.credentials();
        let is_placeholder = |object: &&Value| object["stringData"]["assertion"].is_string();
        if let Some(secret) = example.objects.iter().find(is_placeholder) {
            let refused = outcome(&settled(&api, &names[0]).await);
            assert_documented("a placeholder for an assertion", "TokenRefused", &refused);
            let mut secret = secret.clone();
            secret["stringData"]["assertion"] = fresh_assertion(&secret).into();
            self.apply_object(&example.name, &secret);
            self.world.wait(&names[0], "ready with a new assertion", is_ready).await;
        }
        let mut outcomes = BTreeMap::new();
        for name in names {
            let status = settled(&api, &name).await;
            if let Some(key) = status.access_key_id.as_deref().filter(|_| is_ready(&status)) {
                assert!(self.strict.is_useful(key), "{name} may do nothing");
            }
            outcomes.insert(name, outcome(&status));
        }
        (outcomes, self.strict.verdicts().split_off(before))
    }

    fn apply_object(&self, example: &str, object: &Value) {
        apply(&self.world, &self.world.namespace, object, false)
            .unwrap_or_else(|refusal| panic!("{example}: {refusal}"));
    }

    /// Asserts that requests that succeeded need each action of STS in these policies, except those that `spare` names.
    fn assert_each_action_is_needed(
        &self,
        policies: &[Found],
        verdicts: &[Verdict],
        spare: impl Fn(&Found, &str) -> bool,
    ) {
        assert_eq!(self.strict.replay(verdicts, self.strict.iam()), Ok(()), "they succeeded");
        for found in policies {
            let policy = found.policy();
            for place in policy.sts_actions() {
                let mut iam = self.strict.iam();
                replace(&mut iam, found, &policy, policy.without(&place));
                let refused = self.strict.replay(verdicts, iam).is_err();
                let Found { place: file, arn, .. } = found;
                let needed = !spare(found, &place.action);
                assert_eq!(
                    refused, needed,
                    "{file}: is {} in a policy of {arn} needed?",
                    place.action
                );
            }
        }
    }
}

/// Puts another policy in the place of one.
fn replace(iam: &mut Iam, found: &Found, old: &Policy, new: Policy) {
    let permissions = match (found.kind, iam.roles.get_mut(&found.arn)) {
        (Kind::Trust, role) => {
            role.unwrap().trust = new;
            return;
        }
        (Kind::Permission, Some(role)) => &mut role.permissions,
        (Kind::Permission, None) => &mut iam.users.get_mut(&found.arn).unwrap().permissions,
    };
    let place = permissions.iter_mut().find(|policy| *policy == old);
    *place.unwrap() = new;
}

/// The keys of the users in policies: the user of the operator, and the one whose key the example has in a Secret.
fn keys_of_users(policies: &[Found], objects: &[Value]) -> Vec<(String, (String, String))> {
    let users = policies.iter().map(|found| &found.arn).filter(|arn| arn.contains(":user/"));
    let values = objects.iter().map(|object| &object["stringData"]);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut keys = values.filter_map(|values| {
        Some((text(&values["AWS_ACCESS_KEY_ID"])?, text(&values["AWS_SECRET_ACCESS_KEY"])?))
    });
    let key = keys.next();
    users.filter_map(|arn| Some((arn.clone(), key.clone()?))).collect()
}

/// The assertion in an object, as if its issuer had just written it.
fn fresh_assertion(object: &Value) -> String {
    let text = object["stringData"]["assertion"].as_str().unwrap();
    let xml = String::from_utf8(BASE64_STANDARD.decode(text).unwrap()).unwrap();
    let (before, rest) = xml.split_once("NotOnOrAfter=\"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    let until = Timestamp::now() + SignedDuration::from_mins(5);
    BASE64_STANDARD.encode(format!("{before}NotOnOrAfter=\"{until}\"{after}"))
}

/// Waits until a resource is ready or has failed.
async fn settled(api: &Api<TemporaryCredential>, name: &str) -> CredentialStatus {
    wait_until(&format!("{name} is ready or has failed"), SOON, || async {
        let status = api.get(name).await.unwrap().status?;
        // The grant may still be on its way to the operator.
        let settled = is_ready(&status)
            || failure_reason(&status).is_some_and(|reason| reason != "NotGranted");
        settled.then_some(status)
    })
    .await
}

fn outcome(status: &CredentialStatus) -> Outcome {
    if is_ready(status) {
        return Outcome::Ready;
    }
    let failed = failure(status);
    let reason = failure_reason(status).unwrap().to_owned();
    Outcome::Failed { reason, message: failed.message.clone() }
}

/// Asserts that a cell of the docs says what happened: `yes`, or a reason whose advice the message ends with.
fn assert_documented(what: &str, cell: &str, outcome: &Outcome) {
    match (cell, outcome) {
        ("yes", Outcome::Ready) => {}
        (cell, Outcome::Failed { reason, message }) if cell == reason => {
            let known = advice(reason);
            assert!(known.iter().any(|advice| message.ends_with(advice)), "{what}: {message}");
        }
        _ => panic!("{what}: the docs say {cell}, but: {outcome:?}"),
    }
}

async fn every_example_does_what_the_docs_say(identity: Identity) {
    let scene = Scene::start(identity).await;
    let table = Table::read("Example");
    let mut names: Vec<_> = scene.examples.iter().map(|e| e.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(table.names(), names, "docs/identities.md has each example");
    let arn = identity.arn();
    for example in &scene.examples {
        let (outcomes, verdicts) = scene.apply(example).await;
        let cell = table.cell(&example.name, identity);
        for (name, outcome) in &outcomes {
            assert_documented(&format!("{}: {name}, {identity:?}", example.name), cell, outcome);
        }
        if cell != "yes" {
            continue;
        }
        // The operator's own session begins before the first of its requests.
        let own = |verdict: &Verdict| verdict.role_arn() == Some(operator::ROLE);
        let verdicts: Vec<_> =
            verdicts.into_iter().filter(|v| !own(v) && v.outcome.is_ok()).collect();
        // A user needs no permission for what a trust policy allows it by its name.
        let spare = |found: &Found, _: &str| found.arn == arn && identity == Identity::User;
        scene.assert_each_action_is_needed(&example.policies, &verdicts, spare);
    }
    // The trust policy of the operator's own role.
    let verdicts = scene.strict.verdicts().into_iter();
    let own: Vec<_> = verdicts.filter(|v| v.role_arn() == Some(operator::ROLE)).collect();
    assert_eq!(own.is_empty(), identity == Identity::User, "{identity:?} begins with its role");
    if let Some(marker) = identity.trust_marker() {
        let trust: Vec<_> =
            scene.docs.iter().filter(|f| f.json.contains(marker)).cloned().collect();
        // Without session tags, the agent needs no permission for them.
        let spare = |_: &Found, action: &str| {
            identity == Identity::PodUntagged && action == "sts:TagSession"
        };
        scene.assert_each_action_is_needed(&trust, &own, spare);
    }
    probes::each_does_what_the_docs_say(&scene).await;
    probes::the_operators_own_policy_is_needed(&scene).await;
    granted::the_policy_about_attribution_is_needed(&scene).await;
}

#[tokio::test]
async fn every_example_does_what_the_docs_say_with_irsa() {
    every_example_does_what_the_docs_say(Identity::Irsa).await;
}

#[tokio::test]
async fn every_example_does_what_the_docs_say_with_pod_identity() {
    every_example_does_what_the_docs_say(Identity::Pod).await;
}

#[tokio::test]
async fn every_example_does_what_the_docs_say_with_pod_identity_without_tags() {
    every_example_does_what_the_docs_say(Identity::PodUntagged).await;
}

#[tokio::test]
async fn every_example_does_what_the_docs_say_on_ec2() {
    every_example_does_what_the_docs_say(Identity::Ec2).await;
}

#[tokio::test]
async fn every_example_does_what_the_docs_say_with_the_key_of_a_user() {
    every_example_does_what_the_docs_say(Identity::User).await;
}
