//! GetSessionToken and GetFederationToken: only for the long-lived key of an IAM user.

use super::assume_role::set_tags;
use crate::strict::authorize::Question;
use crate::strict::judge::{Answer, Call, New};
use crate::strict::packed;
use crate::strict::principal::Principal;
use crate::strict::refusal::Refusal;
use crate::strict::session::{Kind, Session, Tags};
use crate::sts::xml;

/// These operations have a message of their own for session credentials.
pub(in crate::strict) const NAMES: &[&str] = &["GetSessionToken", "GetFederationToken"];

fn user<'a>(call: &Call<'_>, caller: &'a Session) -> Result<&'a str, Refusal> {
    match (&caller.principal, caller.kind) {
        (Principal::User(arn), Kind::LongLived) => Ok(arn),
        _ => {
            let action = &call.request.action;
            Err(Refusal::denied(format!("Cannot call {action} with session credentials")))
        }
    }
}

/// Needs no permission, and no policy can deny it.
pub(in crate::strict) fn session_token(
    call: &mut Call<'_>,
    caller: &Session,
) -> Result<Answer, Refusal> {
    let arn = user(call, caller)?.to_owned();
    let seconds = call.params().duration(900, 129_600, 43_200)?;
    let (xml, issued) = call.issue(New {
        principal: Principal::User(arn),
        kind: Kind::User,
        seconds,
        tags: Tags::new(),
        source_identity: None,
        policies: None,
        provider: None,
    });
    Ok(Answer { xml, issued: Some(issued) })
}

pub(in crate::strict) fn federation_token(
    call: &mut Call<'_>,
    caller: &Session,
) -> Result<Answer, Refusal> {
    let user = user(call, caller)?.to_owned();
    let params = call.params();
    params.required("Name")?;
    let name = params.name("Name", 32)?.unwrap_or_default();
    let seconds = params.duration(900, 129_600, 43_200)?;
    let tags = params.tags()?;
    let account = caller.principal.account();
    let session = format!("arn:aws:sts::{account}:federated-user/{name}");

    let mut context = caller.context();
    set_tags(&mut context, &tags);
    let mut actions = vec!["sts:GetFederationToken"];
    if !tags.is_empty() {
        actions.push("sts:TagSession");
    }
    let iam = call.judge.iam.clone();
    for action in actions {
        Question { iam: &iam, session: caller, action, resource: &session, context: &context }
            .by_identity()?;
    }
    let (policies, texts) = call.session_policies()?;
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let packed = packed::percent(&tags, &texts)?;
    let (mut xml, issued) = call.issue(New {
        principal: Principal::FederatedUser { session: session.clone(), user },
        kind: Kind::Federated,
        seconds,
        tags,
        source_identity: None,
        policies,
        provider: None,
    });
    let id = format!("{account}:{name}");
    let user = xml::element("FederatedUserId", &id) + &xml::element("Arn", &session);
    xml += &xml::wrap("FederatedUser", &user);
    if let Some(percent) = packed {
        xml += &xml::element("PackedPolicySize", &percent.to_string());
    }
    Ok(Answer { xml, issued: Some(issued) })
}
