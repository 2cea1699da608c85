//! The Secret as it is applied: the one place where values leave their wrappers for the cluster.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};
use zeroize::Zeroize;

use super::facts::{CREDENTIAL_UID, Facts, MANAGED_BY, annotation};
use super::render;
use crate::desired::Desired;
use crate::minted::Minted;

/// A whole Secret, ready for one server-side apply.
pub struct Manifest {
    metadata: ObjectMeta,
    type_: String,
    data: BTreeMap<&'static str, SecretString>,
}

impl Manifest {
    /// Renders credentials that answer the request with `request_hash` into the shape that is
    /// desired.
    pub fn render(desired: &Desired, request_hash: &str, minted: &Minted) -> Self {
        let mut labels = desired.secret.labels.clone();
        labels.insert(MANAGED_BY.to_owned(), "tempcred".to_owned());
        labels.insert(CREDENTIAL_UID.to_owned(), desired.uid.clone());
        let mut annotations = desired.secret.annotations.clone();
        annotations.extend(Facts::of(desired, request_hash, minted).annotations());
        annotations.insert(annotation::CREDENTIAL_NAME.to_owned(), desired.name.clone());
        Self {
            metadata: ObjectMeta {
                name: Some(desired.secret_name.clone()),
                namespace: Some(desired.namespace.clone()),
                labels: Some(labels),
                annotations: Some(annotations),
                owner_references: desired.owner.clone().map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            type_: desired.secret.type_.clone().unwrap_or_else(|| "Opaque".to_owned()),
            data: render::data(desired, minted),
        }
    }

    /// Applies only to this version of the Secret with this UID: one that was made anew in the meantime,
    /// or that another leader wrote, is a conflict.
    pub fn only_if_unchanged(mut self, uid: &str, resource_version: &str) -> Self {
        self.metadata.uid = Some(uid.to_owned());
        self.metadata.resource_version = Some(resource_version.to_owned());
        self
    }

    /// Applies only if there is no such Secret yet.
    ///
    /// An apply by itself would adopt a Secret that a user made a moment ago. The API server
    /// compares a resource version only with that of an existing object, and no object has `1`: so
    /// this creates, or is a conflict.
    pub fn only_if_absent(mut self) -> Self {
        self.metadata.resource_version = Some("1".to_owned());
        self
    }

    /// Whether `actual` looks as this would make it.
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
    /// The keys, never the values.
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
        let data = self.data.iter().map(|(key, value)| ((*key).to_owned(), bytes(value)));
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
    use super::super::{Facts, credentials};
    use super::*;
    use crate::desired::tests::desired;
    use crate::minted::{Keys, Values};
    use jiff::Timestamp;
    use proptest::prelude::*;
    use proptest::sample::subsequence;
    use serde_json::json;

    fn minted(id: &str, secret: &str, token: &str) -> Minted {
        let at = |second| Timestamp::from_second(second).unwrap();
        Minted {
            values: Values::Keys(Keys {
                access_key_id: id.to_owned(),
                secret_access_key: secret.to_owned().into(),
                session_token: token.to_owned().into(),
            }),
            issued_at: at(1_000_000),
            expiration: at(1_003_600),
            principal_arn: Some("arn:aws:sts::123456789012:assumed-role/r/s".to_owned()),
            packed_policy_size: None,
            renew_request: Some("request".to_owned()),
        }
    }

    fn as_stored(manifest: &Manifest) -> Secret {
        serde_json::from_value(serde_json::to_value(manifest).unwrap()).unwrap()
    }

    #[test]
    fn holds_every_format_by_default() {
        let desired =
            desired(json!({"spec": {"region": "eu-central-1", "secret": {"profile": "reports"}}}));
        let secret = as_stored(&Manifest::render(
            &desired,
            "hash",
            &minted("ASIAEXAMPLE", "secret/+=", "token=="),
        ));
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
    fn a_token_stands_alone_and_can_be_read_back() {
        let mut minted = minted("", "", "");
        minted.values = Values::Token("a.b.c".to_owned().into());
        let desired = desired(json!({}));
        let stored = as_stored(&Manifest::render(&desired, "hash", &minted));
        let data = stored.data.as_ref().unwrap();
        assert_eq!(data.keys().collect::<Vec<_>>(), ["expiration", "token"]);
        assert_eq!(data["token"].0, b"a.b.c");
        let facts = Facts::read(stored.metadata.annotations.as_ref().unwrap()).unwrap();
        let read = credentials(data, &facts).unwrap();
        assert_eq!((read.fingerprint(), read.access_key_id()), (minted.fingerprint(), None));
    }

    #[test]
    fn what_an_older_crd_lets_through_does_not_break_out_of_the_file() {
        for (profile, header) in [
            ("a]\naws_access_key_id = x\n[b", "[aaws_access_key_idxb]"),
            ("\u{2028}\0 \u{e9}", "[default]"),
            ("", "[default]"),
        ] {
            let spec = json!({"region": "eu\n[x]", "secret": {"profile": profile}});
            let stored = as_stored(&Manifest::render(
                &desired(json!({"spec": spec})),
                "hash",
                &minted("id", "secret", "token"),
            ));
            let file = String::from_utf8(stored.data.unwrap()["credentials"].0.clone()).unwrap();
            let lines: Vec<_> = file.lines().collect();
            assert_eq!((lines.len(), lines[0], lines[4]), (5, header, "region = eux"), "{file}");
        }
    }

    #[test]
    fn does_not_print_values() {
        let manifest = Manifest::render(
            &desired(json!({})),
            "hash",
            &minted("id", "hush-secret", "hush-token"),
        );
        assert!(!format!("{manifest:?}").contains("hush"));
    }

    #[test]
    fn notices_edits_but_not_additions() {
        let manifest =
            Manifest::render(&desired(json!({})), "hash", &minted("id", "secret", "token"));
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
            ("no owner", |s| s.metadata.owner_references = None, false),
            (
                "an edited value",
                |s| s.data.as_mut().unwrap().values_mut().next().unwrap().0.push(0),
                false,
            ),
        ];
        for (row, edit, matches) in rows {
            let mut secret = as_stored(&manifest);
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
            let minted = minted(&id, &secret, &token);
            let stored = as_stored(&Manifest::render(&desired, "hash", &minted));
            let facts = Facts::read(stored.metadata.annotations.as_ref().unwrap()).unwrap();
            prop_assert_eq!(facts.expiration, minted.expiration);
            prop_assert_eq!(&facts.renew_request, &minted.renew_request);
            let read = credentials(stored.data.as_ref().unwrap(), &facts).unwrap();
            prop_assert_eq!(read.fingerprint(), minted.fingerprint());
        }

        #[test]
        fn one_untouched_format_is_enough(edited in 0usize..6) {
            let minted = minted("id", "secret", "token");
            let mut stored = as_stored(&Manifest::render(&desired(json!({})), "hash", &minted));
            let facts = Facts::read(stored.metadata.annotations.as_ref().unwrap()).unwrap();
            if let Some(value) = stored.data.as_mut().unwrap().values_mut().nth(edited) {
                value.0 = b"junk".to_vec();
            }
            prop_assert!(credentials(stored.data.as_ref().unwrap(), &facts).is_some());
        }
    }
}
