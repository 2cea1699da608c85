//! Judges requests, and keeps the sessions that it issued.

use std::collections::HashMap;

use jiff::Timestamp;

use super::calls;
use super::iam::Iam;
use super::params::Params;
use super::policy::Policy;
use super::principal::{Principal, account_of};
use super::refusal::Refusal;
use super::session::{Kind, Session, Tags};
use super::signature;
use crate::sts::{HttpRequest, IssuedRecord, Received, key_id, secret_for, token_for, xml};

/// The unsigned operations.
const UNSIGNED: &[&str] = &["AssumeRoleWithWebIdentity", "AssumeRoleWithSAML"];

/// The operations that the session of an IAM user may call.
const OF_USER_SESSIONS: &[&str] = &["AssumeRole", "GetCallerIdentity"];

/// Judges requests by what is configured in IAM.
#[derive(Clone, Debug)]
pub(super) struct Judge {
    pub(super) iam: Iam,
    sessions: HashMap<String, Session>,
}

/// A reply with status 200.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The content of the `Result` element.
    pub(super) xml: String,
    /// The credentials in it.
    pub(super) issued: Option<IssuedRecord>,
}

/// What a call works with.
pub(super) struct Call<'a> {
    pub(super) judge: &'a mut Judge,
    pub(super) request: &'a Received,
    pub(super) now: Timestamp,
}

/// A session to issue.
pub(super) struct New {
    pub(super) principal: Principal,
    pub(super) kind: Kind,
    pub(super) seconds: i64,
    pub(super) tags: Tags,
    pub(super) source_identity: Option<String>,
    pub(super) policies: Option<Vec<Policy>>,
    pub(super) provider: Option<String>,
}

impl Judge {
    pub(super) fn new(iam: Iam) -> Self {
        let mut sessions = HashMap::new();
        for (arn, user) in &iam.users {
            let session = Session {
                principal: Principal::User(arn.clone()),
                kind: Kind::LongLived,
                secret: user.key.1.clone(),
                token: None,
                expires: None,
                tags: Tags::new(),
                source_identity: None,
                policies: None,
                provider: None,
            };
            sessions.insert(user.key.0.clone(), session);
        }
        Self { iam, sessions }
    }

    pub(super) fn session(&self, access_key_id: &str) -> Option<&Session> {
        self.sessions.get(access_key_id)
    }

    /// Whether the key in the request exists and has signed it.
    pub(super) fn authenticate(
        &self,
        http: &HttpRequest,
        request: &Received,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let Some(signer) = &request.signer else {
            return match UNSIGNED.contains(&request.action.as_str()) {
                true => Ok(()),
                false => Err(Refusal::new(
                    403,
                    "MissingAuthenticationToken",
                    "Request is missing Authentication Token",
                )),
            };
        };
        let session = self.sessions.get(&signer.access_key_id);
        let Some(session) = session.filter(|session| session.token == request.security_token)
        else {
            let message = "The security token included in the request is invalid.";
            return Err(Refusal::new(403, "InvalidClientTokenId", message));
        };
        if session.expires.is_some_and(|expires| expires <= now) {
            let message = "The security token included in the request is expired";
            return Err(Refusal::new(403, "ExpiredToken", message));
        }
        signature::check(http, &session.secret)
    }

