//! The Secret as it is applied. This is the only place where secret values are exposed to be written to the cluster.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};
use zeroize::Zeroize;

use super::record::{CREDENTIAL_UID, IssueRecord, MANAGED_BY, annotation};
use super::render;
use crate::credentials::Credentials;
use crate::desired::Desired;
use crate::request::InvalidRequest;

/// A complete Secret, ready for one server-side apply.
pub struct Manifest {
    metadata: ObjectMeta,
    type_: String,
    data: BTreeMap<String, SecretString>,
}

/// One version of a Secret that was observed to belong to the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretVersion {
    /// UID of the Secret.
    pub uid: String,
    /// Resource version of the Secret.
    pub resource_version: String,
}

/// The object that a write of the Secret replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteTarget {
    /// No object: there is no Secret of this name.
    New,
    /// This version of the Secret of the resource.
    Existing(SecretVersion),
}

impl Manifest {
    /// Renders credentials, and the record of their issue, in the desired format.
    ///
    /// # Errors
    /// [`InvalidRequest::Template`] if a template cannot be rendered with these values.
    pub fn render(
        desired: &Desired,
        record: &IssueRecord,
        credentials: &Credentials,
    ) -> Result<Self, InvalidRequest> {
        let data = render::data(desired, credentials)?;
        let mut labels = desired.secret.labels.clone();
        labels.insert(MANAGED_BY.to_owned(), "tempcred".to_owned());
        labels.insert(CREDENTIAL_UID.to_owned(), desired.uid.clone());
        let mut annotations = desired.secret.annotations.clone();
        annotations.extend(record.annotations());
        annotations.insert(annotation::CREDENTIAL_NAME.to_owned(), desired.name.clone());
        Ok(Self {
            metadata: ObjectMeta {
                name: Some(desired.secret_name.clone()),
                namespace: Some(desired.namespace.clone()),
                labels: Some(labels),
                annotations: Some(annotations),
                owner_references: desired.owner.clone().map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            type_: desired.secret_type().to_owned(),
            data,
        })
    }

    /// Adds a precondition: the write conflicts unless the Secret is still in the state that `target` describes.
    pub fn only_if(mut self, target: &WriteTarget) -> Self {
        match target {
            // Without a precondition, the apply would adopt a Secret that a user created in the meantime. The API
            // server compares the resource version only with that of an existing object, and no object has
            // version "1". So this write creates the Secret or conflicts.
            WriteTarget::New => self.metadata.resource_version = Some("1".to_owned()),
            WriteTarget::Existing(version) => {
                self.metadata.uid = Some(version.uid.clone());
                self.metadata.resource_version = Some(version.resource_version.clone());
            }
        }
        self
    }

    /// Whether `actual` contains everything that this manifest would write. Additional keys, labels and annotations are
    /// ignored.
    pub fn matches(&self, actual: &Secret) -> bool {
        let within = |wanted: &Option<BTreeMap<String, String>>,
                      have: &Option<BTreeMap<String, String>>| {
            wanted
                .iter()
                .flatten()
                .all(|(key, value)| have.as_ref().and_then(|h| h.get(key)) == Some(value))
        };
        let data = |key: &str| actual.data.as_ref().and_then(|data| data.get(key));
        let same_owner = match self.metadata.owner_references.as_deref() {
            Some([owner]) => {
                actual.metadata.owner_references.iter().flatten().any(|o| o.uid == owner.uid)
            }
            _ => true,
        };
        within(&self.metadata.labels, &actual.metadata.labels)
            && within(&self.metadata.annotations, &actual.metadata.annotations)
            && same_owner
            && self.data.iter().all(|(key, value)| {
                data(key).is_some_and(|bytes| bytes.0 == value.expose_secret().as_bytes())
            })
    }

    /// Name of the Secret.
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }
}

impl fmt::Debug for Manifest {
    /// Prints the keys, but not the values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manifest")
            .field("name", &self.name())
            .field("keys", &self.data.keys())
            .finish()
    }
}

impl Serialize for Manifest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = |value: &SecretString| ByteString(value.expose_secret().as_bytes().to_vec());
        let data = self.data.iter().map(|(key, value)| (key.clone(), bytes(value)));
        let mut secret = Secret {
            metadata: self.metadata.clone(),
            type_: Some(self.type_.clone()),
            data: Some(data.collect()),
            ..Secret::default()
        };
        let serialized = secret.serialize(serializer);
        secret.data.iter_mut().flatten().for_each(|(_, value)| value.0.zeroize());
        serialized
    }
}

#[cfg(test)]
mod tests {
    use super::super::read_credentials;
    use super::*;
    use crate::credentials::{AccessKey, Values};
    use crate::testing::{desired, stored};
    use jiff::Timestamp;
    use proptest::prelude::*;
    use proptest::sample::subsequence;
    use serde_json::json;

    fn credentials(id: &str, secret: &str, token: &str) -> Credentials {
        let at = |second| Timestamp::from_second(second).unwrap();
        Credentials {
            values: Values::AccessKey(AccessKey {
                access_key_id: id.to_owned(),
                secret_access_key: secret.to_owned().into(),
                session_token: token.to_owned().into(),
            }),
            issued_at: at(1_000_000),
            expiration: at(1_003_600),
            principal_arn: Some("arn:aws:sts::123456789012:assumed-role/r/s".to_owned()),
            packed_policy_size: Some(7),
        }
    }

    fn render(desired: &Desired, credentials: &Credentials) -> Manifest {
        let record = IssueRecord::new(desired, "hash", credentials, Some("request"));
        Manifest::render(desired, &record, credentials).unwrap()
    }

