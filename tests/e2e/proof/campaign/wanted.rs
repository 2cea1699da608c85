//! What users want in a campaign, and whether it holds.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::StreamExt;
use futures::stream;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::{RwLock, RwLockReadGuard};

use crate::check::POLL;
use crate::world::World;

/// Attempts of a user to write while the API server is away.
const PERSISTENCE: Duration = Duration::from_secs(60);

/// How long a user waits for the garbage collector, before they delete the Secret of a deleted resource.
const COLLECTED: Duration = Duration::from_secs(30);

/// The deadline for the removal of a namespace with everything in it.
const EMPTIED: Duration = Duration::from_secs(180);

/// What a user wants of a resource.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spec {
    /// Number of the role.
    pub role: u32,
    /// Whether the Secret has only environment variables.
    pub env_only: bool,
    /// Number of requested renewals.
    pub renewals: u32,
}

/// Everything that users want.
pub struct Wanted {
    pub namespaces: Vec<String>,
    client: Client,
    /// Held alone while a namespace does not exist, and together by users who change something in it.
    exist: Vec<RwLock<()>>,
    specs: Mutex<Vec<Spec>>,
    /// The spec of a grant of all roles.
    grant: Value,
}

/// The spec of a resource.
fn spec(wanted: Spec) -> Value {
    let formats: &[&str] =
        if wanted.env_only { &["env"] } else { &["env", "credentialsFile", "credentialProcess"] };
    json!({
        "assumeRole": {"roleArn": role(wanted), "duration": "15m"},
        // Each is rotated every minute, and has 13 minutes to be late.
        "renewal": {"before": "14m"},
        "secret": {"formats": formats},
    })
}

fn role(wanted: Spec) -> String {
    format!("arn:aws:iam::123456789012:role/role-{}", wanted.role)
}

fn name(number: usize) -> String {
    format!("c{number}")
}

impl Wanted {
    /// Creates namespaces, grants and resources.
    pub async fn create(world: &World, resources: usize, namespaces: usize) -> Self {
        let namespaces: Vec<_> =
            (0..namespaces).map(|number| format!("{}-{number}", world.namespace)).collect();
        // The grants of a world are for all namespaces with its prefix: each of these gets its own instead.
        world.withdraw(&world.namespace).await;
        let wanted = Self {
            exist: namespaces.iter().map(|_| RwLock::default()).collect(),
            namespaces,
            client: world.client.clone(),
            specs: Mutex::new(vec![Spec::default(); resources]),
            grant: world.any_role(),
        };
        for number in 0..wanted.namespaces.len() {
            wanted.create_namespace(number).await;
            wanted.grant(number).await;
        }
        stream::iter(0..resources).for_each_concurrent(16, |number| wanted.apply(number)).await;
        wanted
    }

