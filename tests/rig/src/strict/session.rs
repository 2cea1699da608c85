//! Sessions: what access keys stand for.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::context::Context;
use super::policy::Policy;
use super::principal::Principal;

/// A tag and whether sessions that are assumed from its session inherit it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) transitive: bool,
}

/// Tags by their key in lower case: keys that differ only in case are one tag.
pub(super) type Tags = BTreeMap<String, Tag>;

/// What an access key stands for.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) principal: Principal,
    pub(super) kind: Kind,
    pub(super) secret: String,
    /// None for a long-lived key.
    pub(super) token: Option<String>,
    /// None for a long-lived key.
    pub(super) expires: Option<Timestamp>,
    pub(super) tags: Tags,
    pub(super) source_identity: Option<String>,
    /// The session policies. None if the session was requested without any.
    pub(super) policies: Option<Vec<Policy>>,
    /// The identity provider that a role session began with.
    pub(super) provider: Option<String>,
}

/// How a session began, which decides what it may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The long-lived key of an IAM user.
    LongLived,
    /// Any of AssumeRole, WithWebIdentity, WithSAML, or an AWS service.
    Role,
    /// GetSessionToken.
    User,
    /// GetFederationToken.
    Federated,
    /// AssumeRoot.
    Root,
}

impl Session {
    /// The keys of every request that this session signs.
    pub(super) fn context(&self) -> Context {
        let mut context = Context::default();
        context.set("aws:PrincipalArn", self.principal.principal_arn());
        context.set("aws:PrincipalAccount", self.principal.account());
        context.set_some("aws:SourceIdentity", self.source_identity.as_deref());
        context.set_some("aws:FederatedProvider", self.provider.as_deref());
        if let Principal::User(arn) = &self.principal {
            context.set("aws:username", arn.rsplit('/').next().unwrap_or_default());
        }
        // Only requests with temporary credentials have this key, and no session here began with MFA.
        if self.kind != Kind::LongLived {
            context.set("aws:MultiFactorAuthPresent", "false");
        }
        for tag in self.tags.values() {
            context.set(&format!("aws:PrincipalTag/{}", tag.key), &tag.value);
        }
        context
    }

    /// The tags that a session inherits if this one assumes a role.
    pub(super) fn inherited(&self) -> Tags {
        let transitive = self.tags.iter().filter(|(_, tag)| tag.transitive);
        transitive.map(|(key, tag)| (key.clone(), tag.clone())).collect()
    }
}
