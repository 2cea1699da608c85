//! Answers one request of the process.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, TRANSFER_ENCODING};
use hyper::http::response::Parts;
use hyper::{Request, Response, StatusCode};
use serde_json::{Value, json};

use super::call::{Call, Peer};
use super::director::{Director, Fault};
use super::past::Past;
use super::upstream::Upstream;
use super::watched;

/// Time in which a reply reaches the process before it is killed.
const ON_ITS_WAY: Duration = Duration::from_millis(5);

pub(super) type ReplyBody = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

type Reply = Response<ReplyBody>;

/// What the connections share.
pub(super) struct Shared {
    pub(super) director: Arc<Director>,
    pub(super) past: Past,
    pub(super) api: Upstream,
    pub(super) sts: Upstream,
}

impl Shared {
    fn peer(&self, peer: Peer) -> &Upstream {
        match peer {
            Peer::Api => &self.api,
            Peer::Sts => &self.sts,
        }
    }

    /// Ends all watches. If they are too old (`expired`), the process lists again.
    pub(super) fn end_watches(&self, expired: bool) {
        self.past.fill_caches();
        self.director.end_watches(expired);
    }
}

/// Answers a request. An error ends the connection without a reply.
pub(super) async fn answer(
    shared: Arc<Shared>,
    peer: Peer,
    request: Request<Incoming>,
) -> Result<Reply> {
    let (head, body) = request.into_parts();
    let request = Request::from_parts(head, body.collect().await?.to_bytes());
    let call = match peer {
        Peer::Sts => Some(Call::sts(&action(request.body()))),
        Peer::Api => {
            let query = request.uri().query().unwrap_or_default();
            Call::api(request.method().as_str(), request.uri().path(), query)
        }
    };
    match call {
        Some(call) if call.is_effect() => effect(&shared, &call, request).await,
        Some(call) if peer == Peer::Api => read(&shared, &call, request).await,
        Some(_) | None => forward(&shared, peer, request).await,
    }
}

