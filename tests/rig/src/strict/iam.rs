//! What is configured in IAM and Organizations.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::policy::Policy;
use super::principal::{Principal, account_of};

/// Roles, users, identity providers and the organization of a test.
#[derive(Clone, Debug, Default)]
pub struct Iam {
    /// Roles by ARN.
    pub roles: BTreeMap<String, Role>,
    /// Users by ARN.
    pub users: BTreeMap<String, User>,
    /// OIDC providers by ARN.
    pub oidc: BTreeMap<String, OidcProvider>,
    /// SAML providers by ARN, with the entity ID of each.
    pub saml: BTreeMap<String, String>,
    /// Managed policies by ARN.
    pub managed: BTreeMap<String, Policy>,
    /// The management account, and the member accounts for which it may request root sessions.
    pub organization: Option<(String, BTreeSet<String>)>,
    /// Accounts that enabled outbound web identity federation.
    pub outbound_federation: BTreeSet<String>,
}

/// A role.
#[derive(Clone, Debug)]
pub struct Role {
    /// The trust policy.
    pub trust: Policy,
    /// What its sessions may do.
    pub permissions: Vec<Policy>,
    /// The maximum session duration, in seconds. The default of IAM is 3600.
    pub max_session: i64,
}

/// A user with a long-lived key.
#[derive(Clone, Debug)]
pub struct User {
    /// What it may do.
    pub permissions: Vec<Policy>,
    /// Its access key: ID and secret.
    pub key: (String, String),
}

/// An OIDC provider. Its ARN contains the issuer without `https://`.
#[derive(Clone, Debug)]
pub struct OidcProvider {
    /// The audiences that it accepts.
    pub client_ids: Vec<String>,
    /// The keys of the issuer, as a JSON Web Key Set.
    pub keys: Value,
}

/// The tasks of AssumeRoot.
pub(super) const TASKS: &[&str] = &[
    "IAMAuditRootUserCredentials",
    "IAMCreateRootUserPassword",
    "IAMDeleteRootUserCredentials",
    "S3UnlockBucketPolicy",
    "SQSUnlockQueuePolicy",
];

/// `AmazonS3ReadOnlyAccess`, as AWS publishes it.
const S3_READ_ONLY: &str = r#"{"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow",
    "Action": ["s3:Get*", "s3:List*", "s3:Describe*", "s3-object-lambda:Get*", "s3-object-lambda:List*"],
    "Resource": "*"}]}"#;

impl Iam {
    /// An account without anything but the policies of AWS.
    ///
    /// # Errors
    /// If a policy of AWS cannot be read.
    pub fn new() -> Result<Self, String> {
        let arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess".to_owned();
        let managed = BTreeMap::from([(arn, Policy::identity(S3_READ_ONLY)?)]);
        Ok(Self { managed, ..Self::default() })
    }

    /// The policies of an identity. A role or user that was deleted has none.
    pub(super) fn policies(&self, principal: &Principal) -> &[Policy] {
        match principal {
            Principal::Role { role, .. } => {
                self.roles.get(role).map_or(&[], |role| role.permissions.as_slice())
            }
            Principal::User(arn) | Principal::FederatedUser { user: arn, .. } => {
                self.users.get(arn).map_or(&[], |user| user.permissions.as_slice())
            }
            Principal::Root(_) => &[],
        }
    }

    /// The OIDC provider for an issuer in an account, with its ARN.
    pub(super) fn oidc_for(&self, issuer: &str, account: &str) -> Option<(&str, &OidcProvider)> {
        let host = issuer.strip_prefix("https://")?;
        let suffix = format!(":oidc-provider/{host}");
        let mut providers = self.oidc.iter();
        let found = providers.find(|(arn, _)| arn.ends_with(&suffix) && account_of(arn) == account);
        found.map(|(arn, provider)| (arn.as_str(), provider))
    }
}
