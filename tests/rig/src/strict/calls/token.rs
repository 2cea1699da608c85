//! GetWebIdentityToken.

use super::assume_role::set_tags;
use crate::strict::authorize::Question;
use crate::strict::judge::{Answer, Call};
use crate::strict::refusal::Refusal;
use crate::strict::session::Session;
use crate::sts::{jwt, xml};

pub(in crate::strict) fn answer(call: &Call<'_>, caller: &Session) -> Result<Answer, Refusal> {
    let params = call.params();
    let audiences = params.list("Audience", "");
    let algorithm = params.required("SigningAlgorithm")?;
    let seconds = params.duration(60, 3600, 300)?;
    let tags = params.tags()?;
    if !(1..=10).contains(&audiences.len()) {
        return Err(Refusal::constraint("audience", "audience", "Member must have 1 to 10 items"));
    }
    if !["RS256", "ES384"].contains(&algorithm) {
        return Err(Refusal::constraint(
            algorithm,
            "signingAlgorithm",
            "Member must be RS256 or ES384",
        ));
    }
    let iam = &call.judge.iam;
    let account = caller.principal.account();
    if !iam.outbound_federation.contains(&account) {
        let message =
            "The outbound web identity federation feature is not enabled for this account.";
        return Err(Refusal::new(403, "OutboundWebIdentityFederationDisabledException", message));
    }
    let mut context = caller.context();
    context.set_all("sts:IdentityTokenAudience", audiences.iter().copied());
    context.set("sts:SigningAlgorithm", algorithm);
    context.set("sts:DurationSeconds", seconds.to_string());
    set_tags(&mut context, &tags);
    let mut actions = vec!["sts:GetWebIdentityToken"];
    if !tags.is_empty() {
        actions.push("sts:TagGetWebIdentityToken");
    }
    for action in actions {
        Question { iam, session: caller, action, resource: "*", context: &context }
            .by_identity()?;
    }
    let expiration = call.expiry(seconds);
    if caller.expires.is_some_and(|expires| expires < expiration) {
        let message = "The requested token duration would extend the session beyond its original expiration time.";
        return Err(Refusal::new(403, "SessionDurationEscalationException", message));
    }
    let audiences: Vec<_> = audiences.into_iter().map(str::to_owned).collect();
    let subject = caller.principal.principal_arn();
    let token = jwt(&audiences.iter().collect::<Vec<_>>(), &subject, call.now, expiration);
    let xml = xml::element("WebIdentityToken", &token)
        + &xml::element("Expiration", &expiration.to_string());
    Ok(Answer { xml, issued: Some(call.record("", "", &token, expiration)) })
}
