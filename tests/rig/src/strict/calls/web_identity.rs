//! AssumeRoleWithWebIdentity.

use serde_json::Value;

use super::assume_role::{Assumed, assume, role_and_session, trusts};
use crate::strict::context::Context;
use crate::strict::judge::{Answer, Call};
use crate::strict::jwt;
use crate::strict::principal::{Subject, account_of};
use crate::strict::refusal::Refusal;
use crate::strict::session::Tags;
use crate::sts::xml;

pub(in crate::strict) fn answer(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let params = call.params();
    let (arn, session) = role_and_session(&params)?;
    let token = params.required("WebIdentityToken")?;
    let seconds = params.duration(900, 43_200, 3600)?;
    let claims = jwt::claims(token)?;
    let text = |name: &str| claims[name].as_str().unwrap_or_default();
    let issuer = text("iss");

    let iam = call.judge.iam.clone();
    let (provider_arn, provider) = iam.oidc_for(issuer, account_of(arn)).ok_or_else(|| {
        Refusal::token(format!("No OpenIDConnect provider found in your account for {issuer}"))
    })?;
    jwt::check_signature(token, &provider.keys)?;
    let (now, expiry) = (call.now.as_second(), claims["exp"].as_i64().unwrap_or_default());
    if expiry <= now {
        let message = format!(
            "Token expired: current date/time {now} must be before the expiration date/time {expiry}"
        );
        return Err(Refusal::new(400, "ExpiredTokenException", message));
    }
    let audiences = match &claims["aud"] {
        Value::Array(audiences) => audiences.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect::<Vec<_>>(),
    };
    let mut accepted = audiences.iter().filter(|a| provider.client_ids.iter().any(|id| id == *a));
    let audience = accepted.next().ok_or_else(|| Refusal::token("Incorrect token audience"))?;

    let host = issuer.strip_prefix("https://").unwrap_or(issuer);
    let mut context = Context::default();
    context.set(&format!("{host}:sub"), text("sub"));
    context.set(&format!("{host}:aud"), *audience);
    context.set("aws:FederatedProvider", provider_arn);
    context.set("sts:RoleSessionName", session);
    let role = iam.roles.get(arn);
    let subject = Subject::Federated(provider_arn);
    trusts(role, arn, &["sts:AssumeRoleWithWebIdentity"], &context, subject)?;
    let role = role.ok_or_else(|| Refusal::denied("Access denied"))?;

    let provider = Some(provider_arn.to_owned());
    let assumed =
        Assumed { role, arn, session, seconds, tags: Tags::new(), source: None, provider };
    let (mut xml, issued) = assume(call, assumed)?;
    xml += &xml::element("SubjectFromWebIdentityToken", text("sub"));
    xml += &xml::element("Provider", provider_arn);
    xml += &xml::element("Audience", audience);
    Ok(Answer { xml, issued: Some(issued) })
}
