//! The requests in a table of `docs/identities.md`: a resource and a role for each row.

use rig::strict::{Iam, Policy, Role};
use serde_json::{Value, json};

use super::operator::{Identity, ROLE};
use super::policies::{self, Found, Kind};
use super::table::Table;
use super::{Outcome, Scene, assert_documented, outcome, settled};
use crate::world::World;

/// A row: its name in the docs, and what it requests of which role.
struct Probe {
    row: &'static str,
    /// Other roles have the account of the operator.
    other_account: bool,
    /// What the trust policy names.
    trusts: Trusts,
    actions: &'static [&'static str],
    request: Value,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trusts {
    Operator,
    Account,
    ServiceAccount,
}

fn probes() -> Vec<Probe> {
    let plain = |row, actions, request| Probe {
        row,
        other_account: false,
        trusts: Trusts::Operator,
        actions,
        request,
    };
    let both: &[&str] = &["sts:AssumeRole", "sts:TagSession"];
    let source: &[&str] = &["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"];
    vec![
        plain("assumeRole for up to 1h", both, json!({})),
        plain("assumeRole for more than 1h", both, json!({"duration": "2h"})),
        plain(
            "assumeRole without tags, if the trust policy does not allow sts:TagSession",
            &["sts:AssumeRole"],
            json!({}),
        ),
        plain(
            "assumeRole with a tag kubernetes-namespace",
            both,
            json!({"tags": {"kubernetes-namespace": "a"}}),
        ),
        plain(
            "assumeRole with sourceIdentity, if only the trust policy allows sts:SetSourceIdentity",
            source,
            json!({"sourceIdentity": "alice"}),
        ),
        Probe {
            trusts: Trusts::Account,
            ..plain(
                "assumeRole, if the trust policy names the account and no policy of the operator allows it",
                both,
                json!({}),
            )
        },
        Probe {
            other_account: true,
            ..plain(
                "assumeRole in another account, if no policy of the operator allows it",
                both,
                json!({}),
            )
        },
        Probe {
            trusts: Trusts::ServiceAccount,
            ..plain(
                "assumeRoleWithWebIdentity for 12h",
                &["sts:AssumeRoleWithWebIdentity"],
                json!({"duration": "12h", "serviceAccountName": "default"}),
            )
        },
    ]
}

impl Probe {
    fn name(index: usize) -> String {
        format!("probe-{index}")
    }

    fn role(&self, index: usize) -> String {
        let account = if self.other_account { "210987654321" } else { "123456789012" };
        format!("arn:aws:iam::{account}:role/{}", Self::name(index))
    }

    fn spec(&self, index: usize) -> Value {
        let mut request = self.request.clone();
        request["roleArn"] = self.role(index).into();
        match self.trusts {
            Trusts::ServiceAccount => json!({"assumeRoleWithWebIdentity": request}),
            Trusts::Operator | Trusts::Account => json!({"assumeRole": request}),
        }
    }
}

/// The namespace of these resources, whose grant sets no tags.
pub fn namespace(world: &World) -> String {
    format!("{}-probes", world.namespace)
}

/// Adds the roles.
pub fn add(iam: &mut Iam, identity: Identity) {
    for (index, probe) in probes().iter().enumerate() {
        let provider = iam.oidc.keys().next().cloned().unwrap();
        let principal = match probe.trusts {
            Trusts::Operator => json!({"AWS": identity.arn()}),
            Trusts::Account => json!({"AWS": "arn:aws:iam::123456789012:root"}),
            Trusts::ServiceAccount => json!({"Federated": provider}),
        };
        let trust = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": principal, "Action": probe.actions}]});
        let trust = Policy::trust(&trust.to_string()).unwrap();
        iam.roles
            .insert(probe.role(index), Role { trust, permissions: vec![], max_session: 43_200 });
    }
}

/// Asserts that a role whose trust policy names the account needs the permission policy of the operator in the docs, and
/// each action in it.
pub async fn the_operators_own_policy_is_needed(scene: &Scene) {
    let arn = scene.identity.arn();
    let mut policies = scene.docs.iter().filter(|f| f.kind == Kind::Permission && f.arn == ROLE);
    let found = Found { arn: arn.to_owned(), ..policies.next().expect("the docs have it").clone() };
    let role = "arn:aws:iam::123456789012:role/reports-reader";
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
        "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]}]});
    scene.strict.change(|iam| {
        iam.roles.get_mut(role).unwrap().trust = Policy::trust(&trust.to_string()).unwrap();
        policies::add(iam, &found, &[]);
    });
    let before = scene.strict.verdicts().len();
    let request = json!({"roleArn": role, "sourceIdentity": "alice", "tags": {"team": "a"}});
    let (world, namespace) = (&scene.world, namespace(&scene.world));
    let object = resource("delegated", &json!({"assumeRole": request}));
    crate::examples::apply(world, &namespace, &object, false).unwrap();
    let api = kube::Api::namespaced(world.client.clone(), &namespace);
    let outcome = outcome(&settled(&api, "delegated").await);
    assert_eq!(outcome, Outcome::Ready, "{:?}", scene.identity);
    let mut verdicts = scene.strict.verdicts().split_off(before);
    verdicts.retain(|verdict| verdict.role_arn() == Some(role));
    scene.assert_each_action_is_needed(&[found], &verdicts, |_, _| false);
}

pub fn resource(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
        "metadata": {"name": name}, "spec": spec,
    })
}

/// Creates the resources, and compares what becomes of them with the docs.
pub async fn each_does_what_the_docs_say(scene: &Scene) {
    let table = Table::read("Request");
    let probes = probes();
    assert_eq!(table.names(), probes.iter().map(|probe| probe.row).collect::<Vec<_>>());
    let world = &scene.world;
    let namespace = namespace(world);
    let roles = [
        "arn:aws:iam::123456789012:role/probe-*",
        "arn:aws:iam::210987654321:role/probe-*",
        "arn:aws:iam::123456789012:role/reports-reader",
    ];
    let may = json!({"tenantMaySet": ["sourceIdentity", "tags"]});
    let grant = json!({"namespaces": {"names": [namespace]}, "roleArns": roles, "session": may});
    world.grant(&namespace, grant).await;
    for (index, probe) in probes.iter().enumerate() {
        let object = resource(&Probe::name(index), &probe.spec(index));
        crate::examples::apply(world, &namespace, &object, false).unwrap();
    }
    let api = kube::Api::namespaced(world.client.clone(), &namespace);
    for (index, probe) in probes.iter().enumerate() {
        let status = settled(&api, &Probe::name(index)).await;
        let what = format!("{}, {:?}", probe.row, scene.identity);
        assert_documented(&what, table.cell(probe.row, scene.identity), &outcome(&status));
    }
}
