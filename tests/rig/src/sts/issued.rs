//! Issued credentials: they look real, and a test can check that their parts belong together.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::json;

use crate::random;

/// The letters of AWS' key ids.
const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Distinguishes the keys of one process; the rest of an id is random.
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// Credentials that were issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedRecord {
    /// `ASIA` and 16 letters and digits. Empty for `GetWebIdentityToken`.
    pub access_key_id: String,
    /// The secret access key. Empty for `GetWebIdentityToken`.
    pub secret: String,
    /// The session token, or the web identity token.
    pub token: String,
    /// The requested role, if any.
    pub role_arn: Option<String>,
    /// The call, such as `AssumeRole`.
    pub action: String,
    /// The parameters of the call.
    pub form: BTreeMap<String, String>,
    /// When it was issued, by the true clock.
    pub at: Timestamp,
    /// The expiry that the reply names, before [`Field`](super::Field)s are emptied.
    pub expiration: Timestamp,
}

/// The secret access key that goes with a key id of the responder: 40 characters,
/// `+` and `/` among them at times.
#[must_use]
pub fn secret_for(key_id: &str) -> String {
    let digest = random::sha256(format!("secret:{key_id}").as_bytes());
    let mut secret = BASE64_STANDARD.encode(digest);
    secret.truncate(40);
    secret
}

/// The session token that goes with a key id of the responder: 300 characters.
#[must_use]
pub fn token_for(key_id: &str) -> String {
    let mut bytes = Vec::with_capacity(7 * 32);
    for part in 0..7 {
        bytes.extend(random::sha256(format!("token:{key_id}:{part}").as_bytes()));
    }
    BASE64_STANDARD.encode(bytes)
}

/// A new key id.
pub(crate) fn key_id() -> String {
    let letter = |bits: u32| char::from(LETTERS[(bits & 31) as usize]);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut id = String::from("ASIA");
    id.extend(random::bytes::<9>().map(|byte| letter(byte.into())));
    // 35 bits hold the 32 of the counter.
    id.extend((0..7).map(|place| letter(count.checked_shr(5 * place).unwrap_or(0))));
    id
}

/// A text in the format of a JSON Web Token, without a valid signature.
pub(crate) fn jwt(
    audiences: &[&String],
    subject: &str,
    issued: Timestamp,
    expiration: Timestamp,
) -> String {
    let header = json!({ "alg": "RS256", "kid": random::hex::<8>(), "typ": "JWT" });
    let payload = json!({
        "aud": audiences,
        "exp": expiration.as_second(),
        "iat": issued.as_second(),
        "iss": "https://rig.tokens.sts.global.api.aws",
        "jti": random::hex::<16>(),
        "sub": subject,
    });
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let signed = [header, payload].map(|part| encode(part.to_string().as_bytes())).join(".");
    let signature = random::sha256(signed.as_bytes());
    format!("{signed}.{}", encode(&signature))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn key_ids_differ_and_look_like_those_of_aws() {
        let ids: HashSet<_> = (0..5000).map(|_| key_id()).collect();
        assert_eq!(ids.len(), 5000);
        for id in ids {
            assert_eq!(id.len(), 20);
            assert!(id.starts_with("ASIA"));
            assert!(id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
        }
    }

    #[test]
    fn secrets_and_tokens_are_derived_from_the_key_id_and_have_the_lengths_of_aws() {
        assert_eq!(secret_for("ASIAA"), secret_for("ASIAA"));
        assert_ne!(secret_for("ASIAA"), secret_for("ASIAB"));
        assert_eq!(secret_for("ASIAA").len(), 40);
        assert_eq!(token_for("ASIAA").len(), 300);
        let secrets: String = (0..50).map(|n| secret_for(&n.to_string())).collect();
        assert!(secrets.contains('+') && secrets.contains('/'));
    }
}