    async fn create_namespace(&self, number: usize) {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespaces[number]},
        });
        let (api, params) = (self.all_namespaces(), PatchParams::apply("user"));
        persist(async || {
            let namespace = Patch::Apply(namespace.clone());
            api.patch(&self.namespaces[number], &params, &namespace).await.map(drop)
        })
        .await;
    }

    fn all_namespaces(&self) -> Api<Namespace> {
        Api::all(self.client.clone())
    }

    /// Deletes a namespace with everything in it, and creates all of it again.
    pub async fn recreate_namespace(&self, number: usize) {
        let _alone = self.exist[number].write().await;
        let (api, name) = (self.all_namespaces(), &self.namespaces[number]);
        persist(async || gone(api.delete(name, &Default::default()).await.map(drop))).await;
        let begin = Instant::now();
        while !matches!(api.get_opt(name).await, Ok(None)) {
            assert!(begin.elapsed() < EMPTIED, "{name} still exists after {EMPTIED:?}");
            tokio::time::sleep(POLL).await;
        }
        self.create_namespace(number).await;
        let count = self.specs.lock().unwrap_or_else(PoisonError::into_inner).len();
        let theirs = (number..count).step_by(self.namespaces.len());
        stream::iter(theirs).for_each_concurrent(16, |number| self.apply(number)).await;
    }

    /// Waits until the namespace of a resource exists, and keeps it in existence.
    async fn existing(&self, number: usize) -> RwLockReadGuard<'_, ()> {
        self.exist[number % self.exist.len()].read().await
    }

    fn namespace(&self, number: usize) -> &str {
        &self.namespaces[number % self.namespaces.len()]
    }

    fn resources(&self, namespace: &str) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("tempcred.dev", "v1alpha1", "TemporaryCredential");
        Api::namespaced_with(self.client.clone(), namespace, &ApiResource::from_gvk(&kind))
    }

    fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }

    fn wanted(&self, number: usize) -> Spec {
        self.specs.lock().unwrap_or_else(PoisonError::into_inner)[number]
    }

    /// Applies what is wanted of a resource.
    async fn apply(&self, number: usize) {
        let wanted = self.wanted(number);
        let mut object = json!({
            "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
            "metadata": {"name": name(number)}, "spec": spec(wanted),
        });
        if wanted.renewals > 0 {
            let request = wanted.renewals.to_string();
            object["metadata"]["annotations"] = json!({"tempcred.dev/renew-requested-at": request});
        }
        let api = self.resources(self.namespace(number));
        let params = PatchParams::apply("user").force();
        persist(async || {
            let object = Patch::Apply(object.clone());
            api.patch(&name(number), &params, &object).await.map(drop)
        })
        .await;
    }

    /// Changes what is wanted of a resource.
    pub async fn change(&self, number: usize, change: impl Fn(&mut Spec)) {
        let _exists = self.existing(number).await;
        change(&mut self.specs.lock().unwrap_or_else(PoisonError::into_inner)[number]);
        self.apply(number).await;
    }

    /// Requests a renewal.
    pub async fn renew(&self, number: usize) {
        self.change(number, |wanted| wanted.renewals += 1).await;
    }

    /// Deletes a resource, and creates it again. If its Secret is left, deletes it as the message advises.
    pub async fn recreate(&self, number: usize) {
        let _exists = self.existing(number).await;
        let api = self.resources(self.namespace(number));
        persist(async || gone(api.delete(&name(number), &Default::default()).await.map(drop)))
            .await;
        self.apply(number).await;
        tokio::time::sleep(COLLECTED).await;
        self.delete_left_secret(number).await;
    }

    /// Deletes the Secret of an earlier resource, which the garbage collector has overlooked: it does so if the owner is
    /// deleted when the API server has just started.
    async fn delete_left_secret(&self, number: usize) {
        let (resources, secrets) =
            (self.resources(self.namespace(number)), self.secrets(self.namespace(number)));
        persist(async || {
            let resource = resources.get_opt(&name(number)).await?;
            let secret = secrets.get_opt(&name(number)).await?;
            let Some((resource, secret)) = resource.zip(secret) else { return Ok(()) };
            let owners = secret.metadata.owner_references.unwrap_or_default();
            if owners.iter().all(|owner| Some(&owner.uid) == resource.metadata.uid.as_ref()) {
                return Ok(());
            }
            println!("{} is left of an earlier resource", name(number));
            let only = Preconditions { uid: secret.metadata.uid, resource_version: None };
            gone(
                secrets
                    .delete(&name(number), &DeleteParams::default().preconditions(only))
                    .await
                    .map(drop),
            )
        })
        .await;
    }

    /// Changes a Secret. Nothing happens if there is none now.
    pub async fn patch_secret(&self, number: usize, patch: Value) {
        let _exists = self.existing(number).await;
        let api = self.secrets(self.namespace(number));
        let params = PatchParams::default();
        persist(async || {
            let patch = Patch::Merge(patch.clone());
            gone(api.patch(&name(number), &params, &patch).await.map(drop))
        })
        .await;
    }

    /// Deletes a Secret.
    pub async fn delete_secret(&self, number: usize) {
        let _exists = self.existing(number).await;
        let api = self.secrets(self.namespace(number));
        persist(async || gone(api.delete(&name(number), &Default::default()).await.map(drop)))
            .await;
    }

    /// Grants all roles to a namespace.
    pub async fn grant(&self, number: usize) {
        let mut spec = self.grant.clone();
        spec["namespaces"] = json!({"names": [self.namespaces[number]]});
        let grant = json!({
            "apiVersion": "tempcred.dev/v1alpha1", "kind": "RoleGrant",
            "metadata": {"name": self.namespaces[number]}, "spec": spec,
        });
        let (api, params) = (self.grants(), PatchParams::apply("user").force());
        persist(async || {
            let grant = Patch::Apply(grant.clone());
            api.patch(&self.namespaces[number], &params, &grant).await.map(drop)
        })
        .await;
    }

    /// Withdraws the grant of a namespace.
    pub async fn withdraw(&self, number: usize) {
        let api = self.grants();
        let grant = &self.namespaces[number];
        persist(async || gone(api.delete(grant, &Default::default()).await.map(drop))).await;
    }

    fn grants(&self) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("tempcred.dev", "v1alpha1", "RoleGrant");
        Api::all_with(self.client.clone(), &ApiResource::from_gvk(&kind))
    }

    /// Waits until everything holds at one moment. Calls `between` after each check.
    pub async fn until_it_holds<F: Future<Output = ()>>(
        &self,
        at_most: Duration,
        between: impl Fn() -> F,
    ) {
        let begin = Instant::now();
        loop {
            let missing = self.missing().await;
            if missing.is_empty() {
                return;
            }
            assert!(
                begin.elapsed() < at_most,
                "not after {at_most:?}: {} do not hold, such as {:#?}",
                missing.len(),
                missing.iter().take(5).collect::<Vec<_>>()
            );
            between().await;
            tokio::time::sleep(POLL * 4).await;
        }
    }

    /// The resources for which something does not hold.
    async fn missing(&self) -> BTreeSet<String> {
        let mut missing = BTreeSet::new();
        let count = self.specs.lock().unwrap_or_else(PoisonError::into_inner).len();
        for (index, namespace) in self.namespaces.iter().enumerate() {
            let resources = self.resources(namespace).list(&Default::default()).await;
            let secrets = self.secrets(namespace).list(&Default::default()).await;
            let (Ok(resources), Ok(secrets)) = (resources, secrets) else {
                missing.insert(format!("{namespace} cannot be listed"));
                continue;
            };
            for number in (index..count).step_by(self.namespaces.len()) {
                let named = |one: &Option<String>| one.as_ref() == Some(&name(number));
                let resource = resources.items.iter().find(|one| named(&one.metadata.name));
                let secret = secrets.items.iter().find(|one| named(&one.metadata.name));
                if let Err(why) = holds(self.wanted(number), resource, secret) {
                    missing.insert(format!("{namespace}/{}: {why}", name(number)));
                }
            }
        }
        missing
    }
}

