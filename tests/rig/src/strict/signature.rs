//! Checks Signature Version 4, as AWS clients sign calls to STS.

use std::fmt::Write;

use aws_lc_rs::hmac;

use super::refusal::Refusal;
use crate::random;
use crate::sts::HttpRequest;

/// The parts of an `Authorization` header.
struct Authorization<'a> {
    date: &'a str,
    region: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

/// Whether the secret key has signed the request.
pub(crate) fn check(request: &HttpRequest, secret: &str) -> Result<(), Refusal> {
    let header = request.headers.get("authorization").map(String::as_str).unwrap_or_default();
    let parts = parse(header).ok_or_else(|| {
        Refusal::new(400, "IncompleteSignature", "The Authorization header is incomplete")
    })?;
    match sign(request, secret, &parts) == parts.signature {
        true => Ok(()),
        false => Err(Refusal::new(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details.",
        )),
    }
}

fn parse(header: &str) -> Option<Authorization<'_>> {
    let fields = header.strip_prefix("AWS4-HMAC-SHA256 ")?;
    let field = |name: &str| {
        let mut fields = fields.split(',').filter_map(|field| field.trim().split_once('='));
        fields.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let mut scope = field("Credential")?.split('/').skip(1);
    let (date, region) = (scope.next()?, scope.next()?);
    Some(Authorization {
        date,
        region,
        signed_headers: field("SignedHeaders")?,
        signature: field("Signature")?,
    })
}

fn sign(request: &HttpRequest, secret: &str, parts: &Authorization<'_>) -> String {
    let header = |name: &str| request.headers.get(name).map(String::as_str).unwrap_or_default();
    let hash = |text: &[u8]| random::to_hex(&random::sha256(text));
    let mut canonical = format!("{}\n{}\n\n", request.method, request.path);
    for name in parts.signed_headers.split(';') {
        // Writing to a String does not fail.
        let _ = writeln!(canonical, "{name}:{}", header(name).trim());
    }
    let _ = write!(canonical, "\n{}\n{}", parts.signed_headers, hash(&request.body));
    let scope = format!("{}/{}/sts/aws4_request", parts.date, parts.region);
    let time = header("x-amz-date");
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hash(canonical.as_bytes()));
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [parts.date, parts.region, "sts", "aws4_request", &to_sign] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes());
        key = tag.as_ref().to_vec();
    }
    random::to_hex(&key)
}
