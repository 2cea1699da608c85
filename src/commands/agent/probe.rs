//! Asks a running agent, for probes of type `exec`: those of type `httpGet` go to the address of the Pod, where the
//! agent does not listen.

use std::time::Duration;

use anyhow::{Context, bail};
use axum::body::{Body, to_bytes};
use axum::http::header::HOST;
use axum::http::{Request, Uri};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Timeout for the whole request. The kubelet's own default is 1 s.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Longest reply that is shown.
const LONGEST: usize = 16 * 1024;

/// Fails unless the agent answers with success.
pub(crate) async fn check(url: &Uri) -> anyhow::Result<()> {
    timeout(TIMEOUT, ask(url)).await.with_context(|| format!("{url} does not answer within 5 s"))?
}

async fn ask(url: &Uri) -> anyhow::Result<()> {
    let authority = url.authority().with_context(|| format!("{url} has no host"))?.as_str();
    let stream = TcpStream::connect(authority)
        .await
        .with_context(|| format!("no agent listens at {authority}"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path).header(HOST, authority).body(Body::empty())?;
    let exchange = async {
        let reply = sender.send_request(request).await?;
        let status = reply.status();
        let body = to_bytes(Body::new(reply.into_body()), LONGEST).await?;
        anyhow::Ok((status, body))
    };
    let (answer, _) = tokio::join!(exchange, connection);
    let (status, body) = answer?;
    if !status.is_success() {
        bail!("{url} answers {status}: {}", said(&body));
    }
    Ok(())
}

/// The message of an error reply. Nothing else of a reply is shown: it could be credentials.
fn said(body: &[u8]) -> String {
    let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let message = json.as_ref().and_then(|json| json["message"].as_str());
    message.unwrap_or("no message").to_owned()
}
