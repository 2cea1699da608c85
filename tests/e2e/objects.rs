//! The objects of a world: resources, Secrets and events, and the requests of the operator for them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tempcred_core::api::{CredentialStatus, TemporaryCredential};

use crate::check::{POLL, assert_complete, data, is_ready, wait_until};
use crate::world::{SOON, World};

/// What the operator wrote in a namespace, by the audit log of the API server.
#[derive(Debug, PartialEq, Eq, Clone, Copy, Default)]
pub struct Writes {
    pub secrets: usize,
    pub statuses: usize,
    pub events: usize,
}

impl World {
    pub fn credentials(&self) -> Api<TemporaryCredential> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates a resource with this spec.
    pub async fn create(&self, name: &str, spec: Value) -> TemporaryCredential {
        self.try_create(name, spec).await.unwrap()
    }

    /// Creates a resource that the API server may refuse.
    pub async fn try_create(&self, name: &str, spec: Value) -> kube::Result<TemporaryCredential> {
        // As JSON, not as our type: our type could not hold an invalid spec.
        let object: kube::api::DynamicObject = serde_json::from_value(json!({
            "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
            "metadata": {"name": name, "namespace": self.namespace}, "spec": spec,
        }))
        .unwrap();
        let resource = kube::api::ApiResource::erase::<TemporaryCredential>(&());
        let api: Api<kube::api::DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let created = api.create(&PostParams::default(), &object).await?;
        Ok(serde_json::from_value(serde_json::to_value(created).unwrap()).unwrap())
    }

    /// Changes a resource by a JSON merge patch.
    pub async fn patch(&self, name: &str, patch: Value) -> TemporaryCredential {
        self.credentials().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap()
    }

    /// Requests a renewal of a resource, with this value.
    pub async fn request_renewal(&self, name: &str, value: &str) {
        let annotations = json!({"tempcred.dev/renew-requested-at": value});
        self.patch(name, json!({"metadata": {"annotations": annotations}})).await;
    }

    /// Changes a Secret by a JSON merge patch, as an administrator.
    pub async fn edit_secret(&self, name: &str, patch: Value) -> Secret {
        self.secrets().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap()
    }

    /// Creates a Secret with these values.
    pub async fn create_secret(&self, name: &str, values: Value) -> Secret {
        let secret = json!({"metadata": {"name": name}, "stringData": values});
        let secret = serde_json::from_value(secret).unwrap();
        self.secrets().create(&PostParams::default(), &secret).await.unwrap()
    }

    /// Waits until a Secret is gone.
    pub async fn wait_for_removal(&self, secret: &str) {
        wait_until(&format!("Secret {secret} is gone"), SOON, || async {
            self.secrets().get_opt(secret).await.unwrap().is_none().then_some(())
        })
        .await;
    }

    /// Waits until a resource is as the test wants it.
    pub async fn wait(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&CredentialStatus) -> bool,
    ) -> TemporaryCredential {
        self.wait_at_most(SOON, name, what, wanted).await
    }

    /// The same, with a deadline of the test's choice.
    pub async fn wait_at_most(
        &self,
        at_most: Duration,
        name: &str,
        what: &str,
        wanted: impl Fn(&CredentialStatus) -> bool,
    ) -> TemporaryCredential {
        let begin = Instant::now();
        loop {
            let resource = self.credentials().get(name).await.unwrap();
            if resource.status.as_ref().is_some_and(&wanted) {
                return resource;
            }
            assert!(
                begin.elapsed() < at_most,
                "{name} is not {what} after {at_most:?}; its status: {}",
                serde_yaml::to_string(&resource.status).unwrap()
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// Creates a resource and waits until it is ready.
    pub async fn issue(&self, name: &str, spec: Value) -> TemporaryCredential {
        self.create(name, spec).await;
        self.wait(name, "ready", is_ready).await
    }

    /// Asserts that a Secret holds a complete credential. Returns its access key ID.
    pub async fn complete_key(&self, secret: &str) -> String {
        assert_complete(&self.secrets().get(secret).await.unwrap())
    }

    /// The data of a Secret, as text.
    pub async fn data(&self, name: &str) -> BTreeMap<String, String> {
        data(&self.secrets().get(name).await.unwrap())
    }

    /// What the operator has written in this namespace so far.
    pub fn writes(&self) -> Writes {
        let audit = self.rig.audit().expect("needs the rig's own API server");
        let requests = audit.requests(self.rig.operator().name(), Some(&self.namespace)).unwrap();
        let mut writes = Writes::default();
        let is_write = |verb: &str| ["create", "update", "patch", "delete"].contains(&verb);
        for request in requests.iter().filter(|r| is_write(&r.verb)) {
            match (request.resource.as_str(), request.subresource.as_str()) {
                ("secrets", _) => writes.secrets += 1,
                ("temporarycredentials", "status") => writes.statuses += 1,
                ("events", _) => writes.events += 1,
                other => panic!("the operator wrote {other:?}"),
            }
        }
        writes
    }

    /// How many requests of any kind the operator has made in this namespace so far.
    pub fn requests(&self) -> usize {
        let audit = self.rig.audit().expect("needs the rig's own API server");
        audit.requests(self.rig.operator().name(), Some(&self.namespace)).unwrap().len()
    }

    /// The events about a resource: type, reason and note.
    pub async fn events(&self, name: &str) -> Vec<(String, String, String)> {
        let mut events = self.all_events().await;
        events.retain(|event| about(event) == Some(name));
        events.sort_by_key(|e| e.event_time.clone());
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        events.iter().map(|e| (text(&e.type_), text(&e.reason), text(&e.note))).collect()
    }

    /// The names of the resources that have an event.
    pub async fn resources_with_events(&self) -> BTreeSet<String> {
        self.all_events().await.iter().filter_map(about).map(str::to_owned).collect()
    }

    async fn all_events(&self) -> Vec<Event> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        api.list(&ListParams::default()).await.unwrap().items
    }

    /// Runs kubectl in this namespace, and returns its output.
    pub fn kubectl(&self, args: &[&str]) -> String {
        let output = self.rig.kubectl().args(["-n", &self.namespace]).args(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "kubectl {args:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }
}

/// The name of the resource that an event is about.
fn about(event: &Event) -> Option<&str> {
    event.regarding.as_ref()?.name.as_deref()
}