    #[test]
    fn contains_every_format_by_default() {
        let desired =
            desired(json!({"spec": {"region": "eu-central-1", "secret": {"profile": "reports"}}}));
        let secret = stored(&render(&desired, &credentials("ASIAEXAMPLE", "secret/+=", "token==")));
        let text: String = secret
            .data
            .unwrap()
            .iter()
            .map(|(key, value)| {
                format!("--- {key}\n{}\n", String::from_utf8(value.0.clone()).unwrap())
            })
            .collect();
        insta::assert_snapshot!(text);
    }

    #[test]
    fn is_named_after_the_spec_and_reshaped_in_its_shape() {
        let named = desired(json!({"spec": {"secret": {"name": "aws"}}}));
        let issued = credentials("id", "secret", "token");
        let old = IssueRecord {
            render_hash: "old".to_owned(),
            ..IssueRecord::new(&named, "hash", &issued, None)
        };
        let manifest = Manifest::render(&named, &old.reshaped(&named), &issued).unwrap();
        assert_eq!(manifest.name(), "aws");
        let stored = stored(&manifest);
        assert_eq!(stored.metadata.name.as_deref(), Some("aws"));
        assert_eq!(stored.metadata.namespace.as_deref(), Some("analytics"));
        let annotations = stored.metadata.annotations.unwrap();
        assert_eq!(annotations[annotation::RENDER_HASH], named.render_hash);
    }

    #[test]
    fn a_token_can_be_read_back() {
        let mut issued = credentials("", "", "");
        issued.values = Values::Token("a.b.c".to_owned().into());
        let desired = desired(json!({}));
        let actual = stored(&render(&desired, &issued));
        let data = actual.data.as_ref().unwrap();
        assert_eq!(data.keys().collect::<Vec<_>>(), ["expiration", "token"]);
        assert_eq!(data["token"].0, b"a.b.c");
        let record = IssueRecord::read(actual.metadata.annotations.as_ref().unwrap()).unwrap();
        let read = read_credentials(data, &record).unwrap();
        assert_eq!((read.fingerprint(), read.access_key_id()), (issued.fingerprint(), None));
    }

    #[test]
    fn characters_that_an_older_crd_accepts_do_not_break_out_of_the_file() {
        for (profile, header) in [
            ("a]\naws_access_key_id = x\n[b", "[aaws_access_key_idxb]"),
            ("\u{2028}\0 \u{e9}", "[default]"),
            ("", "[default]"),
        ] {
            let spec = json!({"region": "eu\n[x]", "secret": {"profile": profile}});
            let actual = stored(&render(
                &desired(json!({"spec": spec})),
                &credentials("id", "secret", "token"),
            ));
            let file = String::from_utf8(actual.data.unwrap()["credentials"].0.clone()).unwrap();
            let lines: Vec<_> = file.lines().collect();
            assert_eq!((lines.len(), lines[0], lines[4]), (5, header, "region = eux"), "{file}");
        }
    }

    #[test]
    fn does_not_print_values() {
        let manifest = render(&desired(json!({})), &credentials("id", "hush-secret", "hush-token"));
        assert!(!format!("{manifest:?}").contains("hush"));
    }

    #[test]
    fn detects_edits_but_not_additions() {
        let manifest = render(&desired(json!({})), &credentials("id", "secret", "token"));
        type Edit = fn(&mut Secret);
        let rows: [(&str, Edit, bool); 6] = [
            ("nothing", |_| (), true),
            (
                "another label",
                |s| drop(s.metadata.labels.as_mut().unwrap().insert("a".into(), "b".into())),
                true,
            ),
            (
                "another key",
                |s| drop(s.data.as_mut().unwrap().insert("a".into(), ByteString(vec![]))),
                true,
            ),
            ("a removed label", |s| s.metadata.labels = None, false),
            ("no owner reference", |s| s.metadata.owner_references = None, false),
            (
                "an edited value",
                |s| s.data.as_mut().unwrap().values_mut().next().unwrap().0.push(0),
                false,
            ),
        ];
        for (row, edit, matches) in rows {
            let mut secret = stored(&manifest);
            edit(&mut secret);
            assert_eq!(manifest.matches(&secret), matches, "{row}");
        }
    }

    proptest! {
        #[test]
        fn whatever_formats_are_chosen_the_credentials_can_be_read_back(
            formats in subsequence(vec!["env", "credentialsFile", "credentialProcess"], 1..=3),
            id in "[!#-\\[\\]-~]{1,40}", secret in "[!#-\\[\\]-~]{1,60}", token in "[!#-\\[\\]-~]{1,400}",
        ) {
            let desired = desired(json!({"spec": {"secret": {"formats": formats}}}));
            let issued = credentials(&id, &secret, &token);
            let actual = stored(&render(&desired, &issued));
            let record = IssueRecord::read(actual.metadata.annotations.as_ref().unwrap()).unwrap();
            prop_assert_eq!(record.expiration, issued.expiration);
            prop_assert_eq!(record.renew_request.as_deref(), Some("request"));
            prop_assert_eq!(record.access_key_id.as_deref(), Some(id.as_str()));
            let read = read_credentials(actual.data.as_ref().unwrap(), &record).unwrap();
            prop_assert_eq!(read.fingerprint(), issued.fingerprint());
        }

        #[test]
        fn one_unedited_format_is_enough(edited in 0usize..6) {
            let issued = credentials("id", "secret", "token");
            let mut actual = stored(&render(&desired(json!({})), &issued));
            let record = IssueRecord::read(actual.metadata.annotations.as_ref().unwrap()).unwrap();
            if let Some(value) = actual.data.as_mut().unwrap().values_mut().nth(edited) {
                value.0 = b"junk".to_vec();
            }
            prop_assert!(read_credentials(actual.data.as_ref().unwrap(), &record).is_some());
        }
    }
}
