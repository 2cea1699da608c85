//! Whether the policies allow an action.

use super::context::Context;
use super::iam::Iam;
use super::policy::{Policy, Says};
use super::principal::{Match, Subject, account_of};
use super::refusal::Refusal;
use super::session::{Kind, Session};

/// One action of a signed request.
pub(super) struct Question<'a> {
    pub(super) iam: &'a Iam,
    pub(super) session: &'a Session,
    /// Such as `sts:AssumeRole`.
    pub(super) action: &'a str,
    pub(super) resource: &'a str,
    pub(super) context: &'a Context,
}

/// What several policies of one kind say together.
fn union(policies: &[Policy], action: &str, resource: &str, context: &Context) -> Says {
    let mut says = Says::Nothing;
    for policy in policies {
        match policy.says(action, resource, context, None) {
            Says::Deny => return Says::Deny,
            Says::Nothing => {}
            allow @ Says::Allow(_) => says = allow,
        }
    }
    says
}

impl Question<'_> {
    fn denied(&self, why: &str) -> Refusal {
        let Self { session, action, resource, .. } = self;
        Refusal::denied(format!(
            "User: {} is not authorized to perform: {action} on resource: {resource} {why}",
            session.principal.arn()
        ))
    }

    fn not_allowed(&self, kind: &str) -> Refusal {
        self.denied(&format!("because no {kind} policy allows the {} action", self.action))
    }

    /// By the policies of the identity and of the session, for a resource without a policy of its own.
    pub(super) fn by_identity(&self) -> Result<(), Refusal> {
        match union(
            self.iam.policies(&self.session.principal),
            self.action,
            self.resource,
            self.context,
        ) {
            Says::Deny => Err(self.denied("with an explicit deny in an identity-based policy")),
            Says::Nothing => Err(self.not_allowed("identity-based")),
            Says::Allow(_) => self.by_session(),
        }
    }

    /// By the session policies. They never allow what the identity may not do. A federated session without any may do
    /// nothing; other sessions without any are not limited.
    fn by_session(&self) -> Result<(), Refusal> {
        let policies = match &self.session.policies {
            Some(policies) => policies.as_slice(),
            None if self.session.kind == Kind::Federated => &[],
            None => return Ok(()),
        };
        match union(policies, self.action, self.resource, self.context) {
            Says::Deny => Err(self.denied("with an explicit deny in a session policy")),
            Says::Nothing => Err(self.not_allowed("session")),
            Says::Allow(_) => Ok(()),
        }
    }

    /// Whether an explicit Deny of the caller's own policies applies.
    fn not_denied(&self) -> Result<(), Refusal> {
        let identity = self.iam.policies(&self.session.principal);
        let session = self.session.policies.as_deref().unwrap_or_default();
        for (policies, kind) in [(identity, "an identity-based"), (session, "a session")] {
            if union(policies, self.action, self.resource, self.context) == Says::Deny {
                return Err(self.denied(&format!("with an explicit deny in {kind} policy")));
            }
        }
        Ok(())
    }

    /// By the trust policy of the role that is the resource, and the policies of the caller.
    pub(super) fn by_trust(&self, trust: &Policy) -> Result<(), Refusal> {
        let subject = Subject::Caller(&self.session.principal);
        let named = match trust.says(self.action, self.resource, self.context, Some(subject)) {
            Says::Deny => {
                return Err(self.denied("with an explicit deny in a resource-based policy"));
            }
            // AWS does not say here what is missing.
            Says::Nothing => return Err(self.denied("").trimmed()),
            Says::Allow(named) => named,
        };
        self.not_denied()?;
        let same_account = self.session.principal.account() == account_of(self.resource);
        // For a chained call, the caller needs this permission in both places.
        let in_both = self.session.kind == Kind::Role && self.action == "sts:SetSourceIdentity";
        match named {
            _ if !same_account || in_both => self.by_identity(),
            Match::Session => Ok(()),
            Match::Entity => self.by_session(),
            Match::Account | Match::No => self.by_identity(),
        }
    }
}

impl Refusal {
    fn trimmed(mut self) -> Self {
        self.message.truncate(self.message.trim_end().len());
        self
    }
}