    /// Decides about an authenticated request.
    pub(super) fn decide(
        &mut self,
        request: &Received,
        access_key_id: Option<&str>,
        now: Timestamp,
    ) -> Result<Answer, Refusal> {
        let caller = access_key_id.and_then(|id| self.sessions.get(id)).cloned();
        let action = request.action.clone();
        let mut call = Call { judge: self, request, now };
        let Some(caller) = caller else {
            return match action.as_str() {
                "AssumeRoleWithWebIdentity" => calls::web_identity::answer(&mut call),
                "AssumeRoleWithSAML" => calls::saml::answer(&mut call),
                _ => Err(Refusal::denied("The request is not signed")),
            };
        };
        let arn = caller.principal.arn();
        if action == "GetCallerIdentity" {
            let xml = xml::element("Arn", &arn)
                + &xml::element("UserId", &xml::unique_id("AROA", &arn))
                + &xml::element("Account", account_of(&arn));
            return Ok(Answer { xml, issued: None });
        }
        match caller.kind {
            Kind::LongLived | Kind::Role => {}
            Kind::User if OF_USER_SESSIONS.contains(&action.as_str()) => {}
            Kind::Root if action == "AssumeRole" => {
                return Err(Refusal::denied("Roles may not be assumed by root accounts."));
            }
            Kind::User | Kind::Federated | Kind::Root
                if calls::user::NAMES.contains(&action.as_str()) => {}
            Kind::User | Kind::Federated | Kind::Root => {
                return Err(Refusal::denied(format!(
                    "User: {arn} is not authorized to perform: sts:{action}"
                )));
            }
        }
        match action.as_str() {
            "AssumeRole" => calls::assume_role::answer(&mut call, &caller),
            "AssumeRoot" => calls::root::answer(&mut call, &caller),
            "GetSessionToken" => calls::user::session_token(&mut call, &caller),
            "GetFederationToken" => calls::user::federation_token(&mut call, &caller),
            "GetWebIdentityToken" => calls::token::answer(&call, &caller),
            // AWS accepts these signed, too, and ignores the signature.
            "AssumeRoleWithWebIdentity" => calls::web_identity::answer(&mut call),
            "AssumeRoleWithSAML" => calls::saml::answer(&mut call),
            other => {
                let message = format!("Could not find operation {other} for version 2011-06-15");
                Err(Refusal::new(400, "InvalidAction", message))
            }
        }
    }
}

impl<'a> Call<'a> {
    pub(super) fn params(&self) -> Params<'a> {
        Params(&self.request.form)
    }

    /// Issues a session: its `Credentials` element and its record.
    pub(super) fn issue(&mut self, new: New) -> (String, IssuedRecord) {
        let id = key_id();
        let (secret, token) = (secret_for(&id), token_for(&id));
        let expires = self.expiry(new.seconds);
        let record = self.record(&id, &secret, &token, expires);
        let session = Session {
            principal: new.principal,
            kind: new.kind,
            secret,
            token: Some(token),
            expires: Some(expires),
            tags: new.tags,
            source_identity: new.source_identity,
            policies: new.policies,
            provider: new.provider,
        };
        self.judge.sessions.insert(id, session);
        let inner = xml::element("AccessKeyId", &record.access_key_id)
            + &xml::element("SecretAccessKey", &record.secret)
            + &xml::element("SessionToken", &record.token)
            + &xml::element("Expiration", &expires.to_string());
        (xml::wrap("Credentials", &inner), record)
    }

    pub(super) fn record(
        &self,
        id: &str,
        secret: &str,
        token: &str,
        expiration: Timestamp,
    ) -> IssuedRecord {
        IssuedRecord {
            access_key_id: id.to_owned(),
            secret: secret.to_owned(),
            token: token.to_owned(),
            role_arn: self.request.role_arn().map(str::to_owned),
            action: self.request.action.clone(),
            form: self.request.form.clone(),
            at: self.now,
            expiration,
        }
    }

    /// In whole seconds, as in replies of AWS.
    pub(super) fn expiry(&self, seconds: i64) -> Timestamp {
        let second = self.now.as_second().saturating_add(seconds);
        Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
    }

    /// The session policies of the request: parsed, and as text for their size.
    pub(super) fn session_policies(&self) -> Result<(Option<Vec<Policy>>, Vec<String>), Refusal> {
        let params = self.params();
        let arns = params.list("PolicyArns", ".arn");
        let inline = params.get("Policy");
        if arns.len() > 10 {
            return Err(Refusal::constraint(
                "arns",
                "policyArns",
                "Member must have length of at most 10",
            ));
        }
        let mut policies = vec![];
        if let Some(text) = inline {
            if text.chars().count() > 2048 {
                return Err(Refusal::constraint(
                    "policy",
                    "policy",
                    "Member must have length less than or equal to 2048",
                ));
            }
            let malformed = |error: String| Refusal::new(400, "MalformedPolicyDocument", error);
            policies.push(Policy::identity(text).map_err(malformed)?);
        }
        for arn in &arns {
            let found = self.judge.iam.managed.get(*arn);
            let missing = || Refusal::invalid(format!("The managed policy {arn} does not exist"));
            policies.push(found.ok_or_else(missing)?.clone());
        }
        let texts = inline.into_iter().chain(arns).map(str::to_owned).collect();
        Ok(((!policies.is_empty()).then_some(policies), texts))
    }
}
