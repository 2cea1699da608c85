//! `spec.secret.adopt`: whether an existing Secret may be taken over.

use k8s_openapi::api::core::v1::Secret;

use super::manifest::SecretVersion;
use super::owner::is_controlled;
use crate::desired::Desired;
use crate::text::one_line;

/// Annotation on a Secret with the name of the resource that may adopt it. So a user who may write the Secret decides,
/// and not everyone who may create resources.
pub const ADOPT_BY: &str = "tempcred.dev/adopt-by";

/// The version of a foreign Secret to adopt. `holder` says what it belongs to.
///
/// # Errors
/// Why it is not adopted, for a message: `holder`, and what to change.
pub(crate) fn adoptable(
    secret: &Secret,
    desired: &Desired,
    holder: String,
) -> Result<SecretVersion, String> {
    let metadata = &secret.metadata;
    if is_controlled(metadata) {
        return Err(holder);
    }
    let name = &desired.name;
    let adopted_by = metadata.annotations.as_ref().and_then(|all| all.get(ADOPT_BY));
    if !desired.secret.adopt || adopted_by != Some(name) {
        let set = if desired.secret.adopt { "" } else { "set spec.secret.adopt: true, and " };
        return Err(format!(
            "{holder} (to take it over, {set}annotate it with {ADOPT_BY}: {name})"
        ));
    }
    let (actual, wanted) = (secret.type_.as_deref().unwrap_or("Opaque"), desired.secret_type());
    if actual != wanted {
        let actual = one_line(actual, 100);
        return Err(format!(
            "{holder}, and it cannot be adopted, because its type is {actual} instead of {wanted} and Kubernetes does not change it"
        ));
    }
    if secret.immutable == Some(true) {
        return Err(format!("{holder}, and it cannot be adopted, because it is immutable"));
    }
    if metadata.deletion_timestamp.is_some() {
        return Err(format!("{holder}, and it cannot be adopted, because it is being deleted"));
    }
    Ok(SecretVersion {
        uid: metadata.uid.clone().unwrap_or_default(),
        resource_version: metadata.resource_version.clone().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::desired;
    use serde_json::{Value, json};

    #[test]
    fn only_a_secret_whose_writer_agrees_is_adopted() {
        let by = |name: &str| json!({"annotations": {ADOPT_BY: name}});
        let with = |extra: Value| {
            let mut metadata = by("reports");
            crate::testing::merge(&mut metadata, extra);
            json!({"metadata": metadata})
        };
        let controller =
            json!([{"apiVersion": "v1", "kind": "K", "name": "n", "uid": "u", "controller": true}]);
        for (row, adopt, secret, refused) in [
            ("the writer agrees", true, with(json!({})), None),
            (
                "a Secret that another resource left",
                true,
                with(json!({"labels": {"tempcred.dev/credential-uid": "old"}})),
                None,
            ),
            ("the same type", true, json!({"type": "Opaque", "metadata": by("reports")}), None),
            (
                "the spec does not",
                false,
                with(json!({})),
                Some("set spec.secret.adopt: true, and annotate"),
            ),
            (
                "the writer does not",
                true,
                json!({"metadata": {}}),
                Some("annotate it with tempcred.dev/adopt-by: reports"),
            ),
            (
                "another resource may",
                true,
                json!({"metadata": by("other")}),
                Some("annotate it with"),
            ),
            (
                "a controller owns it",
                true,
                with(json!({"ownerReferences": controller})),
                Some("held"),
            ),
            (
                "another type",
                true,
                json!({"type": "kubernetes.io/tls", "metadata": by("reports")}),
                Some("its type is kubernetes.io/tls instead of Opaque"),
            ),
            (
                "immutable",
                true,
                json!({"immutable": true, "metadata": by("reports")}),
                Some("immutable"),
            ),
            (
                "terminating",
                true,
                with(json!({"deletionTimestamp": "2026-01-01T00:00:00Z"})),
                Some("being deleted"),
            ),
        ] {
            let secret = serde_json::from_value(secret).unwrap();
            let desired = desired(json!({"spec": {"secret": {"adopt": adopt}}}));
            match (adoptable(&secret, &desired, "held".to_owned()), refused) {
                (Ok(_), None) => {}
                (Err(why), Some(part)) => {
                    assert!(why.starts_with("held") && why.contains(part), "{row}: {why}")
                }
                (other, _) => panic!("{row}: {other:?}"),
            }
        }
    }
}
