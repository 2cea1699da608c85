//! Serves the credentials to the command with the server of `tempcred agent`, which every AWS SDK can ask.
//!
//! Each request reads the Secret again, so a rotation needs no watch: SDKs ask only when their credentials expire soon.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use rustls::crypto::aws_lc_rs::default_provider;
use secrecy::SecretString;
use tempcred_core::text::hex;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::secret::{Secret, Usable};
use crate::commands::agent::{Agent, Document, Source, Unavailable, serve as serve_agent};

/// Bytes of the authorization token.
const TOKEN_LENGTH: usize = 32;

/// Where the command gets credentials.
pub struct Endpoint {
    /// The URL.
    pub url: String,
    /// The value of the header `Authorization`.
    pub token: SecretString,
}

/// Listens on a random port of 127.0.0.1 until the process ends.
///
/// # Errors
/// If there is no free port, or no randomness.
pub async fn serve(name: String, secret: Arc<Secret>) -> anyhow::Result<Endpoint> {
    let mut random = [0; TOKEN_LENGTH];
    let filled = default_provider().secure_random.fill(&mut random);
    filled.map_err(|_| anyhow::anyhow!("the system has no random numbers for the token"))?;
    let token = SecretString::from(hex(&random));
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await;
    let listener = listener.context("cannot listen on 127.0.0.1")?;
    let url = format!("http://{}/", listener.local_addr()?);

    let read = move || {
        let secret = Arc::clone(&secret);
        async move {
            match secret.read().await {
                Ok(Usable { key, expiration, .. }) => Ok(Document { key, expiration }),
                Err(why) => Err(Unavailable::Unreadable(format!("{why:#}"))),
            }
        }
    };
    let source = Source::new(name, Box::new(move || Box::pin(read())));
    let expected = token.clone();
    let expected = move || std::future::ready(Ok(expected.clone()));
    let agent = Agent::new(vec![source], Some(Box::new(move || Box::pin(expected()))));
    tokio::spawn(serve_agent(listener, Arc::new(agent), CancellationToken::new()));
    Ok(Endpoint { url, token })
}
