//! An STS that judges like AWS, by roles and policies that a test configures.
//!
//! It answers through [`Responder::judging`](crate::sts::Responder::judging). It implements only rules that AWS documents,
//! and rejects policies that contain anything else. The pages are those of the
//! [IAM User Guide](https://docs.aws.amazon.com/IAM/latest/UserGuide/), unless another guide is named.
//!
//! | Rule | Page |
//! |---|---|
//! | Effect, Principal, Action, Resource and Condition; an explicit Deny beats every Allow | `reference_policies_evaluation-logic` |
//! | Operators, `IfExists`, `ForAllValues`, `ForAnyValue`, `Null`; variables | `reference_policies_elements_condition_operators`, `reference_policies_condition-single-vs-multi-valued-context-keys`, `reference_policies_variables` |
//! | Keys of requests to STS | `reference_policies_iam-condition-keys`, `reference_policies_condition-keys` |
//! | A trust policy must allow the caller. In one account, it suffices that it names the role or user; if it names the account, or another account's identity, the policies of the caller must allow the call too | `reference_policies_evaluation-logic_policy-eval-basics`, `reference_policies_evaluation-logic-cross-account` |
//! | Session policies limit the policies of the role; a trust policy that names the session itself is not limited | `access_policies` (session policies), `reference_policies_elements_principal` |
//! | A role session that assumes a role gets at most 1h; otherwise the maximum session duration of the role applies | `id_roles` (role chaining), STS API reference: `AssumeRole` |
//! | Session tags need `sts:TagSession`, inherited ones too. Transitive tags are inherited, and setting an inherited key again fails | `id_session-tags`, STS API reference: `AssumeRole` |
//! | A source identity needs `sts:SetSourceIdentity`; it is inherited and cannot be changed; a role session needs the permission in its own policies and in the trust policy | `id_credentials_temp_control-access_monitor` |
//! | Sessions of roles cannot call GetSessionToken and GetFederationToken; sessions of GetSessionToken only AssumeRole and GetCallerIdentity; federated sessions only GetCallerIdentity | `id_credentials_sts-comparison` |
//! | GetSessionToken needs no permission | `id_credentials_temp_control-access_getsessiontoken` |
//! | A federated session may do what both the user and its session policies allow | `id_credentials_temp_control-access_getfederationtoken` |
//! | Tokens of OIDC providers: issuer, signature, expiry, audience, and the keys `ISSUER:sub` and `ISSUER:aud` | `id_roles_providers_create_oidc`, `reference_policies_iam-condition-keys` |
//! | SAML assertions: provider, issuer, expiry, and the attributes `Role` and `RoleSessionName` | `id_roles_providers_create_saml_assertions` |
//! | Root sessions: management account, task policy, `sts:TaskPolicyArn`, 15 minutes | `id_root-user-privileged-task`, STS API reference: `AssumeRoot` |
//! | Tokens for other services: account setting, `sts:TagGetWebIdentityToken`, the keys of the token; no token outlives its session | `id_roles_providers_outbound_policies`, STS API reference: `GetWebIdentityToken` |
//! | EKS Pod Identity sets six transitive session tags, unless the association disables them | EKS User Guide: `pod-id-abac` |
//! | Signature Version 4 | `reference_sigv-create-signed-request` |
//!
//! Not implemented: permissions boundaries, service control policies, role tags, MFA, delegated administrators, session
//! tags in tokens and assertions, and signatures of assertions. The packed size is a stand-in: see `packed.rs`. The
//! order in which AWS checks a request that breaks several rules is not documented; no test may rely on it.

mod authorize;
mod calls;
mod condition;
mod context;
mod endpoints;
mod iam;
mod judge;
mod jwt;
mod packed;
mod params;
mod pattern;
mod policy;
mod principal;
mod refusal;
mod session;
mod signature;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::sts::{HttpRequest, IssuedRecord, Received};

pub use endpoints::{Endpoint, PodIdentity};
pub use iam::{Iam, OidcProvider, Role, User};
pub use policy::{Place, Policy};
pub use refusal::Refusal;

pub(crate) use signature::check as check_signature;

use judge::{Call, Judge};
use session::{Tag, Tags};

/// A strict STS. Clones share it.
#[derive(Clone)]
pub struct Strict(Arc<Mutex<Inner>>);

struct Inner {
    judge: Judge,
    verdicts: Vec<Verdict>,
}

/// An authenticated request, and what became of it.
#[derive(Clone, Debug)]
pub struct Verdict {
    asked: Asked,
    /// What was issued, or the refusal.
    pub outcome: Result<Option<IssuedRecord>, Refusal>,
}

#[derive(Clone, Debug)]
enum Asked {
    Request(Box<Received>),
    /// By an AWS service for a workload.
    Service {
        service: String,
        role: String,
        session: String,
        tags: Tags,
    },
}

impl Verdict {
    /// The requested role.
    #[must_use]
    pub fn role_arn(&self) -> Option<&str> {
        match &self.asked {
            Asked::Request(request) => request.role_arn(),
            Asked::Service { role, .. } => Some(role),
        }
    }

    fn key(&self) -> Option<&str> {
        let Asked::Request(request) = &self.asked else { return None };
        request.signer.as_ref().map(|signer| signer.access_key_id.as_str())
    }
}

