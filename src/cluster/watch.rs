//! Watches: the resources themselves, and the metadata of their Secrets. Values of Secrets are
//! never watched, so they do not sit in a cache.

use futures::Stream;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PartialObjectMeta;
use kube::core::NamespaceResourceScope;
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};

use crate::api::TemporaryCredential;
use crate::secret::{CREDENTIAL_UID, credential_name};

/// The metadata of a Secret.
pub type SecretMeta = PartialObjectMeta<Secret>;

/// A watch: what it has seen so far, and what it sees next.
pub struct Watch<K: Resource + Clone + 'static, S>
where
    K::DynamicType: std::hash::Hash + Eq,
{
    /// What it has seen.
    pub store: Store<K>,
    /// What it sees next.
    pub stream: S,
}

fn api<K>(client: Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    }
}

/// Watches the resources of one namespace, or of all, that a label selector matches. `forget` is
/// called with the UID of each that goes away.
pub fn credentials<F: Fn(&str) + Send + 'static>(
    client: Client,
    namespace: Option<&str>,
    selector: Option<&str>,
    forget: F,
) -> Watch<
    TemporaryCredential,
    impl Stream<Item = watcher::Result<TemporaryCredential>> + Send + use<F>,
> {
    let config = selector
        .iter()
        .fold(watcher::Config::default(), |config, selector| {
            config.labels(selector)
        });
    let (reader, writer) = store();
    let events = watcher(api::<TemporaryCredential>(client, namespace), config).default_backoff();
    let events = futures::StreamExt::inspect(events, move |event| {
        if let Ok(Event::Delete(gone)) = event {
            forget(&gone.uid().unwrap_or_default());
        }
    });
    let stream = events
        .modify(|resource| resource.managed_fields_mut().clear())
        .reflect(writer)
        .applied_objects();
    Watch {
        store: reader,
        stream,
    }
}

/// Watches the metadata of the Secrets that tempcred wrote.
pub fn secrets(
    client: Client,
    namespace: Option<&str>,
) -> Watch<SecretMeta, impl Stream<Item = watcher::Result<SecretMeta>> + Send + use<>> {
    let (reader, writer) = store();
    let config = watcher::Config::default().labels(CREDENTIAL_UID);
    let stream = watcher(api::<SecretMeta>(client, namespace), config)
        .default_backoff()
        .modify(|secret| secret.managed_fields_mut().clear())
        .reflect(writer)
        .touched_objects();
    Watch {
        store: reader,
        stream,
    }
}

/// The resource that a Secret was written for.
pub fn credential_of(secret: &SecretMeta) -> Option<ObjectRef<TemporaryCredential>> {
    let name = credential_name(secret.annotations())?;
    Some(ObjectRef::new(name).within(&secret.namespace()?))
}
