//! The responder at work.

use std::io;
use std::net::TcpListener as StdListener;
use std::ops::ControlFlow;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::callers;
use super::fault::{Outcome, Plan, Shape};
use super::form::Received;
use super::http::{self, HttpRequest, Reply};
use super::issued::IssuedRecord;
use super::reply;
use super::state::{Peer, State};
use super::xml;
use crate::strict::Refusal;

/// Accepts connections without end.
pub(super) async fn serve(listener: StdListener, state: Arc<State>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    loop {
        // Accepting fails when a client has gone already; the next may not have.
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let state = Arc::clone(&state);
        state.log().connections += 1;
        tokio::task::spawn_local(async move {
            // A client may disconnect at any time.
            let _ = converse(stream, &state).await;
        });
    }
}

async fn converse(mut stream: TcpStream, state: &State) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    while let Some(request) = http::read_request(&mut stream, &mut buffer).await? {
        let last = request.headers.get("connection").is_some_and(|value| value == "close");
        if respond(&mut stream, state, &request).await?.is_break() || last {
            break;
        }
    }
    Ok(())
}

/// Answers one request. Break: the connection is to end.
async fn respond(
    stream: &mut TcpStream,
    state: &State,
    http_request: &HttpRequest,
) -> io::Result<ControlFlow<()>> {
    let request = Received::new(http_request);
    state.log().requests.push(request.clone());
    let plan = state.rules().plan(&request);
    for gate in &plan.holds {
        gate.pass().await;
    }
    tokio::time::sleep(plan.delay).await;

    let reply = match &plan.outcome {
        Some(Outcome::Reset) => {
            stream.set_zero_linger()?;
            return Ok(ControlFlow::Break(()));
        }
        Some(Outcome::Error { status, code, message }) => reply::error(*status, code, message),
        Some(Outcome::AccessDenied) => reply::access_denied(state, &request),
        Some(Outcome::Garbage) => {
            Reply { status: 200, body: b"\x00<html>{not a reply of STS".to_vec() }
        }
        None => credentials(state, http_request, &request, &plan).await,
    };
    // AWS sends the ID of the body in a header too.
    let xml = String::from_utf8_lossy(&reply.body);
    let id = reply::text_of(&xml, "RequestId").map_or_else(reply::request_id, str::to_owned);
    state.log().replies.push((request.role_arn().map(str::to_owned), id.clone()));
    send(stream, reply, &plan, &id).await
}

/// The actions that moto does not implement: answered here.
const UNKNOWN_TO_PEERS: &[&str] = &["AssumeRoot", "GetWebIdentityToken"];

async fn credentials(
    state: &State,
    http_request: &HttpRequest,
    request: &Received,
    plan: &Plan,
) -> Reply {
    if request.action == "GetCallerIdentity"
        && let Err(refusal) = callers::check(state, http_request, request, reply::clock(plan.skew))
    {
        return refused(&refusal);
    }
    let unknown = UNKNOWN_TO_PEERS.contains(&request.action.as_str());
    let peer = match &state.peer {
        Peer::Forward(peer) if !unknown => *peer,
        Peer::None | Peer::Forward(_) => return reply::answer(state, request, plan),
        Peer::Strict(strict) => {
            return match strict.answer(http_request, request, reply::clock(plan.skew)) {
                Ok((content, issued)) => {
                    state.log().issued.extend(issued);
                    xml::result(&request.action, &content)
                }
                Err(refusal) => refused(&refusal),
            };
        }
    };
    match http::forward(peer, http_request).await {
        Ok(reply) => {
            record_forwarded(state, request, &reply);
            reply
        }
        Err(error) => reply::error(503, "ServiceUnavailable", &format!("no peer: {error}")),
    }
}

fn refused(refusal: &Refusal) -> Reply {
    reply::error(refusal.status, refusal.code, &refusal.message)
}

async fn send(
    stream: &mut TcpStream,
    mut reply: Reply,
    plan: &Plan,
    id: &str,
) -> io::Result<ControlFlow<()>> {
    let has = |wanted: fn(&Shape) -> bool| plan.shapes.iter().any(wanted);
    let half = reply.body.len() / 2;
    if has(|shape| matches!(shape, Shape::CutXml)) {
        reply.body.truncate(half);
    }
    let mut bytes = reply.head(reply::clock(plan.skew), id);
    let truncated = has(|shape| matches!(shape, Shape::Truncated));
    bytes.extend(if truncated { &reply.body[..half] } else { &reply.body[..] });
    stream.write_all(&bytes).await?;
    Ok(if truncated { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
}

/// Records what another STS issued, from its reply.
fn record_forwarded(state: &State, request: &Received, reply: &Reply) {
    let xml = String::from_utf8_lossy(&reply.body);
    let text = |name| reply::text_of(&xml, name).unwrap_or_default().to_owned();
    let (access_key_id, secret) = (text("AccessKeyId"), text("SecretAccessKey"));
    let Ok(expiration) = text("Expiration").parse::<Timestamp>() else {
        return;
    };
    state.log().issued.push(IssuedRecord {
        access_key_id,
        secret,
        token: text("SessionToken"),
        role_arn: request.role_arn().map(str::to_owned),
        action: request.action.clone(),
        form: request.form.clone(),
        at: Timestamp::now(),
        expiration,
    });
}
