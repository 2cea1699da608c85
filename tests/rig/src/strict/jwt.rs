//! Checks the signature of a token (JWT) of a ServiceAccount.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

use super::refusal::Refusal;

/// The claims of a token, which are not checked.
pub(super) fn claims(token: &str) -> Result<Value, Refusal> {
    part(token, 1).ok_or_else(not_a_token)
}

/// Whether a key of the set has signed the token.
pub(super) fn check_signature(token: &str, keys: &Value) -> Result<(), Refusal> {
    let header = part(token, 0).ok_or_else(not_a_token)?;
    if header["alg"] != "RS256" {
        return Err(Refusal::token("The algorithm of the token is not supported."));
    }
    let (signed, signature) = token.rsplit_once('.').ok_or_else(not_a_token)?;
    let signature = decode(signature).ok_or_else(not_a_token)?;
    let keys = keys["keys"].as_array().into_iter().flatten();
    let mut same_id = keys.filter(|key| key["kid"] == header["kid"]);
    let verifies = |key: &Value| {
        let number = |name: &str| key[name].as_str().and_then(decode);
        let (Some(n), Some(e)) = (number("n"), number("e")) else { return false };
        let key = RsaPublicKeyComponents { n, e };
        key.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature).is_ok()
    };
    match same_id.any(verifies) {
        true => Ok(()),
        false => Err(Refusal::token("The signature of the token could not be verified.")),
    }
}

fn not_a_token() -> Refusal {
    Refusal::token(
        "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
    )
}

fn part(token: &str, index: usize) -> Option<Value> {
    serde_json::from_slice(&decode(token.split('.').nth(index)?)?).ok()
}

fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}
