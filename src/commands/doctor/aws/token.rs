//! Reads the claims of a ServiceAccount token. Claims are no secret values. The signature is neither checked nor repeated.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// Largest file that is read as a token. Those of Kubernetes have about 1 KB.
const LARGEST: u64 = 64 * 1024;

/// The claim with session tags for AWS.
pub const TAGS_CLAIM: &str = "https://aws.amazon.com/tags";

/// The claim with a source identity for AWS.
pub const SOURCE_IDENTITY_CLAIM: &str = "https://aws.amazon.com/source_identity";

/// The claims of a token that matter to AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// The issuer.
    pub issuer: Option<String>,
    /// The subject.
    pub subject: Option<String>,
    /// The audiences.
    pub audiences: Vec<String>,
    /// When it expires.
    pub expiration: Option<Timestamp>,
    /// Keys of the transitive session tags.
    pub transitive_tags: BTreeSet<String>,
    /// Whether it sets a source identity.
    pub source_identity: bool,
}

/// Why a token file is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// The file does not exist.
    Missing,
    /// The file cannot be read.
    Forbidden,
    /// The file contains no token.
    NoToken,
}

impl Unreadable {
    /// The second half of a sentence about the file.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Missing => "does not exist",
            Self::Forbidden => "cannot be read by the user of this process",
            Self::NoToken => "contains no JSON Web Token",
        }
    }
}

/// The claims of the token in a file.
///
/// # Errors
/// If the file cannot be read, or contains no token.
pub fn read(path: &str) -> Result<Claims, Unreadable> {
    let file = fs::File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Unreadable::Missing,
        _ => Unreadable::Forbidden,
    })?;
    let mut text = String::new();
    let read = file.take(LARGEST).read_to_string(&mut text);
    read.map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => Unreadable::NoToken,
        _ => Unreadable::Forbidden,
    })?;
    claims(&text).ok_or(Unreadable::NoToken)
}

/// The claims of a token. `None` if it is none.
pub fn claims(token: &str) -> Option<Claims> {
    let mut parts = token.trim().split('.');
    let (Some(_), Some(payload), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    if !claims.is_object() {
        return None;
    }
    let text = |name: &str| claims[name].as_str().map(str::to_owned);
    let tags = Tags::deserialize(&claims[TAGS_CLAIM]).unwrap_or_default();
    Some(Claims {
        issuer: text("iss"),
        subject: text("sub"),
        audiences: match &claims["aud"] {
            Value::String(one) => vec![one.clone()],
            Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => vec![],
        },
        expiration: claims["exp"].as_f64().and_then(|exp| Timestamp::from_second(exp as i64).ok()),
        transitive_tags: tags.transitive_tag_keys,
        source_identity: !claims[SOURCE_IDENTITY_CLAIM].is_null(),
    })
}

/// The claim [`TAGS_CLAIM`]. Values of tags are not read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Tags {
    transitive_tag_keys: BTreeSet<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn token(claims: &Value) -> String {
        let payload = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
        format!("eyJhbGciOiJub25lIn0.{payload}.c2ln")
    }

    #[test]
    fn the_claims_of_a_token_are_read() {
        let full = claims(&token(&json!({
            "iss": "https://oidc.example.com", "sub": "system:serviceaccount:a:b", "aud": ["sts.amazonaws.com"],
            "exp": 1_767_225_600, SOURCE_IDENTITY_CLAIM: "alice",
            TAGS_CLAIM: {
                "principal_tags": {"team": ["data"], "stage": ["prod"]}, "transitive_tag_keys": ["team"],
            },
        })));
        let full = full.unwrap();
        assert_eq!(full.subject.as_deref(), Some("system:serviceaccount:a:b"));
        assert_eq!(full.audiences, ["sts.amazonaws.com"]);
        assert_eq!(full.expiration.unwrap().to_string(), "2026-01-01T00:00:00Z");
        assert_eq!(full.transitive_tags.into_iter().collect::<Vec<_>>(), ["team"]);
        assert!(full.source_identity);
        let bare = claims(&token(&json!({"aud": "one"}))).unwrap();
        assert_eq!(bare, Claims { audiences: vec!["one".to_owned()], ..Claims::default() });
        let strange = json!({TAGS_CLAIM: "text", "exp": "never", "aud": 3});
        assert_eq!(claims(&token(&strange)), Some(Claims::default()));
    }

    #[test]
    fn other_text_is_no_token() {
        for text in ["", "hush", "a.b", "a.b.c.d", "a.!.c", "a.W10.c", "a.bnVsbA.c"] {
            assert_eq!(claims(text), None, "{text}");
        }
        assert_eq!(read("/no/such/file"), Err(Unreadable::Missing));
        assert_eq!(read("/"), Err(Unreadable::Forbidden));
    }
}
