//! Names of role sessions.

use sha2::{Digest, Sha256};

use crate::text::hex;

/// Longest session name, in characters. From the STS API reference of AssumeRole.
const LONGEST: usize = 64;

/// Number of hexadecimal digits of the hash that keeps a shortened name unique.
const HASH_DIGITS: usize = 16;

/// The default session name of a resource: `tempcred-NAMESPACE.NAME`.
///
/// A namespace contains no dot, so no two resources have the same default. A default of more than 64 characters is
/// replaced by its first 47 characters, `+` and 16 hexadecimal digits of its SHA-256 hash. No name of a resource
/// contains a `+`, so a shortened default never equals another one.
pub fn default_session_name(namespace: &str, name: &str) -> String {
    shortened(format!("tempcred-{namespace}.{name}"))
}

fn shortened(name: String) -> String {
    if name.len() <= LONGEST {
        return name;
    }
    let hash = &hex(&Sha256::digest(name.as_bytes()))[..HASH_DIGITS];
    // Cuts between characters: names of Kubernetes objects are ASCII, but the type does not guarantee it.
    let prefix: String = name.chars().take(LONGEST - HASH_DIGITS - 1).collect();
    format!("{prefix}+{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn is_the_namespace_and_the_name_as_far_as_they_fit() {
        let fits = "x".repeat(53);
        let shortened = format!("tempcred-n.{}+4cc9de32736d6cd6", "x".repeat(36));
        for (row, name, expected) in [
            ("short", "reports", "tempcred-n.reports"),
            ("64 characters", &fits, &format!("tempcred-n.{fits}")),
            ("65 characters", &format!("{fits}y"), &shortened),
        ] {
            let got = default_session_name("n", name);
            assert_eq!(got, expected, "{row}");
            assert!(got.len() <= LONGEST, "{row}");
        }
    }

    proptest! {
        #[test]
        fn is_always_valid_for_sts(namespace in "[a-z0-9-]{1,63}", name in "[a-z0-9.-]{1,253}") {
            let got = default_session_name(&namespace, &name);
            prop_assert!((2..=64).contains(&got.len()), "{got}");
            prop_assert!(got.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)), "{got}");
        }

        #[test]
        fn two_resources_never_have_the_same_default(
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
