//! The owner of a Secret.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::record::{CREDENTIAL_UID, credential_name};
use crate::text::one_line;

/// Longest name of an object in Kubernetes.
const LONGEST_NAME: usize = 253;

/// The owner of a Secret, as its metadata says.
#[derive(Clone, Debug, PartialEq)]
pub enum Ownership {
    /// It belongs to the resource in question.
    Ours,
    /// It belongs to something else, named for a person.
    Foreign(String),
}

/// Whether the Secret with this metadata belongs to the resource with this UID.
///
/// A controlling owner reference decides. Without one (`deletionPolicy: Retain`) the label with the
/// UID does.
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
    match secret.labels.iter().flatten().find(|(key, _)| *key == CREDENTIAL_UID) {
        Some((_, owner)) if owner == uid => Ownership::Ours,
        Some(_) => {
            let name = secret.annotations.as_ref().and_then(credential_name).unwrap_or("unknown");
            Ownership::Foreign(format!("it was written for TemporaryCredential {}", shown(name)))
        }
        None => Ownership::Foreign("it was not written by tempcred".to_owned()),
    }
}

/// As a message shows it: the annotation may hold anything.
fn shown(name: &str) -> String {
    one_line(name, LONGEST_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_is_ours_only_with_our_uid_on_it() {
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
