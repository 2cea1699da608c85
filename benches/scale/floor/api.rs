//! The calls of the operator for its own resource, Secret and status, while the watches are open that an operator needs.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::serde::de::DeserializeOwned;
use kube::api::{ListParams, PartialObjectMeta, Patch, PatchParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, Resource};
use serde_json::json;
use tempcred_core::api::{CredentialStatus, RoleGrant, StoredGrant, TemporaryCredential};
use tempcred_core::credentials::{AccessKey, Credentials, Reply, Values};
use tempcred_core::desired::Desired;
use tempcred_core::grant::Grants;
use tempcred_core::observed::KnownSecret;
use tempcred_core::request::Operation;
use tempcred_core::secret::{CREDENTIAL_UID, IssueRecord, Manifest, WriteTarget};
use tempcred_core::status::{self, Outcome};
use tokio::task::JoinSet;

use super::Sts;
use crate::figures::{Figure, Figures};
use crate::fleet::Fleet;
use crate::scene::{self, NAMESPACES, Scene, namespace};

/// The field manager of the operator.
const MANAGER: &str = "tempcred";

/// A resource, compiled, with its status.
struct Item {
    desired: Desired,
    status: CredentialStatus,
}

/// Measures it.
pub async fn measure(scene: &Scene) -> Result<Figures> {
    scene.create_resources().await?;
    let client = scene::client(scene.operator_kubeconfig().await?).await?;
    // They end when this is dropped.
    let _watches = watches(&client).await?;
    // The benchmark watches the resources of the operator, too.
    let _fleet = Fleet::watch(scene).await?;
    let items = Arc::new(items(&client).await?);
    let sts = Sts::of(scene);
    super::measure(scene, Figure::ApiFloorRate, Figure::ApiFloorCpu, move |number| {
        let (client, sts, items) = (client.clone(), sts.clone(), Arc::clone(&items));
        async move { rotate(&client, &sts, items.get(number).context("a resource is missing")?).await }
    })
    .await
}

async fn rotate(client: &Client, sts: &Sts, item: &Item) -> Result<()> {
    let desired = &item.desired;
    let request = desired.request.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
    let Operation::AssumeRole(assume) = &request.operation else { bail!("not an AssumeRole") };
    let call = assume.chain().first().context("no role")?;
    let requested_at = Timestamp::now();
    let reply = sts.assume_role(call.role.as_str(), &call.session_name).await?;
    let issued = reply.credentials.context("no credentials")?;
    let reply = Reply {
        values: Values::AccessKey(AccessKey {
            access_key_id: issued.access_key_id,
            secret_access_key: issued.secret_access_key.into(),
            session_token: issued.session_token.into(),
        }),
        expiration: Timestamp::from_second(issued.expiration.secs())?,
        principal_arn: reply.assumed_role_user.map(|user| user.arn),
        packed_policy_size: None,
    };
    let credentials = Credentials::check(reply, requested_at, Timestamp::now())?;
    let record = IssueRecord::new(desired, &desired.request_hash, &credentials, None);
    let manifest = Manifest::render(desired, &record, &credentials)
        .expect("no template")
        .only_if(&WriteTarget::New);
    let params = PatchParams::apply(MANAGER).force();
    let written = Api::<Secret>::namespaced(client.clone(), &desired.namespace)
        .patch_metadata(manifest.name(), &params, &Patch::Apply(&manifest))
        .await?;
    let known = KnownSecret::Holds {
        record: Box::new(record),
        resource_version: written.metadata.resource_version,
    };
    let status = status::next(desired, &item.status, &known, &Outcome::Succeeded, Timestamp::now());
    let patch = Patch::Apply(json!({
        "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
        "metadata": {"name": desired.name, "uid": desired.uid}, "status": status,
    }));
    Api::<TemporaryCredential>::namespaced(client.clone(), &desired.namespace)
        .patch_status(&desired.name, &params, &patch)
        .await?;
    Ok(())
}

/// All resources, compiled with the grants.
async fn items(client: &Client) -> Result<Vec<Item>> {
    let mut grants = Grants::default();
    for number in 0..NAMESPACES {
        grants.set_namespace(&namespace(number), &Default::default());
    }
    for grant in Api::<StoredGrant>::all(client.clone()).list(&ListParams::default()).await? {
        grants.set(&grant);
    }
    let resources = Api::<TemporaryCredential>::all(client.clone());
    let compile = |resource: TemporaryCredential| {
        let desired = Desired::compile(&resource, &grants).context("an unknown namespace")?;
        Ok(Item { desired, status: resource.status.unwrap_or_default() })
    };
    resources.list(&ListParams::default()).await?.into_iter().map(compile).collect()
}

/// Opens the watches of an operator, and waits until all have listed. Their objects are decoded and dropped.
async fn watches(client: &Client) -> Result<JoinSet<()>> {
    let config = watcher::Config::default;
    let owned = config().labels(CREDENTIAL_UID);
    let others = config().labels(&format!("!{CREDENTIAL_UID}"));
    let mut tasks = JoinSet::new();
    let secrets = || Api::<PartialObjectMeta<Secret>>::all(client.clone());
    let namespaces = Api::<PartialObjectMeta<Namespace>>::all(client.clone());
    let listed = [
        drain(&mut tasks, watcher(Api::<TemporaryCredential>::all(client.clone()), config())),
        drain(&mut tasks, watcher(Api::<RoleGrant>::all(client.clone()), config())),
        drain(&mut tasks, watcher(secrets(), owned)),
        drain(&mut tasks, watcher(secrets(), others)),
        drain(&mut tasks, watcher(namespaces, config())),
    ];
    for listed in listed {
        listed.await.context("a watch ended")?;
    }
    Ok(tasks)
}

/// Polls a watch. The result is sent when it has listed.
fn drain<K>(
    tasks: &mut JoinSet<()>,
    events: impl futures::Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static,
) -> tokio::sync::oneshot::Receiver<()>
where
    K: Resource + DeserializeOwned + Send + 'static,
{
    let (listed, is_listed) = tokio::sync::oneshot::channel();
    tasks.spawn(async move {
        let mut listed = Some(listed);
        let mut events = events.default_backoff().boxed();
        while let Some(event) = events.next().await {
            if let Ok(watcher::Event::InitDone) = event {
                listed.take().map(|listed| listed.send(()));
            }
        }
    });
    is_listed
}
