//! A resource with everything that decides about it, as one operator sees it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};
use tempcred_core::api::{CredentialStatus, TemporaryCredential};
use tempcred_core::credentials::{AccessKey, Reply, Values};
use tempcred_core::desired::Desired;
use tempcred_core::grant::Grants;
use tempcred_core::key::Key;
use tempcred_core::observed::Memory;
use tempcred_core::queue::Queue;
use tempcred_core::request::region::Regions;
use tempcred_core::secret::{KeyPrefixes, prune_secret};

/// When the resource was created.
pub const CREATED: i64 = 1_900_000_000;

/// A point in time, in seconds after the creation.
pub fn after(seconds: i64) -> Timestamp {
    Timestamp::from_second(CREATED + seconds).expect("a time")
}

/// One resource, and what the operator knows.
pub struct Scene {
    pub resource: TemporaryCredential,
    pub key: Key,
    pub memory: Memory,
    /// The status that was last written.
    pub saved: Arc<CredentialStatus>,
    pub queue: Queue,
    /// The Secret in the API server.
    pub secret: Option<Secret>,
    /// Its metadata in the watch.
    pub watched: Option<ObjectMeta>,
    pub now: Timestamp,
    pub regions: Regions,
    grants: Grants,
    prefixes: KeyPrefixes,
    writes: u32,
}

impl Scene {
    /// A resource that was just created.
    pub fn new() -> Self {
        let resource: TemporaryCredential = parse(json!({
            "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
            "metadata": {
                "name": "reports", "namespace": "team-7", "generation": 1,
                "uid": "6f2c1bd0-3f0e-4f6e-9d1c-0f9a6f3f7c11", "resourceVersion": "41",
                "creationTimestamp": after(0).to_string(),
            },
            "spec": {
                "assumeRole": {
                    "roleArn": "arn:aws:iam::123456789012:role/team-7/reports-reader",
                    "duration": "1h", "tags": {"cost-center": "4711"},
                },
                "region": "eu-central-1",
                "secret": {"name": "reports-aws", "labels": {"team": "reports"}},
            },
        }));
        Self {
            key: Key::of(&resource.metadata),
            memory: Memory::of(&resource),
            saved: Arc::default(),
            queue: Queue::new(16, 100.0),
            secret: None,
            watched: None,
            now: after(0),
            regions: Regions::new(Some("eu-central-1".to_owned()), []),
            grants: grants(),
            prefixes: KeyPrefixes::default(),
            resource,
            writes: 0,
        }
    }

    /// The desired state.
    pub fn desired(&self) -> Desired {
        let desired = Desired::compile(&self.resource, &self.grants);
        let desired = desired.expect("the namespace is in the cache").in_regions(&self.regions);
        desired.limited(&self.prefixes)
    }

    /// The time on the clock of the queue.
    pub fn uptime(&self) -> Duration {
        let uptime = self.now.duration_since(after(-60));
        Duration::try_from(uptime).expect("a time after the start")
    }

    /// What STS replies now.
    pub fn reply(&self) -> Reply {
        Reply {
            values: Values::AccessKey(AccessKey {
                access_key_id: "ASIAIOSFODNN7EXAMPLE".to_owned(),
                secret_access_key: "w".repeat(40).into(),
                session_token: "FwoGZXIvYXdzEB8aDKz+/=".repeat(30).into(),
            }),
            expiration: self.now + jiff::SignedDuration::from_hours(1),
            principal_arn: Some(
                "arn:aws:sts::123456789012:assumed-role/reports-reader/tempcred-team-7.reports"
                    .to_owned(),
            ),
            packed_policy_size: Some(6),
        }
    }

    /// Stores an applied manifest, as the API server does, and returns its resource version.
    pub fn store(&mut self, manifest: &[u8]) -> String {
        let secret = serde_json::from_slice(manifest).expect("a manifest is a Secret");
        self.change_secret(secret)
    }

    /// A user edits the Secret.
    pub fn edit_secret(&mut self) {
        let mut secret = self.secret.clone().expect("a Secret");
        let data = secret.data.as_mut().expect("it has data");
        data.get_mut("AWS_SECRET_ACCESS_KEY").expect("the key").0 = b"edited".to_vec();
        self.change_secret(secret);
    }

    fn change_secret(&mut self, mut secret: Secret) -> String {
        self.writes += 1;
        let version = (100 + self.writes).to_string();
        secret.metadata.uid = Some("0a4f1c6e-7be2-4a0b-8f57-9f3f7a1d2b33".to_owned());
        secret.metadata.resource_version = Some(version.clone());
        let mut metadata = secret.metadata.clone();
        prune_secret(&mut metadata);
        (self.watched, self.secret) = (Some(metadata), Some(secret));
        version
    }
}

/// Grants of twenty teams, and one that constrains all of them.
fn grants() -> Grants {
    let mut grants = Grants::new("production".to_owned());
    for team in 0..20 {
        let name = format!("team-{team}");
        grants.set_namespace(&name, &[("team".to_owned(), name.clone())].into());
        grants.set(&parse(grant(
            &name,
            json!({
                "namespaces": {"names": [name]},
                "roleArns": [format!("arn:aws:iam::123456789012:role/{name}/*")],
                "session": {"tenantMaySet": ["tags"]},
            }),
        )));
    }
    let session = json!({"attribution": true, "tenantMaySet": ["tags"]});
    grants.set(&parse(grant(
        "baseline",
        json!({
            "mode": "Constrain", "namespaces": {"names": ["*"]}, "roleArns": ["*"],
            "session": session,
        }),
    )));
    grants
}

fn grant(name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "tempcred.dev/v1alpha1", "kind": "RoleGrant",
        "metadata": {"name": name}, "spec": spec,
    })
}

fn parse<T: serde::de::DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).expect("an object of the API")
}
