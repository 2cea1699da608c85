//! The flags of `tempcred agent`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use axum::http::Uri;
use clap::Args;

use super::names::Entry;

/// Settings of `tempcred agent`.
///
/// The agent serves the credentials of mounted Secrets to the containers of a Pod, in the protocol of ECS and EKS Pod
/// Identity. Every AWS SDK asks it again before the credentials expire. Each file is read for each request.
#[derive(Args, Debug)]
pub struct AgentArgs {
    /// File with credentials as JSON: the key `credentials.json` of a mounted Secret. It is served at `/NAME`, the first
    /// one also at `/`. Default for NAME: the name of the folder of the file. May be repeated.
    #[arg(long, value_name = "[NAME=]PATH", required_unless_present = "check")]
    pub file: Vec<Entry>,

    /// Loopback address and port to listen on.
    #[arg(
        long,
        env = "TEMPCRED_AGENT_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:9911",
        value_parser = loopback
    )]
    pub listen: SocketAddr,

    /// File with a token that requests must have in their header `Authorization`. It is read for each request. SDKs send
    /// the content of the file that AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names. Default: no token is needed.
    #[arg(long, env = "TEMPCRED_AGENT_AUTHORIZATION_TOKEN_FILE", value_name = "PATH")]
    pub authorization_token_file: Option<PathBuf>,

    /// Ask an agent at this URL instead of serving, for a probe of type `exec`: exit code 0 if it answers with success, 1
    /// otherwise. Example: `http://127.0.0.1:9911/readyz`.
    #[arg(
        long,
        value_name = "URL",
        value_parser = local_url,
        conflicts_with = "file"
    )]
    pub check: Option<Uri>,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "not an IP address with a port, such as 127.0.0.1:9911 or [::1]:9911")?;
    if !address.ip().is_loopback() {
        return Err(
            "not a loopback address: every Pod that can connect could read the credentials. \
             Use 127.0.0.1 or [::1]"
                .to_owned(),
        );
    }
    Ok(address)
}

fn local_url(text: &str) -> Result<Uri, String> {
    let example = "not a URL such as http://127.0.0.1:9911/readyz";
    let url: Uri = text.parse().map_err(|_| example)?;
    let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let local = host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    if url.scheme_str() != Some("http") || url.port().is_none() || !local {
        return Err(format!("{example}, with a loopback address and a port"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_accepted() {
        for (text, accepted) in [
            ("127.0.0.1:9911", true),
            ("127.8.0.1:80", true),
            ("[::1]:9911", true),
            ("0.0.0.0:9911", false),
            ("[::]:9911", false),
            ("10.0.0.1:9911", false),
            ("127.0.0.1", false),
            ("localhost:9911", false),
        ] {
            assert_eq!(loopback(text).is_ok(), accepted, "{text}");
        }
    }

    #[test]
    fn only_urls_of_this_machine_are_checked() {
        for (text, accepted) in [
            ("http://127.0.0.1:9911/readyz", true),
            ("http://[::1]:9911/readyz", true),
            ("http://127.0.0.1/readyz", false),
            ("https://127.0.0.1:9911/readyz", false),
            ("http://example.com:80/", false),
            ("/readyz", false),
        ] {
            assert_eq!(local_url(text).is_ok(), accepted, "{text}");
        }
    }
}
