//! The record of an issue, which is stored in annotations of the Secret. After a restart, the operator learns from it
//! which credentials the Secret contains, without a call to STS.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::credentials::{Credentials, is_access_key_id, is_principal};
use crate::desired::Desired;
use crate::text::bounded;

/// Label with the UID of the resource that the Secret belongs to. The watch selects Secrets by this label.
pub const CREDENTIAL_UID: &str = "tempcred.dev/credential-uid";

/// Well-known label for the program that manages an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The annotations on a Secret.
pub mod annotation {
    /// Name of the resource that the Secret belongs to.
    pub const CREDENTIAL_NAME: &str = "tempcred.dev/credential-name";
    /// Hash of the request that the credentials were issued for, see `Desired::request_hash`.
    pub const REQUEST_HASH: &str = "tempcred.dev/request-hash";
    /// Hash of the format of the Secret, see `Desired::render_hash`.
    pub const RENDER_HASH: &str = "tempcred.dev/render-hash";
    /// Fingerprint of the values. Detects edits.
    pub const FINGERPRINT: &str = "tempcred.dev/fingerprint";
    /// When the credentials were issued.
    pub const ISSUED_AT: &str = "tempcred.dev/issued-at";
    /// When the credentials expire.
    pub const EXPIRATION: &str = "tempcred.dev/expiration";
    /// ARN of the principal that the credentials belong to.
    pub const PRINCIPAL_ARN: &str = "tempcred.dev/principal-arn";
    /// Access key ID of the credentials.
    pub const ACCESS_KEY_ID: &str = "tempcred.dev/access-key-id";
    /// Used share of the AWS limit for session policies and tags, in percent.
    pub const PACKED_POLICY_SIZE: &str = "tempcred.dev/packed-policy-size";
    /// The renewal request that the credentials were issued for. It is known even if the status write fails.
    pub const RENEW_REQUEST: &str = "tempcred.dev/last-renew-request";

    /// Every annotation.
    pub const ALL: &[&str] = &[
        CREDENTIAL_NAME,
        REQUEST_HASH,
        RENDER_HASH,
        FINGERPRINT,
        ISSUED_AT,
        EXPIRATION,
        PRINCIPAL_ARN,
        ACCESS_KEY_ID,
        PACKED_POLICY_SIZE,
        RENEW_REQUEST,
    ];
}

/// The record of one issue. The annotations and the status are generated from it.
#[derive(Clone, Debug, PartialEq)]
pub struct IssueRecord {
    /// Hash of the request that the credentials were issued for.
    pub request_hash: String,
    /// Hash of the format of the Secret.
    pub render_hash: String,
    /// Fingerprint of the values.
    pub fingerprint: String,
    /// When the credentials were issued.
    pub issued_at: Timestamp,
    /// When the credentials expire.
    pub expiration: Timestamp,
    /// ARN of the principal that the credentials belong to.
    pub principal_arn: Option<String>,
    /// Access key ID of the credentials. `None` for a web identity token.
    pub access_key_id: Option<String>,
    /// Used share of the AWS limit for session policies and tags, in percent.
    pub packed_policy_size: Option<i32>,
    /// The renewal request that the credentials were issued for.
    pub renew_request: Option<String>,
}

impl IssueRecord {
    /// The record of credentials that are about to be written.
    pub fn new(
        desired: &Desired,
        request_hash: &str,
        credentials: &Credentials,
        renew_request: Option<&str>,
    ) -> Self {
        Self {
            request_hash: request_hash.to_owned(),
            render_hash: desired.render_hash.clone(),
            fingerprint: credentials.fingerprint(),
            issued_at: credentials.issued_at,
            expiration: credentials.expiration,
            principal_arn: credentials.principal_arn.clone(),
            access_key_id: credentials.access_key_id().map(str::to_owned),
            packed_policy_size: credentials.packed_policy_size,
            renew_request: renew_request.map(str::to_owned),
        }
    }

    /// The record of the same issue, with the hash of the currently desired format.
    pub fn reshaped(&self, desired: &Desired) -> Self {
        Self { render_hash: desired.render_hash.clone(), ..self.clone() }
    }

