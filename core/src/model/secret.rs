//! The Secret in the API server, and what users do to it.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

use super::world::number;
use crate::secret::{
    CREDENTIAL_UID, Ownership, SecretVersion, annotation, labelled_owner, ownership,
};

/// A Secret, and what is true of it whatever its annotations say.
#[derive(Clone)]
pub(super) struct StoredSecret {
    pub(super) secret: Secret,
    /// The number of the credentials that were written to it; `None` if tempcred did not write it.
    pub(super) number: Option<u32>,
    /// Whether a user edited values, but not all of them.
    pub(super) some_values_edited: bool,
    /// Whether a user edited all values.
    pub(super) all_values_edited: bool,
    /// Whether a user edited its metadata.
    pub(super) metadata_edited: bool,
}

impl StoredSecret {
    /// A Secret that tempcred wrote.
    pub(super) fn written(secret: Secret) -> Self {
        let annotations = secret.metadata.annotations.as_ref();
        let id = annotations.and_then(|all| all.get(annotation::ACCESS_KEY_ID));
        let number = id.and_then(|id| number(id));
        Self {
            secret,
            number,
            some_values_edited: false,
            all_values_edited: false,
            metadata_edited: false,
        }
    }

    /// A Secret that a user created.
    pub(super) fn foreign(version: &str) -> Self {
        let secret = json!({
            "metadata": {
                "name": "reports", "namespace": "analytics", "uid": format!("foreign-{version}"),
                "resourceVersion": version,
            },
        });
        Self { number: None, ..Self::written(serde_json::from_value(secret).unwrap()) }
    }

    pub(super) fn version(&self) -> SecretVersion {
        let metadata = &self.secret.metadata;
        SecretVersion {
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
        }
    }

    pub(super) fn is_foreign(&self) -> bool {
        ownership(&self.secret.metadata, "uid-1") != Ownership::Ours
    }

    /// Whether the watch, which selects by label, shows it.
    pub(super) fn is_in_watch(&self) -> bool {
        labelled_owner(&self.secret.metadata).is_some()
    }

    /// Whether a user edited it since it was written.
    pub(super) fn is_edited(&self) -> bool {
        self.some_values_edited || self.all_values_edited || self.metadata_edited
    }

    /// Whether its values are of more than one set of credentials.
    pub(super) fn has_mixed_values(&self) -> bool {
        let Some(number) = self.number else { return true };
        let data = self.secret.data.iter().flatten();
        let mut texts = data.map(|(_, value)| String::from_utf8_lossy(&value.0));
        // `ASIA1`, `secret1` and `token1` belong together.
        texts.any(|text| {
            ["ASIA", "secret", "token"].iter().any(|kind| {
                let mut rest = text.split(kind).skip(1);
                rest.any(|rest| {
                    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                    digits > 0 && rest[..digits] != number.to_string()
                })
            })
        })
    }

    /// A user edits the values of these keys.
    pub(super) fn edit_values(&mut self, keys: impl Fn(&str) -> bool) {
        for (key, value) in self.secret.data.iter_mut().flatten() {
            if keys(key) {
                *value = ByteString(b"edited".to_vec());
            }
        }
    }

    /// A user removes the annotations.
    pub(super) fn remove_annotations(&mut self) {
        self.secret.metadata.annotations = None;
        self.metadata_edited = true;
    }

    /// A user makes the credentials look as if they were issued now.
    pub(super) fn forge_times(&mut self, now: i64) {
        let annotations = self.secret.metadata.annotations.get_or_insert_default();
        let time = |second| crate::testing::at(second).to_string();
        annotations.insert(annotation::ISSUED_AT.to_owned(), time(now));
        annotations.insert(annotation::EXPIRATION.to_owned(), time(now + 36_000));
        self.metadata_edited = true;
    }

    /// A user removes the label by which the watch selects.
    pub(super) fn remove_label(&mut self) {
        self.secret
            .metadata
            .labels
            .iter_mut()
            .for_each(|labels| drop(labels.remove(CREDENTIAL_UID)));
        self.metadata_edited = true;
    }
}
