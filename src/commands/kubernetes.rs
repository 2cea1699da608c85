//! Finds the cluster as kubectl does, and reads lists page by page.

use std::fmt::Debug;
use std::path::Path;

use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Config};
use serde::de::DeserializeOwned;

/// The configuration of a context in a kubeconfig: of this file, or else of `KUBECONFIG` and `~/.kube/config`. Without a
/// context, it may also be that of the Pod.
///
/// # Errors
/// If there is no such context, or no cluster is configured.
pub(super) async fn config(
    context: Option<&str>,
    kubeconfig: Option<&Path>,
) -> anyhow::Result<Config> {
    let options =
        KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    Ok(match (kubeconfig, context) {
        (Some(path), _) => {
            let kubeconfig = Kubeconfig::read_from(path)?;
            Config::from_custom_kubeconfig(kubeconfig, &options).await?
        }
        (None, Some(_)) => Config::from_kubeconfig(&options).await?,
        (None, None) => Config::infer().await?,
    })
}

/// All objects, in pages of at most `page`.
///
/// # Errors
/// If a request fails.
pub(super) async fn pages<K: Clone + Debug + DeserializeOwned>(
    api: &Api<K>,
    page: u32,
) -> kube::Result<Vec<K>> {
    let mut params = ListParams::default().limit(page);
    let mut objects = Vec::new();
    loop {
        let page = api.list(&params).await?;
        objects.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(objects),
        }
    }
}
