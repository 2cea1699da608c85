//! Which users may create resources that the operator signs with its own AWS identity.

use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tempcred_core::api::TemporaryCredential;

use super::{Guard, apply};
use crate::world::{World, client, plain};

/// A resource with this spec.
pub fn credential(name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
        "metadata": {"name": name}, "spec": spec,
    })
}

/// The same request, signed by a key of the namespace.
fn with_identity() -> Value {
    let mut spec = plain();
    spec["identity"] = json!({"accessKeySecretRef": {"name": "key"}});
    spec
}

/// A user with some groups, and with all permissions in the namespace.
struct Person(Api<TemporaryCredential>);

impl Person {
    async fn new(world: &World, name: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let client: Client = client(world.rig.kubeconfig(), |config| {
            config.auth_info.impersonate = Some(name.to_owned());
            config.auth_info.impersonate_groups = Some(groups);
        })
        .await;
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": name, "namespace": world.namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}],
        });
        apply(world, &[binding]);
        let person = Self(Api::namespaced(client, &world.namespace));
        crate::world::wait_until("the role is in force", crate::world::SOON, || async {
            person.0.list(&Default::default()).await.ok().map(drop)
        })
        .await;
        person
    }

    async fn create(&self, name: &str, spec: Value) -> kube::Result<TemporaryCredential> {
        let object = serde_json::from_value(credential(name, spec)).unwrap();
        self.0.create(&PostParams::default(), &object).await
    }

    async fn patch(&self, name: &str, patch: Value) -> kube::Result<TemporaryCredential> {
        self.0.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await
    }
}

#[tokio::test]
async fn only_members_of_the_groups_may_use_the_identity_of_the_operator() {
    let set = r"--set=admissionPolicies.signedByOperator.groups={platform,oidc:on 'call' <\\1>}";
    let guard = Guard::new(&[set]).await;
    let member = Person::new(&guard.world, "member", &["system:authenticated", "platform"]).await;
    let other = Person::new(&guard.world, "on-call", &[r"oidc:on 'call' <\1>"]).await;
    let stranger =
        Person::new(&guard.world, "stranger", &["system:authenticated", "platforms"]).await;
    let alone = Person::new(&guard.world, "alone", &[]).await;

    // Members may.
    member.create("reports", plain()).await.unwrap();
    other.create("others", plain()).await.unwrap();
    let longer = || json!({"spec": {"assumeRole": {"duration": "2h"}}});
    member.patch("reports", longer()).await.unwrap();

    for (who, person) in [("stranger", &stranger), ("alone", &alone)] {
        // Others may neither create such a resource, nor change its spec, nor turn another one into it.
        let created = person.create(&format!("of-{who}"), plain()).await;
        let said = guard.refused("signed-by-operator", who, created);
        assert!(said.contains("only members of platform, oidc:on 'call' <\\1> may"), "{said}");
        assert!(said.contains("set spec.identity"), "{said}");
        for (row, patch) in [
            (
                "a role",
                json!({"spec": {"assumeRole": {"roleArn": "arn:aws:iam::123456789012:role/admin"}}}),
            ),
            ("a duration", json!({"spec": {"assumeRole": {"duration": "3h"}}})),
            ("suspended", json!({"spec": {"suspend": true}})),
            ("both", json!({"metadata": {"labels": {"a": "b"}}, "spec": {"suspend": true}})),
        ] {
            let changed = person.patch("reports", patch).await;
            guard.refused("signed-by-operator", &format!("{row} by {who}"), changed);
        }
        let own = format!("own-{who}");
        person.create(&own, with_identity()).await.unwrap();
        let stripped = person.patch(&own, json!({"spec": {"identity": null}})).await;
        guard.refused("signed-by-operator", "the identity removed", stripped);

        // Requests with an identity and unsigned requests need no group.
        person.patch(&own, json!({"spec": {"assumeRole": {"duration": "2h"}}})).await.unwrap();
        person.patch("reports", json!({"spec": with_identity()})).await.unwrap();
        member.patch("reports", json!({"spec": {"identity": null}})).await.unwrap();
        let web = json!({"assumeRoleWithWebIdentity": {
            "roleArn": "arn:aws:iam::123456789012:role/web", "serviceAccountName": "reporter",
        }});
        let web_name = format!("web-{who}");
        person.create(&web_name, web).await.unwrap();
        let turned = json!({"spec": {"assumeRoleWithWebIdentity": null, "assumeRole": plain()["assumeRole"]}});
        let turned = person.patch(&web_name, turned).await;
        guard.refused("signed-by-operator", "another request", turned);

        // Metadata may be changed, including the renewal request.
        for metadata in [
            json!({"labels": {"who": who}}),
            json!({"annotations": {"tempcred.dev/renew-requested-at": who}}),
            json!({"finalizers": ["example.com/hold"]}),
            json!({"finalizers": null}),
        ] {
            person.patch("reports", json!({"metadata": metadata})).await.unwrap();
        }
    }
    // Deletion is allowed, too.
    stranger.0.delete("reports", &DeleteParams::default()).await.unwrap();
}
