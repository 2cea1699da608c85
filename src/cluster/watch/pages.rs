//! Pages of lists, whose size in bytes is limited. Users decide how large objects are, so a fixed number of objects in a
//! page is either slow or needs much memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::body::Body as Chunks;
use axum::http::{HeaderMap, Request, Response};
use futures::TryStreamExt;
use kube::Client;
use kube::client::Body;

/// Most objects in a page.
pub const MOST: u32 = 500;

/// Objects in the first page.
const FIRST: u32 = 50;

/// Most bytes in a page of more than one object. A page takes up to four times its size while it is decoded.
const BYTES: usize = 1 << 20;

/// A client that adapts the number of objects in a page (the parameter `limit`) to their size. A page that is too large is
/// dropped before it is in memory, and requested again with fewer objects.
pub fn limited(client: Client) -> Client {
    let namespace = client.default_namespace().to_owned();
    let objects = Arc::new(AtomicU32::new(FIRST));
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, objects) = (client.clone(), Arc::clone(&objects));
        async move {
            match List::of(&request) {
                Some(list) => list.page(&client, &objects).await,
                None => client.send(request).await,
            }
        }
    });
    Client::new(service, namespace)
}

/// The request for a page of a list, without its limit.
struct List {
    path: String,
    parameters: String,
    headers: HeaderMap,
}

impl List {
    /// None for another request.
    fn of(request: &Request<Body>) -> Option<Self> {
        let parts = || request.uri().query().unwrap_or_default().split('&');
        let is_limit = |part: &&str| part.starts_with("limit=");
        parts().find(is_limit)?;
        Some(Self {
            path: request.uri().path().to_owned(),
            parameters: parts()
                .filter(|part| !is_limit(part))
                .map(|part| format!("&{part}"))
                .collect(),
            headers: request.headers().clone(),
        })
    }

    /// The reply with as many objects as fit.
    async fn page(self, client: &Client, objects: &AtomicU32) -> kube::Result<Response<Body>> {
        loop {
            let count = objects.load(Ordering::Relaxed);
            let Self { path, parameters, headers } = &self;
            let request = Request::get(format!("{path}?limit={count}{parameters}"));
            let mut request = request.body(Body::empty()).map_err(kube::Error::HttpError)?;
            request.headers_mut().clone_from(headers);
            let (head, body) = client.send(request).await?.into_parts();
            let most = if count == 1 { usize::MAX } else { BYTES };
            if let Some(bytes) = read(body, most).await? {
                if head.status.is_success() && bytes.len() < BYTES / 2 {
                    objects.store((2 * count).min(MOST), Ordering::Relaxed);
                }
                return Ok(Response::from_parts(head, bytes.into()));
            }
            objects.store((count / 4).max(1), Ordering::Relaxed);
        }
    }
}

/// The content of a body; none if it is larger than `most` bytes.
async fn read(body: Body, most: usize) -> kube::Result<Option<Vec<u8>>> {
    let mut chunks = Chunks::new(body).into_data_stream();
    let mut bytes = Vec::new();
    let failed = |error| kube::Error::Service(Box::new(error));
    while let Some(chunk) = chunks.try_next().await.map_err(failed)? {
        if bytes.len() + chunk.len() > most {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Mutex;

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Api;
    use kube::api::ListParams;
    use serde_json::json;

    use super::*;

    /// The limit of each request, and the size of its reply.
    type Log = Arc<Mutex<Vec<(usize, usize)>>>;

    /// A server with objects of these sizes.
    fn server(sizes: Vec<usize>) -> (Client, Log) {
        let log = Log::default();
        let requests = Arc::clone(&log);
        let service = tower::service_fn(move |request: Request<Body>| {
            let value = |name: &str| -> Option<usize> {
                let parts = request.uri().query().unwrap_or_default().split('&');
                parts.filter_map(|part| part.strip_prefix(name)).next()?.parse().ok()
            };
            let begin = value("continue=").unwrap_or_default();
            let limit = value("limit=").unwrap_or(sizes.len());
            let end = sizes.len().min(begin + limit);
            let items = (begin..end).map(|n| {
                json!({"metadata": {"name": n.to_string(), "annotations": {"a": "x".repeat(sizes[n])}}})
            });
            let next = if end < sizes.len() { end.to_string() } else { String::new() };
            let list = json!({
                "metadata": {"continue": next, "resourceVersion": "1"},
                "items": items.collect::<Vec<_>>(),
            });
            let text = list.to_string();
            requests.lock().unwrap().push((limit, text.len()));
            async move { Ok::<_, Infallible>(Response::new(Body::from(text.into_bytes()))) }
        });
        (Client::new(service, "default"), log)
    }

    /// Lists all objects page by page, and returns the limits and sizes of the requests.
    async fn list(sizes: Vec<usize>) -> Vec<(usize, usize)> {
        let expected = sizes.len();
        let (client, log) = server(sizes);
        let api = Api::<ConfigMap>::all(limited(client));
        let mut parameters = ListParams::default().limit(MOST);
        let mut names = Vec::new();
        loop {
            let page = api.list(&parameters).await.unwrap();
            names.extend(page.items.into_iter().filter_map(|object| object.metadata.name));
            match page.metadata.continue_ {
                Some(token) if !token.is_empty() => parameters.continue_token = Some(token),
                _ => break,
            }
        }
        assert_eq!(names, (0..expected).map(|n| n.to_string()).collect::<Vec<_>>());
        let log = log.lock().unwrap();
        log.clone()
    }

    fn limits(requests: &[(usize, usize)]) -> Vec<usize> {
        requests.iter().map(|(limit, _)| *limit).collect()
    }

    #[tokio::test]
    async fn small_objects_come_in_large_pages() {
        assert_eq!(limits(&list(vec![100; 1500]).await), [50, 100, 200, 400, 500, 500]);
    }

    #[tokio::test]
    async fn large_objects_come_in_small_pages() {
        let requests = list(vec![240 << 10; 40]).await;
        // The limit does not grow again before the pages are small.
        assert_eq!(limits(&requests)[..3], [50, 12, 3]);
        assert!(requests[2..].iter().all(|(_, bytes)| *bytes <= BYTES), "{requests:?}");
        assert_eq!(requests.len(), 2 + 40_usize.div_ceil(3));
    }

    #[tokio::test]
    async fn an_object_larger_than_a_page_comes_alone() {
        assert_eq!(limits(&list(vec![BYTES + 1, 1, 1]).await), [50, 12, 3, 1, 1, 2]);
    }

    #[tokio::test]
    async fn other_requests_stay_as_they_are() {
        let (client, log) = server(vec![BYTES, BYTES]);
        let list = Api::<ConfigMap>::all(limited(client)).list(&ListParams::default()).await;
        assert_eq!(list.unwrap().items.len(), 2);
        assert_eq!(limits(&log.lock().unwrap()), [2]);
    }
}