impl Strict {
    /// One with these roles and policies.
    #[must_use]
    pub fn new(iam: Iam) -> Self {
        Self(Arc::new(Mutex::new(Inner { judge: Judge::new(iam), verdicts: vec![] })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is configured.
    #[must_use]
    pub fn iam(&self) -> Iam {
        self.inner().judge.iam.clone()
    }

    /// Changes what is configured. Keys of new users do not exist.
    pub fn change(&self, change: impl FnOnce(&mut Iam)) {
        change(&mut self.inner().judge.iam);
    }

    /// All authenticated requests so far.
    #[must_use]
    pub fn verdicts(&self) -> Vec<Verdict> {
        self.inner().verdicts.clone()
    }

    /// Authenticates and judges a request.
    pub(crate) fn answer(
        &self,
        http: &HttpRequest,
        request: &Received,
        now: Timestamp,
    ) -> Result<(String, Option<IssuedRecord>), Refusal> {
        let mut inner = self.inner();
        inner.judge.authenticate(http, request, now)?;
        let key = request.signer.as_ref().map(|signer| signer.access_key_id.as_str());
        let decided = inner.judge.decide(request, key, now);
        let outcome = decided.as_ref().map(|answer| answer.issued.clone()).map_err(Clone::clone);
        inner.verdicts.push(Verdict { asked: Asked::Request(Box::new(request.clone())), outcome });
        decided.map(|answer| (answer.xml, answer.issued))
    }

    /// An AWS service assumes a role for a workload, with transitive session tags.
    pub(crate) fn for_service(
        &self,
        service: &str,
        role: &str,
        session: &str,
        tags: &[(String, String)],
    ) -> Result<IssuedRecord, Refusal> {
        let tag = |(key, value): &(String, String)| {
            let tag = Tag { key: key.clone(), value: value.clone(), transitive: true };
            (key.to_lowercase(), tag)
        };
        let asked = Asked::Service {
            service: service.to_owned(),
            role: role.to_owned(),
            session: session.to_owned(),
            tags: tags.iter().map(tag).collect(),
        };
        let mut inner = self.inner();
        let outcome = ask(&mut inner.judge, &asked, None, Timestamp::now());
        inner.verdicts.push(Verdict { asked, outcome: outcome.clone() });
        outcome?.ok_or_else(|| Refusal::denied("nothing was issued"))
    }

    /// Judges requests again with another configuration: what would have become of them. The first refusal ends it,
    /// because a client would not have made the requests after it.
    ///
    /// # Errors
    /// The first refusal.
    pub fn replay(&self, verdicts: &[Verdict], iam: Iam) -> Result<(), Refusal> {
        let mut judge = self.inner().judge.clone();
        judge.iam = iam;
        let mut renamed = std::collections::HashMap::new();
        for verdict in verdicts {
            let key = verdict.key().map(|key| renamed.get(key).map_or(key, String::as_str));
            let key = key.map(str::to_owned);
            let now = match &verdict.asked {
                Asked::Request(request) => request.at,
                Asked::Service { .. } => Timestamp::now(),
            };
            let issued = ask(&mut judge, &verdict.asked, key.as_deref(), now)?;
            if let (Some(new), Ok(Some(old))) = (issued, &verdict.outcome) {
                renamed.insert(old.access_key_id.clone(), new.access_key_id);
            }
        }
        Ok(())
    }

    /// Whether the session of an access key may do something.
    ///
    /// # Errors
    /// Why not.
    pub fn may(&self, access_key_id: &str, action: &str, resource: &str) -> Result<(), Refusal> {
        let inner = self.inner();
        let unknown = || Refusal::denied("The access key does not exist");
        let session = inner.judge.session(access_key_id).ok_or_else(unknown)?;
        let context = session.context();
        let resource = expand(resource, &context);
        let iam = &inner.judge.iam;
        authorize::Question { iam, session, action, resource: &resource, context: &context }
            .by_identity()
    }

    /// Whether the session of an access key may do anything that its role or user may do. Without policies there is
    /// nothing to do.
    #[must_use]
    pub fn is_useful(&self, access_key_id: &str) -> bool {
        let inner = self.inner();
        let Some(session) = inner.judge.session(access_key_id) else { return false };
        let policies = inner.judge.iam.policies(&session.principal);
        let policies = policies.iter().chain(session.policies.iter().flatten());
        let samples: Vec<_> = policies.flat_map(Policy::samples).collect();
        drop(inner);
        samples.is_empty() || samples.iter().any(|(a, r)| self.may(access_key_id, a, r).is_ok())
    }
}

/// Replaces the variables in a resource, so that it names one.
fn expand(text: &str, context: &context::Context) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, tail) = after.split_once('}').unwrap_or((after, ""));
        expanded.push_str(before);
        expanded.push_str(context.get(name).and_then(<[String]>::first).map_or("", String::as_str));
        rest = tail;
    }
    expanded + rest
}

fn ask(
    judge: &mut Judge,
    asked: &Asked,
    key: Option<&str>,
    now: Timestamp,
) -> Result<Option<IssuedRecord>, Refusal> {
    match asked {
        Asked::Request(request) => judge.decide(request, key, now).map(|answer| answer.issued),
        Asked::Service { service, role, session, tags } => {
            let request = Received::of_service(role, now);
            let mut call = Call { judge, request: &request, now };
            let tags = tags.clone();
            calls::assume_role::for_service(&mut call, service, role, session, tags).map(Some)
        }
    }
}
