//! The owner of a Secret.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube_core::Resource;

use super::record::{CREDENTIAL_UID, annotation, credential_name};
use crate::api::TemporaryCredential;
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
    if let Some(owner) = controller(secret) {
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

/// Why a foreign Secret still exists, if its owner was an earlier resource with this name. The garbage collector of
/// Kubernetes removes such a Secret, but not always: it overlooks an owner that is deleted when the API server has just
/// started.
pub fn left_behind(secret: &ObjectMeta, name: &str) -> Option<String> {
    let is_earlier = |owner: &&OwnerReference| {
        owner.kind == TemporaryCredential::kind(&()) && owner.name == name
    };
    controller(secret).filter(is_earlier).map(|_| {
        "it belongs to a deleted TemporaryCredential of the same name, and Kubernetes has not removed it yet"
            .to_owned()
    })
}

/// Whether the Secret has a controlling owner reference.
pub(super) fn is_controlled(secret: &ObjectMeta) -> bool {
    controller(secret).is_some()
}

fn controller(secret: &ObjectMeta) -> Option<&OwnerReference> {
    secret.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

/// The UID in the label `tempcred.dev/credential-uid`: that of the resource for which the Secret was written.
pub fn labelled_owner(secret: &ObjectMeta) -> Option<&str> {
    secret.labels.as_ref()?.get(CREDENTIAL_UID).map(String::as_str)
}

/// Longest annotation of tempcred that is kept, in bytes. tempcred writes none that is longer than an ARN.
const LONGEST_ANNOTATION: usize = 4096;

/// Removes the metadata of a Secret that is not used. Users can write any text to the rest.
pub fn prune_secret(metadata: &mut ObjectMeta) {
    let owner = labelled_owner(metadata).map(str::to_owned);
    let controller = metadata.owner_references.take().into_iter().flatten();
    let controller = controller.filter(|owner| owner.controller == Some(true)).map(|owner| {
        let (kind, name) = (shown(&owner.kind), shown(&owner.name));
        OwnerReference { kind, name, api_version: String::new(), ..owner }
    });
    let ours = |key: &str, value: &str| {
        annotation::ALL.contains(&key) && value.len() <= LONGEST_ANNOTATION
    };
    let annotations = metadata.annotations.take().into_iter().flatten();
    let annotations = annotations.filter(|(key, value)| ours(key, value));
    *metadata = ObjectMeta {
        name: metadata.name.take(),
        namespace: metadata.namespace.take(),
        uid: metadata.uid.take(),
        resource_version: metadata.resource_version.take(),
        deletion_timestamp: metadata.deletion_timestamp.take(),
        labels: owner.map(|uid| [(CREDENTIAL_UID.to_owned(), uid)].into()),
        annotations: Some(annotations.collect()).filter(|all: &BTreeMap<_, _>| !all.is_empty()),
        owner_references: controller.take(1).map(|owner| vec![owner]).next(),
        ..ObjectMeta::default()
    };
}

/// A name as one line of limited length: users can write any text to the annotation.
fn shown(name: &str) -> String {
    one_line(name, LONGEST_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::IssueRecord;
    use serde_json::json;

    #[test]
    fn a_pruned_secret_has_the_same_owner_and_the_same_record() {
        let metadata: ObjectMeta = serde_json::from_value(json!({
            "name": "s", "namespace": "n", "uid": "u", "resourceVersion": "3",
            "labels": {CREDENTIAL_UID: "me", "app": "x".repeat(60)},
            "annotations": {
                "other": "x".repeat(200 << 10), annotation::CREDENTIAL_NAME: "reports",
                annotation::REQUEST_HASH: "r", annotation::RENDER_HASH: "h", annotation::FINGERPRINT: "f",
                annotation::ISSUED_AT: "2026-01-01T00:00:00Z", annotation::EXPIRATION: "2026-01-01T01:00:00Z",
                annotation::RENEW_REQUEST: "x".repeat(100 << 10), "tempcred.dev/unknown": "x",
            },
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Other", "name": "o", "uid": "o"},
                {"apiVersion": "x".repeat(5000), "kind": "K", "name": "x".repeat(5000), "uid": "me", "controller": true},
            ],
        }))
        .unwrap();
        let mut pruned = metadata.clone();
        prune_secret(&mut pruned);
        for uid in ["me", "you"] {
            assert_eq!(ownership(&pruned, uid), ownership(&metadata, uid));
        }
        assert_eq!(labelled_owner(&pruned), Some("me"));
        let record = IssueRecord::read(pruned.annotations.as_ref().unwrap()).unwrap();
        let all = IssueRecord::read(metadata.annotations.as_ref().unwrap()).unwrap();
        assert_eq!(record, IssueRecord { renew_request: None, ..all });
        assert!(serde_json::to_string(&pruned).unwrap().len() < 1500);
    }

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
    fn a_secret_is_left_behind_if_its_owner_has_the_name_of_the_resource() {
        let controlled_by = |kind, name| json!({"ownerReferences": [{"apiVersion": "v1", "kind": kind, "name": name, "uid": "you", "controller": true}]});
        let rows = [
            ("bare", json!({}), false),
            ("an earlier resource", controlled_by("TemporaryCredential", "reports"), true),
            ("another resource", controlled_by("TemporaryCredential", "other"), false),
            ("another kind", controlled_by("ConfigMap", "reports"), false),
        ];
        for (row, metadata, is_left) in rows {
            let metadata = serde_json::from_value(metadata).unwrap();
            assert_eq!(left_behind(&metadata, "reports").is_some(), is_left, "{row}");
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
