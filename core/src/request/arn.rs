//! ARNs of IAM roles.

use std::fmt;

use serde::Serialize;

use super::invalid::InvalidRequest;

/// Longest path of a role with both slashes, in characters. From the IAM API reference.
const LONGEST_PATH: usize = 512;

/// Longest name of a role, in characters. From the IAM API reference.
const LONGEST_NAME: usize = 64;

/// The ARN of an IAM role, for example `arn:aws:iam::123456789012:role/path/name`.
///
/// Only `try_from` constructs one, so every value is valid.
#[derive(Serialize, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleArn(String);

impl RoleArn {
    /// The ARN as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for RoleArn {
    type Error = InvalidRequest;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let invalid = || InvalidRequest::RoleArn(text.chars().take(80).collect());
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let &[arn, partition, service, region, account, resource] = parts.as_slice() else {
            return Err(invalid());
        };
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
        let partition_ok = partition.split('-').all(is_word)
            && partition.split('-').next().is_some_and(|first| first == "aws");
        let account_ok = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        // The path includes the slash after `role`, and the slash before the name.
        let path_and_name = resource.strip_prefix("role").and_then(|rest| rest.rsplit_once('/'));
        let name_ok = path_and_name.is_some_and(|(path, name)| is_path(path) && is_name(name));
        let ok =
            arn == "arn" && partition_ok && service == "iam" && region.is_empty() && account_ok;
        if ok && name_ok { Ok(Self(text.to_owned())) } else { Err(invalid()) }
    }
}

/// Whether IAM accepts this path, given without its last slash, for a role.
fn is_path(path: &str) -> bool {
    (path.is_empty() || (path.starts_with('/') && path.len() > 1))
        && path.len() < LONGEST_PATH
        && path.bytes().all(|b| b.is_ascii_graphic())
        && path.split('/').skip(1).all(is_segment)
}

/// Whether this is a valid segment of a path. Rejects empty, `.` and `..` segments: a path normaliser would
/// resolve another role.
pub(crate) fn is_segment(segment: &str) -> bool {
    !["", ".", ".."].contains(&segment)
}

/// Whether IAM accepts this name for a role.
fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && is_segment(name)
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROLE: &str = "arn:aws:iam::123456789012:role/";

    #[test]
    fn accepts_roles_and_nothing_else() {
        for (row, text, ok) in [
            ("plain", "arn:aws:iam::123456789012:role/reports", true),
            ("with a path", "arn:aws:iam::123456789012:role/a/b/reports", true),
            ("another partition", "arn:aws-us-gov:iam::123456789012:role/r", true),
            ("a user", "arn:aws:iam::123456789012:user/r", false),
            ("no name", "arn:aws:iam::123456789012:role/", false),
            ("short account", "arn:aws:iam::12345678901:role/r", false),
            ("digits of another script", "arn:aws:iam::١23456789012:role/r", false),
            ("a session", "arn:aws:sts::123456789012:assumed-role/r/s", false),
            ("a region", "arn:aws:iam:eu-west-1:123456789012:role/r", false),
            ("a quote in the name", "arn:aws:iam::123456789012:role/r\"x", false),
            ("a wildcard", "arn:aws:iam::123456789012:role/*", false),
            ("a name that is too long", &format!("{ROLE}{}", "r".repeat(65)), false),
            ("the longest name", &format!("{ROLE}{}", "r".repeat(64)), true),
            ("the longest path", &format!("{ROLE}{}/r", "p".repeat(510)), true),
            ("an empty path", &format!("{ROLE}/r"), false),
            ("a path that is too long", &format!("{ROLE}{}/r", "p".repeat(511)), false),
            ("a partition that ends with a hyphen", "arn:aws-:iam::123456789012:role/r", false),
            ("an unknown partition", "arn:awsome:iam::123456789012:role/r", false),
            ("an empty segment of a path", "arn:aws:iam::123456789012:role//r", false),
            ("a path without a name", "arn:aws:iam::123456789012:role/a/", false),
            ("a .. segment", "arn:aws:iam::123456789012:role/a/../r", false),
            ("a . segment", "arn:aws:iam::123456789012:role/a/./r", false),
            ("dots in a name", "arn:aws:iam::123456789012:role/a..b/.r.", true),
            ("a newline", "arn:aws:iam::123456789012:role/r\nx", false),
            ("another cloud", "arn:gcp:iam::123456789012:role/r", false),
            ("upper case", "ARN:AWS:IAM::123456789012:ROLE/r", false),
        ] {
            assert_eq!(RoleArn::try_from(text).is_ok(), ok, "{row}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_keeps_what_it_accepts(text in ".*") {
            if let Ok(arn) = RoleArn::try_from(text.as_str()) {
                prop_assert_eq!(arn.as_str(), text);
            }
        }
    }
}
