//! The setting of the attacks: a victim with a credential, an attacker with a narrow grant, and one
//! operator that serves both.

use std::collections::BTreeSet;
use std::path::PathBuf;

use futures::future::join_all;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::{Api, Client, ResourceExt};
use rig::User;
use serde_json::{Value, json};
use tempcred_core::api::TemporaryCredential;

use super::attack::{Attack, Refused};
use crate::world::{SOON, World, client, condition, is_ready, wait_until};

/// The role that the attacks aim at. Only the victim has a grant for it.
pub const VICTIM_ROLE: &str = "arn:aws:iam::123456789012:role/victim/payroll";

/// A role that the attacker has a grant for.
pub const OWN: &str = "arn:aws:iam::123456789012:role/attacker/own";

/// The role of a credential that is issued after the attacks: it shows that the operator has handled them.
const LATER: &str = "arn:aws:iam::123456789012:role/attacker/later";

/// Victim and attacker.
pub struct Scene {
    /// The victim's namespace; its STS responder is not used.
    pub victim: World,
    /// The attacker's namespace, with the operator and the STS.
    pub attacker: World,
    /// A kubeconfig of the attacker.
    pub kubeconfig: PathBuf,
    client: Client,
    victim_secret: Secret,
}

impl Scene {
    /// A scene in which the attacker's grant has these fields besides its roles.
    pub async fn new(more: Value, args: &[&str]) -> Self {
        let (victim, mut attacker) = (World::new().await, World::new().await);
        let roles = |roles: &[&str]| {
            let arn = |role: &&str| format!("arn:aws:iam::123456789012:role/{role}");
            roles.iter().map(arn).collect::<Vec<_>>()
        };
        let narrow = |world: &World, of: &[&str]| json!({"namespaces": {"names": [world.namespace]}, "roleArns": roles(of)});
        victim.grant(&victim.namespace, narrow(&victim, &["victim/*"])).await;
        let mut spec = narrow(&attacker, &["attacker/*", "exact", "one-?"]);
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        attacker.grant(&attacker.namespace, spec).await;
        victim.kubectl(&["create", "serviceaccount", "payroll"]);
        let keys = ["AWS_ACCESS_KEY_ID=AKIAVICTIM0000000001", "AWS_SECRET_ACCESS_KEY=x", "t=x"];
        let keys = keys.map(|pair| format!("--from-literal={pair}"));
        let secret = ["create", "secret", "generic", "keys"];
        victim.kubectl(&[&secret[..], &keys.each_ref().map(String::as_str)].concat());
        let (kubeconfig, client) = tenant(&attacker).await;
        let served = ["--namespaces", &victim.namespace];
        attacker.start_operator(&[&served[..], args].concat()).await;
        victim.issue("payroll", json!({"assumeRole": {"roleArn": VICTIM_ROLE}})).await;
        let victim_secret = victim.secrets().get("payroll").await.unwrap();
        Self { victim, attacker, kubeconfig, client, victim_secret }
    }

    /// Carries out all attacks at the same time, and asserts that none succeeds.
    pub async fn withstands(&self, attacks: Vec<Attack>) {
        let before = self.secrets().await;
        let numbered: Vec<_> = attacks.iter().enumerate().collect();
        join_all(numbered.into_iter().map(|(index, attack)| self.carry_out(index, attack))).await;
        // Every effect of the attacks would have come before this.
        self.attacker.issue("later", json!({"assumeRole": {"roleArn": LATER}})).await;
        let requests = self.attacker.sts.requests();
        let asked: Vec<_> = requests.iter().map(|request| request.role_arn()).collect();
        assert_eq!(asked, [Some(VICTIM_ROLE), Some(LATER)], "another call was made");
        let mut expected = before;
        expected.insert("later".to_owned());
        assert_eq!(self.secrets().await, expected, "Secrets of the attacker");
        self.assert_untouched().await;
    }

    /// Asserts that the victim's Secret is what it was, to the byte.
    pub async fn assert_untouched(&self) {
        let victim_secret = self.victim.secrets().get("payroll").await.unwrap();
        assert_eq!(victim_secret, self.victim_secret, "the victim's Secret was touched");
    }

    async fn carry_out(&self, index: usize, attack: &Attack) {
        let row = attack.name;
        let name = attack.called.clone().unwrap_or_else(|| format!("attack-{index}"));
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
            "metadata": {"name": name, "annotations": attack.annotations}, "spec": attack.spec,
        }))
        .unwrap();
        let created = self.api().create(&PostParams::default(), &object).await;
        let (reason, says) = match (&attack.refused, created) {
            (Refused::ByApiServer(says), Err(error)) => {
                let error = error.to_string();
                assert!(error.contains(says), "{row}: {error}");
                return;
            }
            (Refused::ByApiServer(_), Ok(_)) => panic!("{row}: was accepted"),
            (Refused::ByOperator(..), Err(error)) => panic!("{row}: {error}"),
            (Refused::ByOperator(reason, says), Ok(_)) => (*reason, *says),
        };
        let refused = |s: &_| condition(s, "Ready") == Some((false, reason));
        let refused = self.attacker.wait(&name, row, refused).await;
        let status = refused.status.unwrap();
        assert!(!is_ready(&status), "{row}");
        let text = serde_json::to_string(&status).unwrap();
        assert!(status.failure.unwrap().message.contains(says), "{row}: {text}");
        let asked = attack.spec.to_string();
        for private in [&self.victim.namespace, VICTIM_ROLE, "payroll", "AKIAVICTIM"] {
            assert!(!names(&text, private) || asked.contains(private), "{row} reveals: {text}");
        }
    }

    /// The attacker's resources, as the attacker.
    pub fn api(&self) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<TemporaryCredential>(&());
        Api::namespaced_with(self.client.clone(), &self.attacker.namespace, &resource)
    }

    async fn secrets(&self) -> BTreeSet<String> {
        let all = self.attacker.secrets().list(&Default::default()).await.unwrap();
        all.iter().map(ResourceExt::name_any).collect()
    }
}

/// Whether a text contains this, and not as the beginning of a longer number: namespaces are numbered.
fn names(text: &str, what: &str) -> bool {
    let mut found = text.match_indices(what);
    found.any(|(at, _)| !text[at + what.len()..].starts_with(|c: char| c.is_ascii_digit()))
}

/// A tenant of a namespace: may edit it, and the credentials in it.
async fn tenant(world: &World) -> (PathBuf, Client) {
    let name = &world.namespace;
    let account = format!("--serviceaccount={name}:tenant");
    let verbs = "--verb=get,list,watch,create,update,patch,delete,deletecollection";
    let credentials = "--resource=temporarycredentials.tempcred.dev";
    world.kubectl(&["create", "serviceaccount", "tenant"]);
    world.kubectl(&["create", "role", "tenant", verbs, credentials]);
    world.kubectl(&["create", "rolebinding", "tenant", "--role=tenant", &account]);
    world.kubectl(&["create", "rolebinding", "editor", "--clusterrole=edit", &account]);
    let user = User::service_account(name, "tenant");
    let kubeconfig = world.rig.kubeconfig_for(&user, None).unwrap();
    let client = client(&kubeconfig, |_| ()).await;
    // A role takes effect a moment after it is written.
    let api: Api<TemporaryCredential> = Api::namespaced(client.clone(), name);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), name);
    wait_until("the tenant has its rights", SOON, || async {
        let all = (api.list(&Default::default()).await, secrets.list(&Default::default()).await);
        (all.0.is_ok() && all.1.is_ok()).then_some(())
    })
    .await;
    (kubeconfig, client)
}
