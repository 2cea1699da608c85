//! Whose a Secret is.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::facts::{CREDENTIAL_UID, credential_name};

/// The longest name that Kubernetes gives to anything.
const LONGEST_NAME: usize = 253;

/// Whose a Secret is, as its metadata says.
#[derive(Clone, Debug, PartialEq)]
pub enum Ownership {
    /// It belongs to the resource in question.
    Ours,
    /// It belongs to something else, named for a person.
    Foreign(String),
}

/// Says whether the Secret with this metadata belongs to the resource with this UID.
///
/// A controlling owner reference decides. Without one (`deletionPolicy: Retain`) the label with the
/// UID does.
pub fn ownership(secret: &ObjectMeta, uid: &str) -> Ownership {
    let controller = secret.owner_references.iter().flatten().find(|o| o.controller == Some(true));
    if let Some(owner) = controller {
        return if owner.uid == uid {
            Ownership::Ours
        } else {
            let (kind, name) = (short(&owner.kind), short(&owner.name));
            Ownership::Foreign(format!("it is controlled by {kind} {name}"))
        };
    }
    match secret.labels.iter().flatten().find(|(key, _)| *key == CREDENTIAL_UID) {
        Some((_, owner)) if owner == uid => Ownership::Ours,
        Some(_) => {
            let name = secret.annotations.as_ref().and_then(credential_name).unwrap_or("unknown");
            let name = short(name);
            Ownership::Foreign(format!("it was written for TemporaryCredential {name}"))
        }
        None => Ownership::Foreign("it was not written by tempcred".to_owned()),
    }
}

/// What somebody wrote on a Secret, fit for a message: no longer than any name, and on one line.
fn short(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(LONGEST_NAME).map(plain).collect()
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
    fn what_is_told_of_a_secret_is_short_and_on_one_line() {
        let long = "n\n".repeat(1000);
        let controlled = json!({"ownerReferences": [
            {"apiVersion": "v1", "kind": long, "name": long, "uid": "you", "controller": true},
        ]});
        let written = json!({
            "labels": {CREDENTIAL_UID: "you"}, "annotations": {"tempcred.dev/credential-name": long},
        });
        for metadata in [controlled, written] {
            let metadata = serde_json::from_value(metadata).unwrap();
            let Ownership::Foreign(holder) = ownership(&metadata, "me") else { panic!("ours") };
            assert!(holder.len() < 600 && !holder.contains('\n'), "{holder:?}");
        }
    }
}
