//! The XML of replies.

use super::http::Reply;
use super::reply::request_id;
use crate::random;

/// The namespace of STS.
pub(crate) const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// A reply with the content of its `Result` element.
pub(crate) fn result(action: &str, content: &str) -> Reply {
    let id = request_id();
    let body = format!(
        "<{action}Response xmlns=\"{NAMESPACE}\">\n<{action}Result>\n{content}</{action}Result>\n\
         <ResponseMetadata>\n<RequestId>{id}</RequestId>\n</ResponseMetadata>\n\
         </{action}Response>\n"
    );
    Reply { status: 200, body: body.into_bytes() }
}

pub(crate) fn element(name: &str, value: &str) -> String {
    format!("<{name}>{}</{name}>\n", escape(value))
}

pub(crate) fn wrap(name: &str, inner: &str) -> String {
    format!("<{name}>\n{inner}</{name}>\n")
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Such as `AROA…` for a role: the same for the same name.
pub(crate) fn unique_id(prefix: &str, of: &str) -> String {
    let hex = random::to_hex(&random::sha256(of.as_bytes())).to_uppercase();
    format!("{prefix}{}", &hex[..17])
}
