//! AssumeRoleWithSAML. The signature of the assertion is not verified.

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;

use super::assume_role::{Assumed, assume, trusts};
use crate::strict::context::Context;
use crate::strict::judge::{Answer, Call};
use crate::strict::principal::Subject;
use crate::strict::refusal::Refusal;
use crate::strict::session::Tags;
use crate::sts::xml;

/// The prefix of the attributes of an assertion for AWS.
const ATTRIBUTES: &str = "https://aws.amazon.com/SAML/Attributes/";

pub(in crate::strict) fn answer(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let params = call.params();
    let (arn, provider) = (params.required("RoleArn")?, params.required("PrincipalArn")?);
    let seconds = params.duration(900, 43_200, 3600)?;
    let invalid = || Refusal::token("Invalid base64 SAMLResponse");
    let bytes = BASE64_STANDARD.decode(params.required("SAMLAssertion")?.trim());
    let assertion = String::from_utf8(bytes.map_err(|_| invalid())?).map_err(|_| invalid())?;

    let iam = call.judge.iam.clone();
    let entity = iam.saml.get(provider);
    let entity = entity.ok_or_else(|| Refusal::token("Specified provider doesn't exist"))?;
    let issuer = between(&assertion, "Issuer>", "</").unwrap_or_default();
    if issuer != entity {
        return Err(Refusal::token("Issuer not present in specified provider"));
    }
    let until = between(&assertion, "NotOnOrAfter=\"", "\"").and_then(|at| at.parse().ok());
    if until.is_none_or(|until: Timestamp| until <= call.now) {
        let message = "Token must be redeemed within 5 minutes of issuance";
        return Err(Refusal::new(400, "ExpiredTokenException", message));
    }
    let pairs = attribute(&assertion, "Role").unwrap_or_default();
    let same = |pair: &str| {
        let (mut wanted, mut found) = ([arn, provider], pair.split(',').collect::<Vec<_>>());
        wanted.sort_unstable();
        found.sort_unstable();
        wanted.as_slice() == found.as_slice()
    };
    let session = attribute(&assertion, "RoleSessionName");
    let (Some(session), true) = (session, same(pairs)) else {
        return Err(Refusal::denied("Not authorized to perform sts:AssumeRoleWithSAML"));
    };

    let mut context = Context::default();
    context.set("aws:FederatedProvider", provider);
    context.set("sts:RoleSessionName", session);
    context.set("saml:iss", issuer);
    context.set_some("saml:aud", between(&assertion, "Recipient=\"", "\""));
    let subject = between(&assertion, "NameID>", "</").unwrap_or_default();
    context.set("saml:sub", subject);
    let role = iam.roles.get(arn);
    let federated = Subject::Federated(provider);
    trusts(role, arn, &["sts:AssumeRoleWithSAML"], &context, federated)?;
    let role = role.ok_or_else(|| Refusal::denied("Access denied"))?;

    let from = Some(provider.to_owned());
    let assumed =
        Assumed { role, arn, session, seconds, tags: Tags::new(), source: None, provider: from };
    let (mut xml, issued) = assume(call, assumed)?;
    xml += &xml::element("Subject", subject);
    xml += &xml::element("SubjectType", "persistent");
    xml += &xml::element("Issuer", issuer);
    xml += &xml::element("Audience", "https://signin.aws.amazon.com/saml");
    Ok(Answer { xml, issued: Some(issued) })
}

/// The first value of an attribute.
fn attribute<'a>(assertion: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = assertion.split_once(&format!("Name=\"{ATTRIBUTES}{name}\""))?;
    between(rest, "AttributeValue>", "</")
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(begin)?;
    rest.split_once(end).map(|(inner, _)| inner)
}
