//! Which requests may get credentials.

use std::net::IpAddr;
use std::path::PathBuf;

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
///
/// # Errors
/// If the token cannot be read, or is empty.
pub(super) fn is_authorized(token: &Read, headers: &HeaderMap) -> Result<bool, Unavailable> {
    let token = token()?;
    // Editors and `echo` end a file with a line break, which no header contains.
    let token = token.expose_secret().trim_end_matches(['\r', '\n']);
    if token.is_empty() {
        let text = "the file of --authorization-token-file is empty: write a token into it";
        return Err(Unavailable::Unreadable(text.to_owned()));
    }
    let sent = headers.get(AUTHORIZATION).map_or(&[][..], HeaderValue::as_bytes);
    Ok(bool::from(sent.ct_eq(token.as_bytes())))
}

/// The token in a file.
pub(super) fn file_token(path: PathBuf) -> Read {
    let name = path.display().to_string();
    let read = file(path);
    Box::new(move || -> Result<SecretString, Unavailable> {
        read().map_err(|_| {
            let text = format!(
                "the authorization token in {name} cannot be read: check the file of --authorization-token-file"
            );
            Unavailable::Unreadable(text)
        })
    })
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
        let token = |text: &'static str| -> Read { Box::new(move || Ok(text.into())) };
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
            let header = header.map(|text| (AUTHORIZATION, HeaderValue::from_static(text)));
            let authorized = is_authorized(&token(content), &header.into_iter().collect());
            assert_eq!(authorized.ok(), expected, "{row}");
        }
    }
}
