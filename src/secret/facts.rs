//! What tempcred notes on a Secret beside the credentials, so that a restart knows what it holds
//! without a call to STS.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::api::LONGEST_REQUEST;
use crate::desired::Desired;
use crate::minted::Minted;

/// Label with the UID of the resource that the Secret belongs to; the watch selects by it.
pub const CREDENTIAL_UID: &str = "tempcred.dev/credential-uid";

/// Well-known label that says which program manages an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The annotations on a Secret.
pub mod annotation {
    /// Name of the resource that the Secret belongs to.
    pub const CREDENTIAL_NAME: &str = "tempcred.dev/credential-name";
    /// Hash of the request that the credentials answer.
    pub const REQUEST_HASH: &str = "tempcred.dev/request-hash";
    /// Hash of the shape in which they are written.
    pub const RENDER_HASH: &str = "tempcred.dev/render-hash";
    /// Fingerprint of the three values, to notice edits.
    pub const FINGERPRINT: &str = "tempcred.dev/fingerprint";
    /// When the credentials were issued.
    pub const ISSUED_AT: &str = "tempcred.dev/issued-at";
    /// When they expire.
    pub const EXPIRATION: &str = "tempcred.dev/expiration";
    /// Who they stand for.
    pub const PRINCIPAL_ARN: &str = "tempcred.dev/principal-arn";
    /// The renew request that they serve: known even if the status that says so is lost.
    pub const RENEW_REQUEST: &str = "tempcred.dev/last-renew-request";
}

/// The longest ARN that AWS makes.
const LONGEST_ARN: usize = 2048;

/// What the annotations of a Secret say about the credentials in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Hash of the request that they answer.
    pub request_hash: String,
    /// Hash of the shape in which they are written.
    pub render_hash: String,
    /// Fingerprint of the three values.
    pub fingerprint: String,
    /// When they were issued.
    pub issued_at: Timestamp,
    /// When they expire.
    pub expiration: Timestamp,
    /// Who they stand for.
    pub principal_arn: Option<String>,
    /// The renew request that they serve.
    pub renew_request: Option<String>,
}

impl Facts {
    /// The facts about credentials that are about to be written.
    pub fn of(desired: &Desired, request_hash: &str, minted: &Minted) -> Self {
        Self {
            request_hash: request_hash.to_owned(),
            render_hash: desired.render_hash.clone(),
            fingerprint: minted.fingerprint(),
            issued_at: minted.issued_at,
            expiration: minted.expiration,
            principal_arn: minted.principal_arn.clone(),
            renew_request: minted.renew_request.clone(),
        }
    }

    /// Reads the annotations; `None` if one is missing or no longer makes sense.
    pub fn read(annotations: &BTreeMap<String, String>) -> Option<Self> {
        let text = |key: &str| annotations.get(key).cloned();
        let time = |key: &str| annotations.get(key)?.parse().ok();
        Some(Self {
            request_hash: text(annotation::REQUEST_HASH)?,
            render_hash: text(annotation::RENDER_HASH)?,
            fingerprint: text(annotation::FINGERPRINT)?,
            issued_at: time(annotation::ISSUED_AT)?,
            expiration: time(annotation::EXPIRATION)?,
            principal_arn: text(annotation::PRINCIPAL_ARN).filter(|arn| arn.len() <= LONGEST_ARN),
            renew_request: text(annotation::RENEW_REQUEST).filter(|it| it.len() <= LONGEST_REQUEST),
        })
    }

    /// The annotations to write.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::from([
            (annotation::REQUEST_HASH.to_owned(), self.request_hash.clone()),
            (annotation::RENDER_HASH.to_owned(), self.render_hash.clone()),
            (annotation::FINGERPRINT.to_owned(), self.fingerprint.clone()),
            (annotation::ISSUED_AT.to_owned(), self.issued_at.to_string()),
            (annotation::EXPIRATION.to_owned(), self.expiration.to_string()),
        ]);
        if let Some(arn) = &self.principal_arn {
            all.insert(annotation::PRINCIPAL_ARN.to_owned(), arn.clone());
        }
        if let Some(request) = &self.renew_request {
            all.insert(annotation::RENEW_REQUEST.to_owned(), request.clone());
        }
        all
    }
}

/// Name of the resource that a Secret belongs to, as the Secret says.
pub fn credential_name(annotations: &BTreeMap<String, String>) -> Option<&str> {
    annotations.get(annotation::CREDENTIAL_NAME).map(String::as_str)
}
