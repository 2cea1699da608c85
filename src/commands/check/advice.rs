//! Advice about a single object, which no schema can give.

use jiff::{SignedDuration, Timestamp};
use serde::de::IgnoredAny;
use tempcred_core::api::{GrantMode, RoleGrant, TemporaryCredential};
use tempcred_core::desired::Desired;
use tempcred_core::fields::{Duration, SessionPolicies};

use super::finding::Finding;
use super::object::Object;
use super::rule::Rule;
use super::validate::{Credential, Grant};

/// The maximum session duration of a role, unless the account changes it. AWS also limits chained sessions to it.
const ONE_HOUR: Duration = Duration::from_secs(3600);

/// A kubelet updates mounted Secrets about every minute, and the operator needs time for retries.
const LEAST_MARGIN: SignedDuration = SignedDuration::from_mins(2);

/// Shortest time between two renewals that is not worth a warning.
const LEAST_WAIT: SignedDuration = SignedDuration::from_mins(5);

/// Advice about a resource. `desired` is compiled from it and the grants, if they are known.
pub fn of_credential(credential: &Credential<'_>, desired: &Desired) -> Vec<Finding> {
    let Credential { object, resource } = credential;
    let mut findings = Vec::new();
    let Ok(request) = &desired.request else { return findings };
    let (field, duration) = (request.operation.field(), request.operation.duration());
    let at = format!("/spec/{field}/duration");
    let is_role = field.starts_with("assumeRole") && field != "assumeRoot";
    if is_role && duration > ONE_HOUR {
        let message = format!(
            "STS rejects {duration} unless the maximum session duration of the role is at least that; its default is 1h"
        );
        findings.push(object.finding(Rule::RoleMaximum, &at, &message));
        if resource.is_signed_by_operator() {
            let message = format!(
                "STS rejects {duration} if the operator's identity is itself a role session (IRSA, EKS Pod Identity or an instance profile): AWS limits sessions of chained roles to 1h"
            );
            findings.push(object.finding(Rule::ChainedSession, &at, &message));
        }
    }
    findings.extend(policy(object, resource));
    findings.extend(renewal(object, desired, duration));
    findings
}

fn policy(object: &Object, resource: &TemporaryCredential) -> Option<Finding> {
    let request = &resource.spec.request;
    let all: [(&str, Option<&SessionPolicies>); 4] = [
        ("assumeRole", request.assume_role.as_ref().map(|request| &request.policies)),
        (
            "assumeRoleWithWebIdentity",
            request.assume_role_with_web_identity.as_ref().map(|request| &request.policies),
        ),
        (
            "assumeRoleWithSAML",
            request.assume_role_with_saml.as_ref().map(|request| &request.policies),
        ),
        (
            "getFederationToken",
            request.get_federation_token.as_ref().map(|request| &request.policies),
        ),
    ];
    let set = |(field, policies): (&'static str, Option<&SessionPolicies>)| {
        Some((field, policies?.policy.clone()?))
    };
    let (field, policy) = all.into_iter().find_map(set)?;
    let error = serde_json::from_str::<IgnoredAny>(&policy).err()?;
    let message =
        format!("policy is not valid JSON: {error}. Correct it, STS rejects it otherwise");
    Some(object.finding(Rule::PolicyInvalid, &format!("/spec/{field}/policy"), &message))
}

fn renewal(object: &Object, desired: &Desired, duration: Duration) -> Vec<Finding> {
    let Some(renewal) = desired.renewal else { return Vec::new() };
    let issued = Timestamp::UNIX_EPOCH;
    let lifetime = duration.as_signed();
    let Ok(expires) = issued.checked_add(lifetime) else { return Vec::new() };
    let schedule = desired.schedule(issued, expires);
    let at = "/spec/renewal";
    if schedule.clamped {
        let message = format!(
            "the credentials are valid for only {duration}, so the operator ignores renewal and renews when a third of that is left: lower it"
        );
        return vec![object.finding(Rule::RenewalClamped, at, &message)];
    }
    let margin = match (renewal.before, renewal.before_percentage) {
        (Some(before), _) => before.as_signed(),
        (None, Some(share)) => lifetime * i32::from(share) / 100,
        (None, None) => return Vec::new(),
    };
    let wait = lifetime - margin;
    let mut findings = Vec::new();
    if margin < LEAST_MARGIN && lifetime > LEAST_MARGIN * 2 {
        let message = format!(
            "the credentials are renewed only {} before they expire: a kubelet takes more than a minute to update mounted Secrets, so workloads may use expired credentials; raise it to at least 2m",
            in_words(margin)
        );
        findings.push(object.finding(Rule::ShortMargin, at, &message));
    }
    if wait < LEAST_WAIT && lifetime > LEAST_WAIT * 2 {
        let message = format!(
            "the credentials are valid for {duration}, but are renewed every {}: lower it, so that STS is called less often",
            in_words(wait)
        );
        findings.push(object.finding(Rule::FrequentRenewal, at, &message));
    }
    findings
}

fn in_words(duration: SignedDuration) -> String {
    Duration::from_secs(duration.as_secs().unsigned_abs()).to_string()
}

/// Advice about a grant.
pub fn of_grant(Grant { object, grant, .. }: &Grant<'_>) -> Option<Finding> {
    let RoleGrant { spec, .. } = grant;
    let names = spec.namespaces.names.as_deref().unwrap_or_default();
    let is_everywhere = names.iter().any(|name| name == "*") && spec.namespaces.selector.is_none();
    let every_role = spec.role_arns.iter().position(|arn| arn.ends_with(":role/*"))?;
    (spec.mode == GrantMode::Allow && is_everywhere).then(|| {
        let message = "every namespace may use every role of this account: name the namespaces, or a path or prefix of roles";
        object.finding(Rule::WideGrant, &format!("/spec/roleArns/{every_role}"), message)
    })
}
