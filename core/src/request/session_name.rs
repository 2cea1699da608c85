//! Names of role sessions.

use sha2::{Digest, Sha256};

use crate::text::hex;

/// Longest session name, in characters. From the API reference of AssumeRole.
const LONGEST: usize = 64;

/// Hex digits of the hash that keeps a shortened name unique.
const HASH_DIGITS: usize = 16;

/// The default session name of a resource: `tempcred-NAMESPACE.NAME`.
///
/// A namespace has no dot, so no two resources share a name. A longer name becomes its beginning, `+` and
/// 16 hex digits of its SHA-256: no resource name contains a `+`.
pub fn default_session_name(namespace: &str, name: &str) -> String {
    shortened(format!("tempcred-{namespace}.{name}"))
}

/// The session name that the spec sets, or else the default.
pub(super) fn session_name(spec: Option<&str>, default: &str) -> String {
    spec.unwrap_or(default).to_owned()
}

fn shortened(name: String) -> String {
    if name.len() <= LONGEST {
        return name;
    }
    let hash = &hex(&Sha256::digest(name.as_bytes()))[..HASH_DIGITS];
    // Names of Kubernetes objects are ASCII; anything else must not be cut within a character.
    let beginning: String = name.chars().take(LONGEST - HASH_DIGITS - 1).collect();
    format!("{beginning}+{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn is_the_namespace_and_the_name_as_long_as_they_fit() {
        let long = "x".repeat(64 - "tempcred-n.".len());
        for (row, name, expected) in [
            ("short", "reports", "tempcred-n.reports".to_owned()),
            ("as long as it may be", &long, format!("tempcred-n.{long}")),
            (
                "a character longer",
                &format!("{long}y"),
                format!("tempcred-n.{}+a3b0a3e4d4a36b8d", "x".repeat(36)),
            ),
        ] {
            let got = default_session_name("n", name);
            if row == "a character longer" {
                assert_eq!((got.len(), &got[..48]), (64, &expected[..48]), "{row}");
            } else {
                assert_eq!(got, expected, "{row}");
            }
        }
    }

    proptest! {
        #[test]
        fn is_always_a_name_that_sts_accepts(namespace in "[a-z0-9-]{1,63}", name in "[a-z0-9.-]{1,253}") {
            let got = default_session_name(&namespace, &name);
            prop_assert!((2..=64).contains(&got.len()), "{got}");
            prop_assert!(got.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)), "{got}");
        }

        #[test]
        fn no_two_resources_share_one(
            one in ("[ab-]{1,4}", "[ab.-]{1,4}"), other in ("[ab-]{1,4}", "[ab.-]{1,4}"), long in any::<bool>(),
        ) {
            prop_assume!(one != other);
            let padding = if long { "x".repeat(80) } else { String::new() };
            let name = |(namespace, name): &(String, String)| {
                default_session_name(namespace, &format!("{padding}{name}"))
            };
            prop_assert_ne!(name(&one), name(&other));
        }
    }
}
