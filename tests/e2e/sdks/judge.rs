//! The STS of these tests rejects every caller that AWS would reject.

use aws_sdk_sts::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sts::error::ProvideErrorMetadata;
use jiff::SignedDuration;
use rig::sts::{Responder, secret_for, token_for};

use crate::agent::after;

const VALID: &str = "ASIAVALID00000000001";
const EXPIRED: &str = "ASIAEXPIRED000000001";
const UNKNOWN: &str = "ASIAUNKNOWN000000001";

/// The error of a call, if there is one.
async fn error(sts: &Responder, key: &str, secret: &str, token: Option<String>) -> Option<String> {
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(sts.url())
        .credentials_provider(Credentials::new(key, secret, token, None, "test"))
        .build();
    let result = aws_sdk_sts::Client::from_conf(config).get_caller_identity().send().await;
    result.err().map(|error| error.code().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn sts_accepts_only_a_known_unexpired_key_with_its_token_and_its_signature() {
    let sts = Responder::start().unwrap();
    sts.check_callers();
    sts.know(VALID, after(SignedDuration::from_hours(1)));
    sts.know(EXPIRED, after(SignedDuration::ZERO));
    let token = |key| Some(token_for(key));
    for (row, key, secret, token, expected) in [
        ("valid", VALID, secret_for(VALID), token(VALID), None),
        ("expired", EXPIRED, secret_for(EXPIRED), token(EXPIRED), Some("ExpiredToken")),
        ("unknown", UNKNOWN, secret_for(UNKNOWN), token(UNKNOWN), Some("InvalidClientTokenId")),
        ("no token", VALID, secret_for(VALID), None, Some("InvalidClientTokenId")),
        ("another token", VALID, secret_for(VALID), token(EXPIRED), Some("InvalidClientTokenId")),
        ("another secret", VALID, secret_for(EXPIRED), token(VALID), Some("SignatureDoesNotMatch")),
    ] {
        assert_eq!(error(&sts, key, &secret, token).await.as_deref(), expected, "{row}");
    }
}
