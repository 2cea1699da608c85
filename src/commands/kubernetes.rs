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

/// The configuration, unless it demands a proxy. The error of a client would show the URL, which may contain a password.
///
/// # Errors
/// If it demands a proxy.
pub(super) fn without_proxy(config: Config) -> anyhow::Result<Config> {
    anyhow::ensure!(
        config.proxy_url.is_none(),
        "HTTPS_PROXY or the kubeconfig sets a proxy, which tempcred does not support for the Kubernetes API: unset HTTPS_PROXY, or proxy-url in the kubeconfig"
    );
    Ok(config)
}

/// A list that is read page by page, so that only one page of objects needs memory.
pub(super) struct Pages<'a, K> {
    api: &'a Api<K>,
    next: Option<ListParams>,
}

impl<'a, K: Clone + Debug + DeserializeOwned> Pages<'a, K> {
    /// The list of all objects, in pages of at most `page`. No request is made yet.
    pub(super) fn new(api: &'a Api<K>, page: u32) -> Self {
        Self { api, next: Some(ListParams::default().limit(page)) }
    }

    /// The next page. `None` after the last one.
    ///
    /// # Errors
    /// If the request fails.
    pub(super) async fn next(&mut self) -> kube::Result<Option<Vec<K>>> {
        let Some(params) = self.next.take() else {
            return Ok(None);
        };
        let page = self.api.list(&params).await?;
        let token = page.metadata.continue_.filter(|token| !token.is_empty());
        self.next = token.map(|token| params.continue_token(&token));
        Ok(Some(page.items))
    }
}

/// All objects, in pages of at most `page`.
///
/// # Errors
/// If a request fails.
pub(super) async fn pages<K: Clone + Debug + DeserializeOwned>(
    api: &Api<K>,
    page: u32,
) -> kube::Result<Vec<K>> {
    let mut pages = Pages::new(api, page);
    let mut objects = Vec::new();
    while let Some(page) = pages.next().await? {
        objects.extend(page);
    }
    Ok(objects)
}
