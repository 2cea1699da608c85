//! Plays the kubelet, which the control plane of the demo lacks: mounts the Secret of the program, and reports the Pods
//! of the restarted Deployment as ready.

use std::convert::Infallible;
use std::pin::pin;

use anyhow::Result;
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod, Secret};
use kube::api::{ListParams, Patch, PatchParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Config, Event, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio::sync::watch::Sender;

use crate::board::Board;
use crate::program::FILE;
use crate::stage::{NAMESPACE, RESTARTED, ROTATING, Stage};

/// Plays without end. Pods are left alone unless `alone`: then no kubelet runs that would start them.
pub async fn play(
    stage: &Stage,
    client: &Client,
    board: &Sender<Board>,
    alone: bool,
) -> Infallible {
    let trouble = |error: anyhow::Error| {
        board.send_modify(|b| b.trouble(&format!("{error:#}"), Timestamp::now()));
    };
    let pods = async {
        if alone {
            start_pods(client, &trouble).await;
        }
    };
    tokio::join!(mount(stage, client, &trouble), pods);
    std::future::pending().await
}

/// Whether no kubelet runs. Each one registers a Node.
pub async fn is_alone(client: &Client) -> Result<bool> {
    let nodes = Api::<Node>::all(client.clone());
    Ok(nodes.list(&ListParams::default().limit(1)).await?.items.is_empty())
}

/// Copies the Secret into the volume whenever it changes. A kubelet does so within about a minute, this one immediately.
async fn mount(stage: &Stage, client: &Client, trouble: &impl Fn(anyhow::Error)) {
    let secrets = Api::<Secret>::namespaced(client.clone(), NAMESPACE);
    let only = Config::default().fields(&format!("metadata.name={ROTATING}"));
    each(watcher(secrets, only).default_backoff(), async |secret| {
        let content = secret.data.as_ref().and_then(|data| data.get(FILE));
        if let Some(content) = content
            && let Err(error) = stage.volume.write(&[(FILE, &content.0)])
        {
            trouble(anyhow::Error::new(error).context("cannot write the mounted Secret"));
        }
    })
    .await;
}

/// Reports each Pod as ready when it appears.
async fn start_pods(client: &Client, trouble: &impl Fn(anyhow::Error)) {
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    let only = Config::default().labels(&format!("app={RESTARTED}"));
    each(watcher(pods.clone(), only).default_backoff(), async |pod| {
        if !is_new(&pod) {
            return;
        }
        let ready = json!({"status": {
            "phase": "Running",
            "message": "reported by the demo: no kubelet runs here",
            "conditions": [{"type": "Ready", "status": "True"}],
        }});
        let (name, params) = (pod.name_any(), PatchParams::default());
        match pods.patch_status(&name, &params, &Patch::Merge(ready)).await {
            Ok(_) => {}
            // It was deleted meanwhile.
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => {
                trouble(anyhow::Error::new(error).context("cannot report a Pod as ready"))
            }
        }
    })
    .await;
}

/// Whether a kubelet would start the Pod now.
fn is_new(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    phase != Some("Running") && pod.metadata.deletion_timestamp.is_none()
}

/// Does something with each object that was added or changed.
async fn each<K>(events: impl Stream<Item = watcher::Result<Event<K>>>, act: impl AsyncFn(K)) {
    let mut events = pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => act(object).await,
            // A mounted Secret that is deleted stays mounted. The watch restarts by itself.
            Ok(Event::Delete(_) | Event::Init | Event::InitDone) | Err(_) => {}
        }
    }
}
