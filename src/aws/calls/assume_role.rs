//! AssumeRole, directly or through a chain of roles.

use aws_sdk_sts::operation::assume_role::AssumeRoleOutput;
use aws_sdk_sts::operation::assume_role::builders::AssumeRoleInputBuilder;
use tempcred_core::credentials::Credentials;
use tempcred_core::problem::{Problem, Reason};
use tempcred_core::request::StsRequest;
use tempcred_core::request::assume_role::{Call, Request};
use tempcred_core::request::inputs::Inputs;

use crate::aws::params::{policy_arns, tags};
use crate::aws::reply::access_key;
use crate::aws::session::{Session, SessionCall};
use crate::planted::Bug;

pub(super) async fn call(
    request: &Request,
    session: &Session,
    _: &Inputs,
) -> Result<Credentials, Problem> {
    let mut issued = None;
    let mut session = session.clone();
    for call in request.chain() {
        if let Some(credentials) = &issued {
            session = session.signed_by(credentials)?;
        }
        issued = Some(assume(&session, call).await?);
    }
    issued.ok_or_else(|| Problem::new(Reason::InvalidSpec, "The request names no role"))
}

async fn assume(session: &Session, call: &Call) -> Result<Credentials, Problem> {
    let role = call.role.as_str();
    let keys: Vec<String> = call.transitive_tag_keys.iter().cloned().collect();
    let input = AssumeRoleInputBuilder::default()
        .role_arn(role)
        .role_session_name(&call.session_name)
        .set_duration_seconds(call.duration.map(|duration| duration.as_i32()))
        .set_external_id(call.external_id.clone())
        .set_source_identity(call.source_identity.clone())
        .set_policy(call.policy.clone())
        .set_policy_arns(policy_arns(&call.policy_arns))
        .set_tags(tags(call.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))))
        .set_transitive_tag_keys(Some(keys).filter(|keys| !keys.is_empty()));
    let input = if Bug::DropsTags.is_planted() { input.set_tags(None) } else { input };
    let send = |client| async move { input.send_with(&client).await };
    let read = |output: AssumeRoleOutput| {
        #[expect(deprecated, reason = "STS in older partitions still answers with this field alone")]
        let packed = output.session_token_utilization.or(output.packed_policy_size);
        access_key(output.credentials, output.assumed_role_user.map(|user| user.arn), packed)
    };
    let call = SessionCall { action: Request::ACTION, target: role, session_name: Some(&call.session_name) };
    session.issue(call, send, read).await
}