    /// Parses the annotations. `None` if a required one is missing or malformed. Optional ones that are malformed are
    /// ignored.
    pub fn read(annotations: &BTreeMap<String, String>) -> Option<Self> {
        let text = |key: &str| annotations.get(key).cloned();
        let time = |key: &str| annotations.get(key)?.parse().ok();
        Some(Self {
            request_hash: text(annotation::REQUEST_HASH)?,
            render_hash: text(annotation::RENDER_HASH)?,
            fingerprint: text(annotation::FINGERPRINT)?,
            issued_at: time(annotation::ISSUED_AT)?,
            expiration: time(annotation::EXPIRATION)?,
            // Validated, because the status shows these values and users can edit the annotations.
            principal_arn: text(annotation::PRINCIPAL_ARN).filter(|arn| is_principal(arn)),
            access_key_id: text(annotation::ACCESS_KEY_ID).filter(|id| is_access_key_id(id)),
            packed_policy_size: annotations
                .get(annotation::PACKED_POLICY_SIZE)
                .and_then(|percent| percent.parse().ok()),
            renew_request: text(annotation::RENEW_REQUEST).map(|request| bounded(&request)),
        })
    }

    /// The annotations to write.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let required = [
            (annotation::REQUEST_HASH, self.request_hash.clone()),
            (annotation::RENDER_HASH, self.render_hash.clone()),
            (annotation::FINGERPRINT, self.fingerprint.clone()),
            (annotation::ISSUED_AT, self.issued_at.to_string()),
            (annotation::EXPIRATION, self.expiration.to_string()),
        ];
        let optional = [
            (annotation::PRINCIPAL_ARN, self.principal_arn.clone()),
            (annotation::ACCESS_KEY_ID, self.access_key_id.clone()),
            (annotation::PACKED_POLICY_SIZE, self.packed_policy_size.map(|size| size.to_string())),
            (annotation::RENEW_REQUEST, self.renew_request.clone()),
        ];
        let optional = optional.into_iter().filter_map(|(key, value)| Some((key, value?)));
        required.into_iter().chain(optional).map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

/// Name of the resource that a Secret belongs to, according to its annotation.
pub fn credential_name(annotations: &BTreeMap<String, String>) -> Option<&str> {
    annotations.get(annotation::CREDENTIAL_NAME).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_a_round_trip_through_annotations() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let bare = IssueRecord {
            request_hash: "r".to_owned(),
            render_hash: "s".to_owned(),
            fingerprint: "f".to_owned(),
            issued_at: at(10),
            expiration: at(20),
            principal_arn: None,
            access_key_id: None,
            packed_policy_size: None,
            renew_request: None,
        };
        let full = IssueRecord {
            principal_arn: Some("arn:p".to_owned()),
            access_key_id: Some("ASIA1".to_owned()),
            packed_policy_size: Some(7),
            renew_request: Some("now".to_owned()),
            ..bare.clone()
        };
        for record in [bare, full] {
            assert_eq!(IssueRecord::read(&record.annotations()), Some(record.clone()));
            let mut annotations = record.annotations();
            annotations.remove(annotation::FINGERPRINT);
            assert_eq!(IssueRecord::read(&annotations), None);
        }
    }

    #[test]
    fn edited_annotations_are_bounded() {
        let annotations = |edits: &[(&str, &str)]| {
            let mut all = BTreeMap::from([
                (annotation::ISSUED_AT.to_owned(), "2026-01-01T00:00:00Z".to_owned()),
                (annotation::EXPIRATION.to_owned(), "2026-01-01T01:00:00Z".to_owned()),
            ]);
            for key in [annotation::REQUEST_HASH, annotation::RENDER_HASH, annotation::FINGERPRINT]
            {
                all.insert(key.to_owned(), "h".to_owned());
            }
            all.extend(edits.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
            IssueRecord::read(&all)
        };
        let long = "x".repeat(3000);
        let edited = annotations(&[
            (annotation::PRINCIPAL_ARN, &long),
            (annotation::ACCESS_KEY_ID, &long),
            (annotation::PACKED_POLICY_SIZE, "many"),
            (annotation::RENEW_REQUEST, &long),
        ])
        .unwrap();
        assert_eq!(
            (edited.principal_arn, edited.access_key_id, edited.packed_policy_size),
            (None, None, None)
        );
        assert!(edited.renew_request.is_some_and(|request| request.starts_with("sha256:")));
        assert_eq!(annotations(&[(annotation::EXPIRATION, "tomorrow")]), None);
    }
}
