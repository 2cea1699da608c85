//! The owner of a Secret.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::record::{CREDENTIAL_UID, credential_name};
use crate::text::one_line;

/// Longest name of a Kubernetes object, in characters.
const LONGEST_NAME: usize = 253;

/// The owner of a Secret according to its metadata.
#[derive(Clone, Debug, PartialEq)]
pub enum Ownership {
    /// The Secret belongs to the given resource.
    Ours,
    /// The Secret does not belong to the given resource. Contains the reason, for a message.
    Foreign(String),
}

/// Whether the Secret with this metadata belongs to the resource with this UID.
///
/// If the Secret has a controlling owner reference, that decides. Otherwise (`deletionPolicy: Retain`) the label
/// `tempcred.dev/credential-uid` decides.
pub fn ownership(secret: &ObjectMeta, uid: &str) -> Ownership {
    let controller = secret.owner_references.iter().flatten().find(|o| o.controller == Some(true));
    if let Some(owner) = controller {
        return if owner.uid == uid {
            Ownership::Ours
        } else {
            Ownership::Foreign(format!(
                "it is controlled by {} {}",
                shown(&owner.kind),
                shown(&owner.name)
            ))
        };
    }
    match labelled_owner(secret) {
        Some(owner) if owner == uid => Ownership::Ours,
        Some(_) => {
            let name = secret.annotations.as_ref().and_then(credential_name).unwrap_or("unknown");
            Ownership::Foreign(format!("it was written for TemporaryCredential {}", shown(name)))
        }
        None => Ownership::Foreign("it was not written by tempcred".to_owned()),
    }
}

/// The UID in the label `tempcred.dev/credential-uid`: that of the resource for which the Secret was written.
pub fn labelled_owner(secret: &ObjectMeta) -> Option<&str> {
    secret.labels.as_ref()?.get(CREDENTIAL_UID).map(String::as_str)
}

/// A name as one line of limited length: users can write any text to the annotation.
fn shown(name: &str) -> String {
    one_line(name, LONGEST_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_is_ours_only_if_it_has_our_uid() {
        let controlled_by = |uid| json!({"apiVersion": "v1", "kind": "K", "name": "n", "uid": uid, "controller": true});
        let rows = [
            ("bare", json!({}), false),
            ("our owner reference", json!({"ownerReferences": [controlled_by("me")]}), true),
            (
                "another's owner reference",
                json!({"ownerReferences": [controlled_by("you")]}),
                false,
            ),
            ("our label alone", json!({"labels": {CREDENTIAL_UID: "me"}}), true),
            ("another's label", json!({"labels": {CREDENTIAL_UID: "you"}}), false),
            (
                "our label under another's control",
                json!({"labels": {CREDENTIAL_UID: "me"}, "ownerReferences": [controlled_by("you")]}),
                false,
            ),
        ];
        for (row, metadata, ours) in rows {
            let metadata = serde_json::from_value(metadata).unwrap();
            assert_eq!(ownership(&metadata, "me") == Ownership::Ours, ours, "{row}");
        }
    }

    #[test]
    fn the_name_of_a_foreign_owner_is_one_short_line() {
        let name = format!("a\n\u{202e}\x1b[31m{}", "x".repeat(200 * 1024));
        let metadata = json!({
            "labels": {CREDENTIAL_UID: "you"},
            "annotations": {"tempcred.dev/credential-name": name},
        });
        let Ownership::Foreign(holder) =
            ownership(&serde_json::from_value(metadata).unwrap(), "me")
        else {
            panic!("ours")
        };
        assert!(holder.len() < 300 && holder.contains("a   [31mxxx"), "{}", &holder[..80]);
    }
}
