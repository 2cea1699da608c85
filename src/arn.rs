//! ARNs of IAM roles.

use std::fmt;

use serde::Serialize;

use crate::operation::Invalid;

/// The ARN of an IAM role, for example `arn:aws:iam::123456789012:role/path/name`.
///
/// Made only by `try_from`, so whoever holds one holds a valid one.
#[derive(Serialize, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleArn(String);

impl RoleArn {
    /// The ARN as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for RoleArn {
    type Error = Invalid;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let invalid = || Invalid::RoleArn(text.chars().take(80).collect());
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let &[arn, partition, service, region, account, resource] = parts.as_slice() else {
            return Err(invalid());
        };
        let partition_ok = partition.starts_with("aws")
            && partition.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        let account_ok = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        let name = resource.strip_prefix("role/").unwrap_or_default();
        let name_ok = name.bytes().all(|b| b.is_ascii_graphic())
            // Nobody has such a path, and who normalises it finds another role.
            && name.split('/').all(|part| !["", ".", ".."].contains(&part));
        let ok =
            arn == "arn" && partition_ok && service == "iam" && region.is_empty() && account_ok;
        if ok && name_ok && text.len() <= 2048 { Ok(Self(text.to_owned())) } else { Err(invalid()) }
    }
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

    #[test]
    fn takes_roles_and_nothing_else() {
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
            ("an empty step of a path", "arn:aws:iam::123456789012:role//r", false),
            ("a path that ends nowhere", "arn:aws:iam::123456789012:role/a/", false),
            ("a step back", "arn:aws:iam::123456789012:role/a/../r", false),
            ("no step", "arn:aws:iam::123456789012:role/a/./r", false),
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
        fn never_panics_and_keeps_what_it_takes(text in ".*") {
            if let Ok(arn) = RoleArn::try_from(text.as_str()) {
                prop_assert_eq!(arn.as_str(), text);
            }
        }
    }
}
