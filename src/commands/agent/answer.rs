//! Answers one request.

use axum::body::Body;
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use secrecy::SecretString;
use serde::Serialize;

use super::access::{is_authorized, is_local};
use super::document::Unavailable;
use super::source::{Read, Source};

/// What the agent serves, and to which client.
pub(crate) struct Agent {
    sources: Vec<Source>,
    token: Option<Read<SecretString>>,
}

/// An error, as SDKs show it.
#[derive(Serialize)]
struct ErrorBody<'a> {
    code: &'a str,
    message: &'a str,
}

impl Agent {
    /// Serves these sources. With a token, requests must send it in the header `Authorization`.
    pub(crate) fn new(sources: Vec<Source>, token: Option<Read<SecretString>>) -> Self {
        Self { sources, token }
    }

    /// The names of all credentials, for the log.
    pub(super) fn names(&self) -> String {
        let names: Vec<_> = self.sources.iter().map(|source| source.name.as_str()).collect();
        names.join(", ")
    }

    /// Answers a request.
    pub(super) async fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        if !is_local(request.headers()) {
            let text = "the header Host must be a loopback address or localhost";
            return error(StatusCode::FORBIDDEN, "HostNotAllowed", text);
        }
        if request.method() != Method::GET {
            let text = "only GET is supported";
            let mut reply = error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", text);
            reply.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
            return reply;
        }
        match request.uri().path() {
            "/livez" => text("ok\n"),
            "/readyz" => self.ready().await,
            path => self.credentials(path, request.headers()).await,
        }
    }

    async fn ready(&self) -> Response<Body> {
        if let Some(token) = &self.token
            && let Err(unavailable) = token().await
        {
            return failed("the token", &unavailable);
        }
        for source in &self.sources {
            if let Err(unavailable) = (source.read)().await {
                return failed(&source.name, &unavailable);
            }
        }
        text("ok\n")
    }

    async fn credentials(&self, path: &str, headers: &HeaderMap) -> Response<Body> {
        // Before the path: without the token, no one learns which credentials exist.
        if let Some(token) = &self.token {
            match token().await {
                Ok(token) if is_authorized(&token, headers) => {}
                Ok(_) => {
                    let text = "the header Authorization must be the content of the token file: set \
                                AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
                    return error(StatusCode::UNAUTHORIZED, "Unauthorized", text);
                }
                Err(unavailable) => {
                    tracing::warn!("{unavailable}");
                    let text = unavailable.to_string();
                    return error(StatusCode::SERVICE_UNAVAILABLE, "TokenUnreadable", &text);
                }
            }
        }
        let name = path.strip_prefix('/').unwrap_or(path);
        let source = if name.is_empty() {
            self.sources.first()
        } else {
            self.sources.iter().find(|source| source.name == name)
        };
        let Some(source) = source else {
            let text = format!("there are no credentials at this path, only at: {}", self.names());
            return error(StatusCode::NOT_FOUND, "NotFound", &text);
        };
        match (source.read)().await {
            Ok(document) => reply(StatusCode::OK, "application/json", Body::from(document.body())),
            Err(unavailable) => failed(&source.name, &unavailable),
        }
    }
}

/// There are no credentials now. SDKs retry after this status.
fn failed(name: &str, unavailable: &Unavailable) -> Response<Body> {
    tracing::warn!(credentials = name, "{unavailable}");
    let text = format!("{name}: {unavailable}");
    error(StatusCode::SERVICE_UNAVAILABLE, unavailable.code(), &text)
}

fn error(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    // Serialising two strings cannot fail.
    let body = serde_json::to_vec(&ErrorBody { code, message }).unwrap_or_default();
    reply(status, "application/json", Body::from(body))
}

fn text(text: &'static str) -> Response<Body> {
    reply(StatusCode::OK, "text/plain", Body::from(text))
}

fn reply(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
