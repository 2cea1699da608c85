//! GetCallerIdentity: the operator's own ARN, and whether STS replies.

use std::time::{Duration, Instant};

use aws_config::identity::IdentityCache;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::Credentials;
use tempcred_core::problem::{Problem, Reason};

use super::errors;
use super::exchange::{Exchange, Recorder};
use super::identity::Identity;
use super::obstacle::{self, Obstacle};
use super::sts::Sts;

/// Timeout for resolving the name of the host, to find out why there was no reply.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);

/// Signs a call that needs no identity, only a reply: STS rejects it.
const PLACEHOLDER: &str = "tempcred-doctor";

/// The principal that signs the calls of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its ARN.
    pub arn: String,
}

/// A call of GetCallerIdentity.
#[derive(Debug)]
pub struct CallerCall {
    /// What it exchanged.
    pub exchange: Exchange,
    /// How long it took.
    pub duration: Duration,
    /// Its result.
    pub result: Result<Caller, CallerFailure>,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq)]
pub struct CallerFailure {
    /// The problem, with advice.
    pub problem: Problem,
    /// What prevented a reply. `None` if there was one.
    pub obstacle: Option<Obstacle>,
}

impl Sts {
    /// Calls GetCallerIdentity in the operator's own region. AWS allows it to every identity. Without an identity, STS
    /// rejects the call, but its reply shows that it can be reached.
    ///
    /// # Errors
    /// `RegionMissing`.
    pub async fn caller(&self, identity: Option<&Identity>) -> Result<CallerCall, Problem> {
        let region = self.regions().own().ok_or_else(|| {
            let reason = Reason::RegionMissing;
            Problem::new(reason, format!("No AWS region is known. {}", reason.advice()))
        })?;
        let placeholder = || Credentials::new(PLACEHOLDER, PLACEHOLDER, None, None, PLACEHOLDER);
        let credentials = identity.map_or_else(placeholder, |own| own.credentials.clone());
        let config = self.client(region).config().to_builder();
        let config =
            config.identity_cache(IdentityCache::no_cache()).credentials_provider(credentials);
        let recorder = Recorder::default();
        let call = Client::from_conf(config.build()).get_caller_identity().customize();
        let begin = Instant::now();
        let reply = call.interceptor(recorder.clone()).send().await;
        let (duration, exchange) = (begin.elapsed(), recorder.exchange());
        let result = match reply {
            Ok(reply) => match reply.arn.filter(|arn| !arn.is_empty()) {
                Some(arn) => Ok(Caller { arn }),
                None => Err(CallerFailure { problem: no_arn(), obstacle: None }),
            },
            Err(error) => Err(CallerFailure {
                problem: errors::problem("GetCallerIdentity", "the operator", &error),
                obstacle: match obstacle::of(&error) {
                    Some(found) => Some(refined(found, exchange.endpoint.as_deref()).await),
                    None => None,
                },
            }),
        };
        Ok(CallerCall { exchange, duration, result })
    }
}

fn no_arn() -> Problem {
    let what = "the reply of STS contains no ARN";
    Problem::of_call(Reason::InvalidReply, "GetCallerIdentity", "the operator", what)
}

/// The same obstacle, unless the name of the host does not resolve: the SDK does not tell this apart. A proxy resolves
/// names itself.
async fn refined(found: Obstacle, endpoint: Option<&str>) -> Obstacle {
    let is_open = matches!(found, Obstacle::Broken | Obstacle::Timeout);
    let Some(address) = endpoint.and_then(address).filter(|_| is_open && !has_proxy()) else {
        return found;
    };
    match tokio::time::timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host(address)).await {
        Ok(Ok(_)) => found,
        Ok(Err(_)) | Err(_) => Obstacle::Name,
    }
}

/// Whether requests may go through a proxy.
fn has_proxy() -> bool {
    let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    names.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Host and port of an endpoint.
fn address(endpoint: &str) -> Option<String> {
    let (scheme, host) = endpoint.split_once("://")?;
    let after_ipv6 = host.rsplit(']').next()?;
    let port = if scheme == "http" { 80 } else { 443 };
    Some(if after_ipv6.contains(':') { host.to_owned() } else { format!("{host}:{port}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_an_endpoint_is_that_of_its_scheme() {
        for (endpoint, expected) in [
            ("https://sts.example.com", "sts.example.com:443"),
            ("http://sts.example.com", "sts.example.com:80"),
            ("https://sts.example.com:8443", "sts.example.com:8443"),
            ("https://[::1]", "[::1]:443"),
            ("https://[::1]:8443", "[::1]:8443"),
        ] {
            assert_eq!(address(endpoint).as_deref(), Some(expected));
        }
    }
}
