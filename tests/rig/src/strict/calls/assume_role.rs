//! AssumeRole, and what all calls that assume a role share.

use crate::strict::authorize::Question;
use crate::strict::context::Context;
use crate::strict::iam::Role;
use crate::strict::judge::{Answer, Call, New};
use crate::strict::packed;
use crate::strict::params::Params;
use crate::strict::policy::Says;
use crate::strict::principal::{Principal, Subject, account_of};
use crate::strict::refusal::Refusal;
use crate::strict::session::{Kind, Session, Tags};
use crate::sts::{IssuedRecord, xml};

/// The limit of a session that a role session requested.
const CHAINED: i64 = 3600;

pub(in crate::strict) fn answer(call: &mut Call<'_>, caller: &Session) -> Result<Answer, Refusal> {
    let params = call.params();
    let (arn, session) = role_and_session(&params)?;
    let requested = params.tags()?;
    let source_identity = params.name("SourceIdentity", 64)?;
    let seconds = params.duration(900, 43_200, 3600)?;
    let inherited = caller.inherited();

    let mut context = caller.context();
    context.set("sts:RoleSessionName", session);
    context.set_some("sts:ExternalId", params.external_id()?);
    context.set_some("sts:SourceIdentity", source_identity);
    set_tags(&mut context, &requested);

    let mut actions = vec!["sts:AssumeRole"];
    // An inherited tag or source identity is set on the new session, too.
    if !requested.is_empty() || !inherited.is_empty() {
        actions.push("sts:TagSession");
    }
    if source_identity.is_some() || caller.source_identity.is_some() {
        actions.push("sts:SetSourceIdentity");
    }
    let iam = call.judge.iam.clone();
    let missing = || {
        let caller = caller.principal.arn();
        Refusal::denied(format!(
            "User: {caller} is not authorized to perform: sts:AssumeRole on resource: {arn}"
        ))
    };
    let role = iam.roles.get(arn).ok_or_else(missing)?;
    for action in actions {
        Question { iam: &iam, session: caller, action, resource: arn, context: &context }
            .by_trust(&role.trust)?;
    }
    if requested.keys().any(|key| inherited.contains_key(key)) {
        return Err(Refusal::new(
            400,
            "InvalidParameterValue",
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key \
             from the calling session.",
        ));
    }
    if let (Some(new), Some(old)) = (source_identity, caller.source_identity.as_deref())
        && new != old
    {
        return Err(Refusal::denied("The source identity of a session cannot be changed."));
    }
    if caller.kind == Kind::Role && seconds > CHAINED {
        return Err(Refusal::invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        ));
    }
    let mut tags = requested;
    tags.extend(inherited);
    let source = source_identity.map(str::to_owned).or_else(|| caller.source_identity.clone());
    let subject = Assumed { role, arn, session, seconds, tags, source, provider: None };
    let (xml, issued) = assume(call, subject)?;
    Ok(Answer { xml, issued: Some(issued) })
}

/// The role and the session name of a request.
pub(super) fn role_and_session<'a>(params: &Params<'a>) -> Result<(&'a str, &'a str), Refusal> {
    let arn = params.required("RoleArn")?;
    if !arn.starts_with("arn:aws:iam::") || !arn.contains(":role/") {
        return Err(Refusal::invalid(format!("{arn} is invalid")));
    }
    params.required("RoleSessionName")?;
    let session = params.name("RoleSessionName", 64)?.unwrap_or_default();
    Ok((arn, session))
}

/// Sets the keys about the tags of the request.
pub(super) fn set_tags(context: &mut Context, tags: &Tags) {
    for tag in tags.values() {
        context.set(&format!("aws:RequestTag/{}", tag.key), &tag.value);
    }
    context.set_all("aws:TagKeys", tags.values().map(|tag| tag.key.clone()));
    let transitive = tags.values().filter(|tag| tag.transitive);
    context.set_all("sts:TransitiveTagKeys", transitive.map(|tag| tag.key.clone()));
}

/// A role session that is allowed.
pub(super) struct Assumed<'a> {
    pub(super) role: &'a Role,
    pub(super) arn: &'a str,
    pub(super) session: &'a str,
    pub(super) seconds: i64,
    pub(super) tags: Tags,
    pub(super) source: Option<String>,
    pub(super) provider: Option<String>,
}

/// Issues the session of a role, within the limits of the role.
pub(super) fn assume(
    call: &mut Call<'_>,
    assumed: Assumed<'_>,
) -> Result<(String, IssuedRecord), Refusal> {
    if assumed.seconds > assumed.role.max_session {
        return Err(Refusal::invalid(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    let (policies, texts) = call.session_policies()?;
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let packed = packed::percent(&assumed.tags, &texts)?;
    let (arn, session) = (assumed.arn, assumed.session);
    let name = arn.rsplit('/').next().unwrap_or_default();
    let session_arn = format!("arn:aws:sts::{}:assumed-role/{name}/{session}", account_of(arn));
    let (mut xml, issued) = call.issue(New {
        principal: Principal::Role { role: arn.to_owned(), session: session_arn.clone() },
        kind: Kind::Role,
        seconds: assumed.seconds,
        tags: assumed.tags,
        source_identity: assumed.source.clone(),
        policies,
        provider: assumed.provider,
    });
    let id = format!("{}:{session}", xml::unique_id("AROA", arn));
    let user = xml::element("AssumedRoleId", &id) + &xml::element("Arn", &session_arn);
    xml += &xml::wrap("AssumedRoleUser", &user);
    if let Some(percent) = packed {
        xml += &xml::element("PackedPolicySize", &percent.to_string());
    }
    if let Some(source) = &assumed.source {
        xml += &xml::element("SourceIdentity", source);
    }
    Ok((xml, issued))
}

/// Whether a trust policy allows an identity provider or a service all of these actions.
pub(super) fn trusts(
    role: Option<&Role>,
    arn: &str,
    actions: &[&str],
    context: &Context,
    subject: Subject<'_>,
) -> Result<(), Refusal> {
    for action in actions {
        let says = role.map(|role| role.trust.says(action, arn, context, Some(subject)));
        if !matches!(says, Some(Says::Allow(_))) {
            return Err(Refusal::denied(format!("Not authorized to perform {action}")));
        }
    }
    Ok(())
}

/// An AWS service assumes a role for a workload, as EKS Pod Identity and EC2 do.
pub(in crate::strict) fn for_service(
    call: &mut Call<'_>,
    service: &str,
    arn: &str,
    session: &str,
    tags: Tags,
) -> Result<IssuedRecord, Refusal> {
    let iam = call.judge.iam.clone();
    let role = iam.roles.get(arn);
    let mut context = Context::default();
    set_tags(&mut context, &tags);
    context.set("sts:RoleSessionName", session);
    let mut actions = vec!["sts:AssumeRole"];
    if !tags.is_empty() {
        actions.push("sts:TagSession");
    }
    trusts(role, arn, &actions, &context, Subject::Service(service))?;
    let role = role.ok_or_else(|| Refusal::denied("Access denied"))?;
    // AWS services request sessions of six hours, which the maximum of the role does not limit.
    let role = Role { max_session: SERVICE_SESSION, ..role.clone() };
    let assumed = Assumed {
        role: &role,
        arn,
        session,
        seconds: SERVICE_SESSION,
        tags,
        source: None,
        provider: None,
    };
    assume(call, assumed).map(|(_, issued)| issued)
}

/// How long sessions for workloads live.
const SERVICE_SESSION: i64 = 6 * 3600;
