//! Which requests may get credentials.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::document::Unavailable;
use super::source::{Read, file};

/// The addresses of the endpoints of ECS and EKS, which a node may redirect to an agent.
const ENDPOINTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];

/// Whether the header `Host` names this machine. A web page whose name resolves to a loopback address has another host,
/// so that its script cannot read credentials (DNS rebinding).
pub(super) fn is_local(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    if host.contains('@') {
        return false;
    }
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match address {
        Ok(address) => address.is_loopback() || ENDPOINTS.contains(&address.to_string().as_str()),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

/// Whether the header `Authorization` is the token.
pub(super) fn is_authorized(token: &SecretString, headers: &HeaderMap) -> bool {
    let sent = headers.get(AUTHORIZATION).map_or(&[][..], HeaderValue::as_bytes);
    bool::from(sent.ct_eq(token.expose_secret().as_bytes()))
}

/// Reads the token from a file.
pub(super) fn token_file(path: PathBuf) -> Read<SecretString> {
    Box::new(move || Box::pin(std::future::ready(token(&path))))
}

fn token(path: &Path) -> Result<SecretString, Unavailable> {
    let content = file(path).map_err(|_| {
        let name = path.display();
        Unavailable::Unreadable(format!(
            "the authorization token in {name} cannot be read: check the file of --authorization-token-file"
        ))
    })?;
    // Editors and `echo` end a file with a line break, which no header contains.
    match content.expose_secret().trim_end_matches(['\r', '\n']) {
        "" => {
            let text = "the file of --authorization-token-file is empty: write a token into it";
            Err(Unavailable::Unreadable(text.to_owned()))
        }
        token => Ok(token.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_hosts_of_this_machine() {
        for (host, local) in [
            ("127.0.0.1:9911", true),
            ("127.0.0.1", true),
            ("127.8.9.10:1", true),
            ("localhost:9911", true),
            ("LOCALHOST", true),
            ("[::1]:9911", true),
            ("169.254.170.2", true),
            ("169.254.170.23", true),
            ("[fd00:ec2::23]", true),
            ("169.254.169.254", false),
            ("10.0.0.1:9911", false),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("127.0.0.1@evil.example", false),
            ("evil.example@127.0.0.1", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))]);
            assert_eq!(is_local(&headers), local, "{host:?}");
        }
        assert!(!is_local(&HeaderMap::new()));
    }

    #[test]
    fn the_header_must_equal_the_token() {
        let path = std::env::temp_dir().join(format!("tempcred-token-{}", std::process::id()));
        for (row, content, header, expected) in [
            ("equal", "abc", Some("abc"), Some(true)),
            ("a line break at the end of the file", "abc\n", Some("abc"), Some(true)),
            ("another", "abc", Some("abd"), Some(false)),
            ("shorter", "abc", Some("ab"), Some(false)),
            ("longer", "abc", Some("abcd"), Some(false)),
            ("a scheme", "abc", Some("Bearer abc"), Some(false)),
            ("a scheme in the file too", "Bearer abc", Some("Bearer abc"), Some(true)),
            ("no header", "abc", None, Some(false)),
            ("an empty file", "\n", Some(""), None),
        ] {
            std::fs::write(&path, content).unwrap();
            let headers = header.map(|text| (AUTHORIZATION, HeaderValue::from_static(text)));
            let headers = headers.into_iter().collect();
            let authorized = token(&path).map(|token| is_authorized(&token, &headers));
            assert_eq!(authorized.ok(), expected, "{row}");
        }
        std::fs::remove_file(path).unwrap();
    }
}