/// Whether a resource is as the user wants it: Ready, for the wanted role, with a complete Secret of the wanted formats.
fn holds(
    wanted: Spec,
    resource: Option<&DynamicObject>,
    secret: Option<&Secret>,
) -> Result<(), String> {
    let resource = resource.ok_or("it does not exist")?;
    let status = &resource.data["status"];
    let conditions = status["conditions"].as_array();
    let is_true = |wanted: &str| {
        let mut all = conditions.into_iter().flatten();
        all.any(|one| one["type"] == wanted && one["status"] == "True")
    };
    let ensure =
        |holds: bool, what: &str| if holds { Ok(()) } else { Err(format!("{what}: {status}")) };
    ensure(is_true("Ready") && !is_true("RenewalFailing"), "not Ready")?;
    ensure(status["failure"].is_null(), "failing")?;
    let generation = resource.metadata.generation;
    ensure(status["observedGeneration"].as_i64() == generation, "not reconciled")?;
    let principal = status["principalArn"].as_str().unwrap_or_default();
    ensure(principal.contains(&format!("/role-{}/", wanted.role)), "another role")?;
    if wanted.renewals > 0 {
        let served = status["lastRenewRequest"].as_str() == Some(&wanted.renewals.to_string());
        ensure(served, "the renewal was not made")?;
    }
    let secret = secret.ok_or("it has no Secret")?;
    let data = serde_json::to_value(&secret.data).unwrap_or_default();
    let value = |key: &str| {
        let bytes = BASE64_STANDARD.decode(data[key].as_str().unwrap_or_default());
        String::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
    };
    let key = value("AWS_ACCESS_KEY_ID");
    ensure(status["accessKeyId"] == key.as_str(), "the Secret holds another key")?;
    ensure(value("AWS_SECRET_ACCESS_KEY") == rig::sts::secret_for(&key), "an edited Secret")?;
    ensure(value("AWS_SESSION_TOKEN") == rig::sts::token_for(&key), "an edited Secret")?;
    let expiration: Option<Timestamp> = value("AWS_CREDENTIAL_EXPIRATION").parse().ok();
    ensure(expiration.is_some_and(|at| at > Timestamp::now()), "expired")?;
    ensure(data["credentials"].is_null() == wanted.env_only, "other formats")
}

/// An object that is gone is as good as deleted.
fn gone(result: kube::Result<()>) -> kube::Result<()> {
    match result {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other,
    }
}

/// Repeats a request while the API server is away.
async fn persist(request: impl AsyncFn() -> kube::Result<()>) {
    let begin = Instant::now();
    while let Err(error) = request().await {
        assert!(begin.elapsed() < PERSISTENCE, "{error}");
        tokio::time::sleep(POLL).await;
    }
}
