//! Judges the principal that signs the operator's calls.

use tempcred_core::request::region::partition_of;

use crate::aws::Source;
use crate::commands::doctor::check::{Check, Finding};

/// What an ARN of STS or IAM names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    RoleSession,
    User,
    FederatedUser,
    Root,
    Other,
}

fn kind(arn: &str) -> Kind {
    match arn.splitn(6, ':').last().unwrap_or_default() {
        "root" => Kind::Root,
        resource if resource.starts_with("assumed-role/") => Kind::RoleSession,
        resource if resource.starts_with("user/") => Kind::User,
        resource if resource.starts_with("federated-user/") => Kind::FederatedUser,
        _ => Kind::Other,
    }
}

/// The partition in an ARN.
pub fn partition(arn: &str) -> &str {
    arn.split(':').nth(1).unwrap_or_default()
}

/// Judges the operator's own ARN.
pub fn judge(arn: &str, source: Source, is_session: bool, region: &str) -> Vec<Finding> {
    let check = Check::Identity;
    let mut findings = vec![match kind(arn) {
        Kind::Root => Finding::problem(
            check,
            format!("{arn} is the root user. AWS does not allow it to assume roles."),
            "Give the operator a role, or the access key of an IAM user, and delete the access key of the root user.",
        ),
        Kind::FederatedUser => Finding::problem(
            check,
            format!("{arn} is a federated user. AWS does not allow it to assume roles."),
            "Give the operator a role, or the access key of an IAM user.",
        ),
        Kind::RoleSession if source == Source::InstanceMetadata => Finding::warning(
            check,
            format!(
                "{arn} is the role of the node: every Pod that reaches the instance metadata can use it too. {CHAINED}"
            ),
            "Use EKS Pod Identity or IRSA where possible. If you have configured one of them, restart the Pods of the operator: they get the identity when they start.",
        ),
        Kind::RoleSession => Finding::ok(check, format!("{arn}. {CHAINED}")),
        Kind::User if is_session => Finding::warning(
            check,
            format!(
                "{arn}, with a session token. The operator stops issuing when this session expires."
            ),
            "Use a role, or the access key of the user without a session token.",
        ),
        Kind::User => Finding::ok(
            check,
            format!(
                "{arn}, with a long-lived access key. Sessions of roles that it assumes last at most 12h. Rotate the key."
            ),
        ),
        Kind::Other => Finding::ok(check, format!("{arn}.")),
    }];
    let expected = partition_of(region);
    let partition = partition(arn);
    if partition != expected {
        findings.push(Finding::problem(
            check,
            format!("The identity belongs to the partition {partition}, but the region {region} to {expected}."),
            "Change the region, or give the operator an identity of the partition of the region.",
        ));
    }
    findings
}

const CHAINED: &str =
    "It is a session of a role, so AWS limits the sessions of roles that it assumes to 1h.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::Level;

    #[test]
    fn the_kind_of_the_principal_decides_what_aws_allows() {
        let role = "arn:aws:sts::123456789012:assumed-role/tempcred/eks-a";
        let user = "arn:aws:iam::123456789012:user/team/tempcred";
        for (row, arn, source, is_session, level, part) in [
            ("a role", role, Source::WebIdentity, true, Level::Ok, "1h"),
            ("a node", role, Source::InstanceMetadata, true, Level::Warning, "node"),
            ("a user", user, Source::Environment, false, Level::Ok, "12h"),
            ("a session of a user", user, Source::Environment, true, Level::Warning, "expires"),
            (
                "the root user",
                "arn:aws:iam::123456789012:root",
                Source::Environment,
                false,
                Level::Problem,
                "root user",
            ),
            (
                "a federated user",
                "arn:aws:sts::123456789012:federated-user/a",
                Source::Environment,
                true,
                Level::Problem,
                "federated user",
            ),
            ("something new", "arn:aws:iam::1:new/x", Source::Other, false, Level::Ok, "new/x"),
        ] {
            let findings = judge(arn, source, is_session, "eu-central-1");
            assert_eq!(findings.len(), 1, "{row}");
            assert_eq!(findings[0].level, level, "{row}");
            assert!(findings[0].message.contains(part), "{row}: {findings:?}");
        }
    }

    #[test]
    fn the_identity_must_belong_to_the_partition_of_the_region() {
        let arn = "arn:aws-cn:iam::123456789012:user/tempcred";
        assert_eq!(judge(arn, Source::Environment, false, "cn-north-1").len(), 1);
        let findings = judge(arn, Source::Environment, false, "eu-central-1");
        assert_eq!(findings[1].level, Level::Problem);
        assert!(findings[1].message.contains("aws-cn"), "{findings:?}");
    }
}
