//! AssumeRole, directly or through other roles.

use aws_sdk_sts::operation::assume_role::AssumeRoleOutput;
use aws_sdk_sts::operation::assume_role::builders::AssumeRoleInputBuilder;
use aws_sdk_sts::types::{PolicyDescriptorType, Tag};
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Invalid;
use crate::api::{AssumeRole, Hop};
use crate::arn::RoleArn;
use crate::failure::Problem;
use crate::minted::{Minted, hex};
use crate::sts::{Session, checked};

/// The action of STS.
const ACTION: &str = "AssumeRole";

/// Longest name of a session that STS takes.
const LONGEST_SESSION_NAME: usize = 64;

/// A validated AssumeRole request. Serialised, it is part of the request hash.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct Request {
    #[serde(skip)]
    role: RoleArn,
    #[serde(skip)]
    hops: Vec<(RoleArn, Hop)>,
    session: String,
    #[serde(flatten)]
    spec: AssumeRole,
}

impl Request {
    /// Checks the ARNs and fills in the name of the session.
    pub(super) fn new(spec: &AssumeRole, session: &str) -> Result<Self, Invalid> {
        let hops =
            spec.via.iter().map(|hop| Ok((RoleArn::try_from(hop.role_arn.as_str())?, hop.clone())));
        Ok(Self {
            role: RoleArn::try_from(spec.role_arn.as_str())?,
            hops: hops.collect::<Result<_, _>>()?,
            session: spec.session_name.clone().unwrap_or_else(|| shortened(session)),
            spec: spec.clone(),
        })
    }

    pub(super) fn role(&self) -> &RoleArn {
        &self.role
    }

    pub(super) fn calls(&self) -> u32 {
        u32::try_from(self.hops.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    pub(super) async fn call(&self, session: &Session) -> Result<Minted, Problem> {
        let mut session = session.clone();
        for (role, hop) in &self.hops {
            let input = AssumeRoleInputBuilder::default()
                .role_arn(role.as_str())
                .role_session_name(hop.session_name.as_deref().unwrap_or(&self.session))
                .set_external_id(hop.external_id.clone());
            session = session.signed_with(&assume(&session, input, role).await?);
        }
        assume(&session, self.input(), &self.role).await
    }

    fn input(&self) -> AssumeRoleInputBuilder {
        let spec = &self.spec;
        let mut input = AssumeRoleInputBuilder::default()
            .role_arn(self.role.as_str())
            .role_session_name(&self.session)
            .duration_seconds(i32::try_from(spec.duration.as_secs()).unwrap_or(i32::MAX))
            .set_external_id(spec.external_id.clone())
            .set_source_identity(spec.source_identity.clone())
            .set_policy(spec.policy.clone());
        for arn in &spec.policy_arns {
            input = input.policy_arns(PolicyDescriptorType::builder().arn(arn).build());
        }
        for (key, value) in &spec.tags {
            if let Ok(tag) = Tag::builder().key(key).value(value).build() {
                input = input.tags(tag);
            }
        }
        for key in &spec.transitive_tag_keys {
            input = input.transitive_tag_keys(key);
        }
        input
    }
}

async fn assume(
    session: &Session,
    input: AssumeRoleInputBuilder,
    role: &RoleArn,
) -> Result<Minted, Problem> {
    let asked_at = Timestamp::now();
    let output: AssumeRoleOutput = session
        .call(ACTION, role.as_str(), |client| async move { input.send_with(&client).await })
        .await?;
    #[expect(deprecated, reason = "STS in older partitions still answers with this field alone")]
    let packed = output.session_token_utilization.or(output.packed_policy_size);
    let principal = output.assumed_role_user.map(|user| user.arn);
    checked(ACTION, role.as_str(), asked_at, output.credentials, principal, packed)
}

/// `name`, or as much of it as a session name may have, with a hash that keeps it unique.
fn shortened(name: &str) -> String {
    if name.len() <= LONGEST_SESSION_NAME {
        return name.to_owned();
    }
    let hash = &hex(&Sha256::digest(name.as_bytes()))[..8];
    format!("{}-{hash}", &name[..LONGEST_SESSION_NAME - 9])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn default_session_names_are_what_sts_takes(namespace in "[a-z0-9-]{1,63}", name in "[a-z0-9.-]{1,253}") {
            let got = shortened(&format!("tempcred-{namespace}-{name}"));
            prop_assert!((2..=64).contains(&got.len()), "{got}");
            prop_assert!(got.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)), "{got}");
        }

        #[test]
        fn long_names_with_one_beginning_stay_apart(a in "[a-z]{5}", b in "[a-z]{5}") {
            prop_assume!(a != b);
            let long = "x".repeat(80);
            prop_assert_ne!(shortened(&format!("{long}{a}")), shortened(&format!("{long}{b}")));
        }
    }
}