fn action(form: &[u8]) -> String {
    let mut pairs = form_urlencoded::parse(form);
    pairs
        .find(|(name, _)| name == "Action")
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

async fn effect(shared: &Arc<Shared>, call: &Call, request: Request<Bytes>) -> Result<Reply> {
    let director = &shared.director;
    let arrived = director.arrive(call);
    let _held = director.hold_echo(&arrived, call);
    match arrived.fault {
        Some(Fault::KillBefore) => {
            director.kill();
            bail!("killed before {call}");
        }
        Some(Fault::Reject(status)) => return Ok(rejection(call.peer, status)),
        Some(Fault::Delay(delay)) => tokio::time::sleep(delay).await,
        Some(fault @ (Fault::CutWatches | Fault::ExpireWatches)) => {
            shared.end_watches(fault == Fault::ExpireWatches);
        }
        Some(Fault::Duplicate) => drop(made(shared, call, copy(&request)).await?),
        Some(
            Fault::KillReplyLost
            | Fault::KillAfter
            | Fault::LoseReply
            | Fault::HideEcho
            | Fault::DelayEcho(_),
        )
        | None => {}
    }
    let reply = made(shared, call, request).await;
    let version = reply.as_ref().ok().and_then(|(_, body)| version(body));
    let status = reply.as_ref().ok().map(|(head, _)| head.status.as_u16());
    director.complete(arrived, call, status, version);
    let (head, body) = reply?;
    match arrived.fault {
        Some(Fault::KillReplyLost) => {
            director.kill();
            bail!("killed before the reply to {call}");
        }
        Some(Fault::LoseReply) => bail!("the reply to {call} is lost"),
        Some(Fault::KillAfter) => {
            let director = Arc::clone(director);
            tokio::task::spawn_local(async move {
                tokio::time::sleep(ON_ITS_WAY).await;
                director.kill();
            });
        }
        Some(_) | None => {}
    }
    Ok(Response::from_parts(head, whole(body)))
}

/// Makes a request, and returns the whole reply.
async fn made(shared: &Shared, call: &Call, request: Request<Bytes>) -> Result<(Parts, Bytes)> {
    let (mut head, body) = shared.peer(call.peer).send(request).await?.into_parts();
    without_hops(&mut head.headers);
    Ok((head, body.collect().await?.to_bytes()))
}

async fn read(shared: &Arc<Shared>, call: &Call, request: Request<Bytes>) -> Result<Reply> {
    let json = |(status, body)| {
        let mut reply = Response::new(whole(body));
        *reply.status_mut() = status;
        reply.headers_mut().insert(CONTENT_TYPE, "application/json".parse()?);
        Ok(reply)
    };
    match call.verb.as_str() {
        "watch" => {
            shared.past.learn_token(&request);
            let (head, incoming) = if shared.past.is_frozen() {
                (None, None)
            } else {
                let (head, incoming) = shared.api.send(request).await?.into_parts();
                if !head.status.is_success() {
                    return Ok(Response::from_parts(head, boxed(incoming)));
                }
                (Some(head), Some(incoming))
            };
            let director = Arc::clone(&shared.director);
            let body = watched::pass_on(call.resource.clone(), incoming, director);
            let mut reply = Response::new(UnsyncBoxBody::new(body));
            match head {
                Some(mut head) => {
                    without_hops(&mut head.headers);
                    *reply.headers_mut() = head.headers;
                }
                None => drop(reply.headers_mut().insert(CONTENT_TYPE, "application/json".parse()?)),
            }
            Ok(reply)
        }
        "list" => match shared.past.list(&request) {
            Some(past) => json(past),
            None => forward(shared, Peer::Api, request).await,
        },
        _ => match shared.past.object(&request) {
            Some(past) => json(past),
            None => forward(shared, Peer::Api, request).await,
        },
    }
}

async fn forward(shared: &Shared, peer: Peer, request: Request<Bytes>) -> Result<Reply> {
    let (mut head, body) = match shared.peer(peer).send(request).await {
        Ok(reply) => reply.into_parts(),
        Err(error) => return Ok(unreachable(&error)),
    };
    without_hops(&mut head.headers);
    Ok(Response::from_parts(head, boxed(body)))
}

/// The peer does not answer.
fn unreachable(error: &anyhow::Error) -> Reply {
    let mut reply = Response::new(whole(Bytes::from(format!("the interceptor: {error:#}"))));
    *reply.status_mut() = StatusCode::BAD_GATEWAY;
    reply
}

/// A second request with the same content.
fn copy(request: &Request<Bytes>) -> Request<Bytes> {
    let mut copy = Request::new(request.body().clone());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// Headers of a connection do not apply to another one.
fn without_hops(headers: &mut HeaderMap) {
    for name in [CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
        headers.remove(name);
    }
}

fn version(body: &[u8]) -> Option<String> {
    let object: Value = serde_json::from_slice(body).ok()?;
    object["metadata"]["resourceVersion"].as_str().map(str::to_owned)
}

fn rejection(peer: Peer, status: u16) -> Reply {
    let (status, kind, body) = match peer {
        Peer::Api => (status, "application/json", api_error(status).to_string()),
        Peer::Sts => sts_error(status),
    };
    let mut reply = Response::new(whole(Bytes::from(body)));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    reply.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    reply
}

fn api_error(status: u16) -> Value {
    let reason = match status {
        409 => "Conflict",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    };
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "the interceptor rejected the request", "reason": reason, "code": status,
    })
}

/// STS throttles with status 400.
fn sts_error(status: u16) -> (u16, &'static str, String) {
    let (status, code) = match status {
        429 => (400, "Throttling"),
        503 => (503, "ServiceUnavailable"),
        _ => (500, "InternalFailure"),
    };
    let body = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Code>{code}</Code>\
         <Message>the interceptor rejected the request</Message></Error></ErrorResponse>"
    );
    (status, "text/xml", body)
}

fn whole(body: Bytes) -> ReplyBody {
    UnsyncBoxBody::new(Full::new(body).map_err(|never| match never {}))
}

fn boxed(body: Incoming) -> ReplyBody {
    UnsyncBoxBody::new(body.map_err(Into::into))
}
