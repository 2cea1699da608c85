//! Serves the credentials to the command in the container-credentials protocol, which every AWS SDK reads.
//!
//! Each request reads the Secret again, so a rotation needs no watch: SDKs ask only when their credentials expire soon.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use rustls::crypto::aws_lc_rs::default_provider;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::{Digest, Sha256};
use tempcred_core::text::hex;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use super::source::{Source, Usable};

/// Bytes of the authorization token.
const TOKEN_LENGTH: usize = 32;

/// Where the command gets credentials.
pub struct Endpoint {
    /// The URL.
    pub url: String,
    /// The value of the header `Authorization`.
    pub token: SecretString,
}

struct Served {
    source: Arc<Source>,
    /// Hash of the token: comparing hashes takes a time that reveals nothing about the token.
    token: [u8; 32],
    /// The last credentials, for when the API server cannot be reached. One request at a time reads the Secret.
    last: Mutex<Option<Usable>>,
}

/// Listens on a random port of 127.0.0.1 until the process ends.
///
/// # Errors
/// If there is no free port, or no randomness.
pub async fn serve(source: Arc<Source>) -> anyhow::Result<Endpoint> {
    let mut random = [0; TOKEN_LENGTH];
    let filled = default_provider().secure_random.fill(&mut random);
    filled.map_err(|_| anyhow::anyhow!("the system has no random numbers for the token"))?;
    let token = SecretString::from(hex(&random));
    let served = Served {
        source,
        token: Sha256::digest(token.expose_secret()).into(),
        last: Mutex::new(None),
    };
    let router = Router::new().route("/", get(reply)).with_state(Arc::new(served));
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await;
    let listener = listener.context("cannot listen on 127.0.0.1")?;
    let url = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(Endpoint { url, token })
}

async fn reply(State(served): State<Arc<Served>>, headers: HeaderMap) -> Response {
    let given = headers.get(AUTHORIZATION).map(|value| Sha256::digest(value.as_bytes()));
    if given.is_none_or(|given| given[..] != served.token) {
        return json_reply(StatusCode::UNAUTHORIZED, &error("Unauthorized", "wrong token"));
    }
    let mut last = served.last.lock().await;
    match served.source.read().await {
        Ok(credentials) => *last = Some(credentials),
        Err(why) => {
            if last.as_ref().is_none_or(|last| last.expiration <= Timestamp::now()) {
                let text = format!("{why:#}");
                return json_reply(StatusCode::SERVICE_UNAVAILABLE, &error("Unavailable", &text));
            }
        }
    }
    match last.as_ref() {
        Some(credentials) => json_reply(StatusCode::OK, &body(credentials)),
        None => json_reply(StatusCode::SERVICE_UNAVAILABLE, &error("Unavailable", "none read yet")),
    }
}

fn body(credentials: &Usable) -> String {
    let key = &credentials.key;
    json!({
        "AccessKeyId": key.access_key_id,
        "SecretAccessKey": key.secret_access_key.expose_secret(),
        "Token": key.session_token.expose_secret(),
        "Expiration": credentials.expiration.to_string(),
    })
    .to_string()
}

fn error(code: &str, message: &str) -> String {
    json!({"code": code, "message": message}).to_string()
}

fn json_reply(status: StatusCode, body: &str) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (status, headers, body.to_owned()).into_response()
}
