//! Decodes a grant, and finds the fields that this version of tempcred does not know.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::invalid::InvalidGrant;

/// Decodes a value.
///
/// # Errors
/// [`InvalidGrant`] if the value cannot be decoded, or contains an unknown field: a newer version of tempcred may have
/// written a limit that this version must not overlook.
pub(super) fn decode<T: DeserializeOwned>(value: &Value) -> Result<T, InvalidGrant> {
    let mut unknown = None;
    let decoded = serde_ignored::deserialize(value, |path| {
        unknown.get_or_insert_with(|| path.to_string());
    });
    let decoded = decoded
        .map_err(|error: serde_json::Error| InvalidGrant::undecodable(&error.to_string()))?;
    match unknown {
        Some(field) => Err(InvalidGrant::UnknownField(field.chars().take(128).collect())),
        None => Ok(decoded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::RoleGrantSpec;
    use crate::testing::merge;
    use serde_json::json;

    #[test]
    fn an_unknown_field_is_found_wherever_it_is() {
        let base = json!({
            "namespaces": {"names": ["a"], "selector": {"matchLabels": {"any": "label"}}},
            "roleArns": ["arn:aws:iam::123456789012:role/x"],
            "session": {"tags": {"any": "key"}},
        });
        assert!(decode::<RoleGrantSpec>(&base).is_ok());
        for (patch, field) in [
            (json!({"maxSessions": 3}), "maxSessions"),
            (json!({"namespaces": {"except": ["b"]}}), "namespaces.?.except"),
            (json!({"session": {"mfa": true}}), "session.mfa"),
            (
                json!({"namespaces": {"selector": {"matchFields": []}}}),
                "namespaces.selector.?.matchFields",
            ),
        ] {
            let mut spec = base.clone();
            merge(&mut spec, patch);
            let error = decode::<RoleGrantSpec>(&spec).unwrap_err();
            let InvalidGrant::UnknownField(found) = &error else { panic!("{error}") };
            assert_eq!(found.replace(".?", ""), field.replace(".?", ""));
        }
        for patch in [json!({"mode": "Audit"}), json!({"roleArns": 3}), json!({"maxDuration": "x"})]
        {
            let mut spec = base.clone();
            merge(&mut spec, patch.clone());
            let error = decode::<RoleGrantSpec>(&spec).unwrap_err();
            assert!(matches!(error, InvalidGrant::Undecodable(_)), "{patch}: {error}");
        }
    }
}
