//! AssumeRoot.

use crate::strict::authorize::Question;
use crate::strict::iam::TASKS;
use crate::strict::judge::{Answer, Call, New};
use crate::strict::principal::{Principal, account_of};
use crate::strict::refusal::Refusal;
use crate::strict::session::{Kind, Session, Tags};

pub(in crate::strict) fn answer(call: &mut Call<'_>, caller: &Session) -> Result<Answer, Refusal> {
    let params = call.params();
    let target = params.required("TargetPrincipal")?;
    let task = params.required("TaskPolicyArn.arn")?;
    let seconds = params.duration(0, 900, 900)?;
    let account = if target.starts_with("arn:") { account_of(target) } else { target };
    let name = task.strip_prefix("arn:aws:iam::aws:policy/root-task/");
    if !name.is_some_and(|name| TASKS.contains(&name)) {
        return Err(Refusal::invalid(format!("{task} is not a task policy")));
    }

    let resource = format!("arn:aws:iam::{account}:root");
    let iam = call.judge.iam.clone();
    let own = caller.principal.account();
    let members = iam.organization.as_ref().filter(|(management, _)| *management == own);
    if !members.is_some_and(|(_, members)| members.contains(account)) {
        return Err(Refusal::denied(format!(
            "User: {} is not authorized to perform: sts:AssumeRoot on resource: {resource}",
            caller.principal.arn()
        )));
    }
    let mut context = caller.context();
    context.set("sts:TaskPolicyArn", task);
    let action = "sts:AssumeRoot";
    Question { iam: &iam, session: caller, action, resource: &resource, context: &context }
        .by_identity()?;
    let (xml, issued) = call.issue(New {
        principal: Principal::Root(account.to_owned()),
        kind: Kind::Root,
        seconds,
        tags: Tags::new(),
        source_identity: caller.source_identity.clone(),
        policies: None,
        provider: None,
    });
    Ok(Answer { xml, issued: Some(issued) })
}
