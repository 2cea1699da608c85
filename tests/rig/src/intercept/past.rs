//! The past of an API server: what a stale one would still answer.
//!
//! What fills a cache is of the past: the first list of its objects after the process has started or its watches have ended,
//! and the watch. A later list is a read of its own, and Kubernetes answers it with the current state, like a read of a
//! single object.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Result, ensure};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::upstream::Upstream;

/// Parts of a query that only say which page of a list is wanted.
const PAGING: &[&str] = &["limit", "continue", "resourceVersion", "resourceVersionMatch"];

/// A list that the process requested: path, query without paging, and format.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct List {
    path: String,
    query: String,
    accept: String,
}

/// Remembers which lists the process requests, and while frozen, their content of that time.
#[derive(Default)]
pub(super) struct Past {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What was listed, and with which token.
    lists: BTreeSet<List>,
    /// What was listed since the process started or its watches ended.
    cached: BTreeSet<List>,
    token: Option<HeaderValue>,
    frozen: Option<Frozen>,
}

struct Frozen {
    lists: BTreeMap<List, Bytes>,
    /// The objects of each collection, by path. None if single objects are read as they are now.
    objects: Option<BTreeMap<String, Value>>,
}

impl List {
    fn of<B>(request: &Request<B>) -> Self {
        let query = request.uri().query().unwrap_or_default();
        let parts = query.split('&');
        let kept =
            parts.filter(|part| !PAGING.contains(&part.split('=').next().unwrap_or_default()));
        let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
        Self {
            path: request.uri().path().to_owned(),
            query: kept.collect::<Vec<_>>().join("&"),
            accept: accept.unwrap_or("application/json").to_owned(),
        }
    }

    fn is_of_one_object(&self) -> bool {
        self.query.contains("fieldSelector=metadata.name")
    }
}

impl Past {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, the process lists for its caches again.
    pub(super) fn fill_caches(&self) {
        self.state().cached.clear();
    }

    /// Remembers the token of the process.
    pub(super) fn learn_token<B>(&self, request: &Request<B>) {
        if let Some(token) = request.headers().get(AUTHORIZATION) {
            self.state().token = Some(token.clone());
        }
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.state().frozen.is_some()
    }

    /// Remembers that the process requests this list, and returns it as it was. None if it is read as it is now.
    pub(super) fn list<B>(&self, request: &Request<B>) -> Option<(StatusCode, Bytes)> {
        self.learn_token(request);
        let list = List::of(request);
        let state = &mut *self.state();
        state.lists.insert(list.clone());
        let Some(frozen) = &state.frozen else {
            state.cached.insert(list);
            return None;
        };
        if state.cached.contains(&list) && frozen.objects.is_none() {
            return None;
        }
        match frozen.lists.get(&list) {
            Some(body) => {
                state.cached.insert(list);
                Some((StatusCode::OK, body.clone()))
            }
            None if list.is_of_one_object() && frozen.objects.is_none() => None,
            // It was never requested before, so its past is unknown: the process must try again later.
            None => Some((StatusCode::SERVICE_UNAVAILABLE, Bytes::from_static(b"{}"))),
        }
    }

    /// A single object as it was. None if single objects are read as they are now.
    pub(super) fn object<B>(&self, request: &Request<B>) -> Option<(StatusCode, Bytes)> {
        let state = self.state();
        let objects = state.frozen.as_ref()?.objects.as_ref()?;
        let (collection, name) = request.uri().path().rsplit_once('/')?;
        let items = objects.get(collection)?["items"].as_array()?;
        let found = items.iter().find(|item| item["metadata"]["name"] == name);
        Some(match found {
            Some(object) => (StatusCode::OK, Bytes::from(object.to_string())),
            None => (StatusCode::NOT_FOUND, Bytes::from(not_found(name).to_string())),
        })
    }

    /// Stops the time: reads all lists that the process has requested.
    pub(super) async fn freeze(&self, upstream: &Upstream, single_objects: bool) -> Result<()> {
        let (learned, token) = {
            let state = self.state();
            (state.lists.clone(), state.token.clone())
        };
        let (mut lists, mut objects) = (BTreeMap::new(), BTreeMap::new());
        for list in learned {
            let uri = format!("{}?{}", list.path, list.query);
            let body = read(upstream, &uri, &list.accept, token.as_ref()).await?;
            lists.insert(list.clone(), body);
            if single_objects && !objects.contains_key(&list.path) {
                let body = read(upstream, &list.path, "application/json", token.as_ref()).await?;
                let mut all: Value = serde_json::from_slice(&body)?;
                complete(&mut all);
                objects.insert(list.path, all);
            }
        }
        let objects = single_objects.then_some(objects);
        self.state().frozen = Some(Frozen { lists, objects });
        Ok(())
    }

    pub(super) fn thaw(&self) {
        self.state().frozen = None;
    }
}

/// Adds kind and version to each item: a list has them only once.
fn complete(list: &mut Value) {
    let kind = list["kind"].as_str().unwrap_or_default().trim_end_matches("List").to_owned();
    let version = list["apiVersion"].clone();
    for item in list["items"].as_array_mut().into_iter().flatten() {
        item["kind"] = kind.as_str().into();
        item["apiVersion"] = version.clone();
    }
}

fn not_found(name: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("{name} not found"), "reason": "NotFound", "code": 404,
    })
}

async fn read(
    upstream: &Upstream,
    uri: &str,
    accept: &str,
    token: Option<&HeaderValue>,
) -> Result<Bytes> {
    let mut request = Request::builder().method(Method::GET).uri(uri).header(ACCEPT, accept);
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, token);
    }
    let reply = upstream.send(request.body(Bytes::new())?).await?;
    let (status, body) = upstream.whole(reply).await?;
    ensure!(status.is_success(), "{uri}: {status}: {}", String::from_utf8_lossy(&body));
    Ok(body)
}
