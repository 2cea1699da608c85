//! Watches of the resources, the grants, and the metadata of Secrets and Namespaces. The data of Secrets is never
//! watched, so no cache contains secret values.

mod cache;
mod changes;
pub(super) mod pages;
mod pruned;

use std::sync::Arc;
use std::time::Duration;

use backon::ExponentialBuilder;
use futures::future::ready;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::PartialObjectMeta;
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, ExponentialBackoff, watcher};
use kube::{Api, Client, Resource};
use tempcred_core::api::StoredGrant;
use tempcred_core::secret::{CREDENTIAL_UID, labelled_owner};
use tokio::sync::SetOnce;

pub use cache::{Credentials, OwnedSecrets, Resources, SecretMeta, Secrets};
pub use changes::{Change, Changes, Names, Watched};
use pruned::{PrunedCredential, PrunedNamespace, PrunedSecret, SecretName};
pub use tempcred_core::key::Key;

/// The metadata of a Namespace.
pub type NamespaceMeta = PartialObjectMeta<Namespace>;

/// Set once a cache is synced.
///
/// `Store::wait_until_ready` of kube-runtime has the same purpose, but wakes only one of several waiting tasks.
pub type Synced = Arc<SetOnce<()>>;

/// Lists in pages, whose size `pages::limited` decides.
fn config() -> watcher::Config {
    watcher::Config::default().page_size(pages::MOST)
}

/// The names of the objects of a watch, and the changes.
pub struct Named {
    /// The names.
    pub names: Names,
    /// The changes, which must be polled to update the names.
    pub changes: BoxStream<'static, Change<SecretMeta>>,
}

fn api<K>(client: Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    let client = pages::limited(client);
    match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    }
}

/// Watches the resources of one namespace, or of all namespaces, that match a label selector. Their identity is their
/// UID.
pub fn credentials(client: Client, namespace: Option<&str>, selector: Option<&str>) -> Credentials {
    let config = selector.iter().fold(config(), |config, selector| config.labels(selector));
    let api = api::<PrunedCredential>(client, namespace);
    Credentials::new(logged(changes("TemporaryCredentials", uid, watcher(api, config))))
}

/// Watches the metadata of the Secrets that tempcred wrote. Their identity is the UID of the resource that they belong
/// to.
pub fn owned_secrets(client: Client, namespace: Option<&str>) -> OwnedSecrets {
    let config = config().labels(CREDENTIAL_UID);
    let owner =
        |metadata: &kube::core::ObjectMeta| labelled_owner(metadata).unwrap_or_default().to_owned();
    let watch = watcher(api::<PrunedSecret>(client, namespace), config);
    OwnedSecrets::new(changes("Secrets", owner, watch))
}

/// Watches the metadata of the Secrets that tempcred did not write. Some of them may be inputs of requests. Only their
/// names are stored.
pub fn other_secrets(client: Client, namespace: Option<&str>) -> Named {
    let config = config().labels(&format!("!{CREDENTIAL_UID}"));
    let watch = watcher(api::<SecretName>(client, namespace), config);
    let tracked = Changes::new(|_| String::new());
    Named { names: tracked.names(), changes: tracked_changes("Secrets", tracked, watch).boxed() }
}

/// Lists the grants, and watches them until the watch fails. Then the stream ends. Their specs are decoded later, because a
/// grant that cannot be decoded must not be ignored.
///
/// Unlike the other watches, it does not resume: the caller checks first whether the grants still have the same
/// CustomResourceDefinition.
pub fn grants(client: Client) -> impl Stream<Item = Change<StoredGrant>> + Send + use<> {
    let api = Api::<DeserializeGuard<StoredGrant>>::all(pages::limited(client));
    let mut changes = Changes::new(|_| String::new());
    let events = watcher(api, config());
    let events = events.scan((), |(), event| {
        ready(
            event
                .inspect_err(|error| tracing::warn!(%error, "the watch of RoleGrants failed"))
                .ok(),
        )
    });
    events.flat_map(move |event| stream::iter(changes.of(event)))
}

/// Watches the metadata of one namespace, or of all namespaces.
pub fn namespaces(
    client: Client,
    namespace: Option<&str>,
) -> impl Stream<Item = Change<NamespaceMeta>> + Send + use<> {
    // With the name as a field selector, the permission for this one namespace is sufficient.
    let config = namespace
        .iter()
        .fold(config(), |config, name| config.fields(&format!("metadata.name={name}")));
    let api = Api::<PrunedNamespace>::all(pages::limited(client));
    changes("Namespaces", |_| String::new(), watcher(api, config))
}

fn uid(metadata: &kube::core::ObjectMeta) -> String {
    metadata.uid.clone().unwrap_or_default()
}

/// Converts the events of a watch to changes.
fn changes<W: Watched + Send + 'static>(
    kind: &'static str,
    identity: fn(&kube::core::ObjectMeta) -> String,
    events: impl Stream<Item = watcher::Result<Event<W>>> + Send + 'static,
) -> impl Stream<Item = Change<W::Object>> + Send
where
    W::Object: Send,
{
    tracked_changes(kind, Changes::new(identity), events)
}

/// Logs the objects that cannot be decoded.
fn logged<K>(
    changes: impl Stream<Item = Change<K>> + Send,
) -> impl Stream<Item = Change<K>> + Send {
    changes.inspect(|change| {
        if let Change::Undecodable(Key { namespace, name }, error) = change {
            tracing::warn!(namespace, name, error, "the object cannot be decoded and is ignored");
        }
    })
}

fn tracked_changes<W: Watched + Send + 'static>(
    kind: &'static str,
    mut changes: Changes,
    events: impl Stream<Item = watcher::Result<Event<W>>> + Send + 'static,
) -> impl Stream<Item = Change<W::Object>> + Send
where
    W::Object: Send,
{
    events.backoff(backoff()).flat_map(move |event| {
        let event = event.map(|event| changes.of(event)).unwrap_or_else(|error| {
            tracing::warn!(%error, "the watch of {kind} failed and will be retried");
            Vec::new()
        });
        stream::iter(event)
    })
}

/// The backoff before a failed watch is retried: 0.5 s to 4 s. With this maximum, a Secret that was deleted during an
/// outage is restored within seconds after the outage. The default maximum of Kubernetes clients, 30 s, is meant for
/// thousands of clients.
pub fn backoff() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(4))
        .with_jitter()
        .without_max_times()
        .into()
}
