//! What the judge decides, as tables. One configuration serves all of them.

mod tokens;

use jiff::Timestamp;
use serde_json::json;

use crate::strict::calls::assume_role::for_service;
use crate::strict::judge::{Answer, Call, Judge};
use crate::strict::{Iam, Policy, Refusal, Role, User};
use crate::sts::Received;

const NOW: i64 = 1_800_000_000;
const USER: &str = "AKIAUSER000000000001";
const READ_ONLY: &str = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
const TASK: &str = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials";

fn arn(name: &str) -> String {
    match name.strip_prefix("other/") {
        Some(name) => format!("arn:aws:iam::210987654321:role/{name}"),
        None => format!("arn:aws:iam::123456789012:role/{name}"),
    }
}

/// Adds a role that trusts `principal` for these actions under this condition.
fn role(iam: &mut Iam, name: &str, principal: &str, actions: &str, condition: &str, may: &str) {
    let kind = if principal.contains("amazonaws.com") { "Service" } else { "AWS" };
    let actions: Vec<_> = actions.split(' ').map(|action| format!("sts:{action}")).collect();
    let condition: serde_json::Value = serde_json::from_str(condition).unwrap();
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {kind: principal}, "Action": actions, "Condition": condition}]});
    let may: Vec<_> = may.split(' ').filter(|action| !action.is_empty()).collect();
    let may = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": may, "Resource": "*"}]});
    let role = Role {
        trust: Policy::trust(&trust.to_string()).unwrap(),
        permissions: vec![Policy::identity(&may.to_string()).unwrap()],
        max_session: if name == "long" { 43_200 } else { 3600 },
    };
    iam.roles.insert(arn(name), role);
}

fn iam() -> Iam {
    let mut iam = Iam::new().unwrap();
    let user = "arn:aws:iam::123456789012:user/u";
    let may = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession", "s3:GetObject", "s3:PutObject"], "Resource": "*"},
        {"Effect": "Allow", "Action": ["sts:GetFederationToken", "sts:GetWebIdentityToken"], "Resource": "*"},
        {"Effect": "Deny", "Action": "*", "Resource": "arn:aws:iam::123456789012:role/forbidden"}]}"#;
    let permissions = vec![Policy::identity(may).unwrap()];
    iam.users.insert(user.to_owned(), User { permissions, key: (USER.to_owned(), "s".to_owned()) });
    let root = "arn:aws:iam::123456789012:root";
    let hub = arn("hub");
    let external = r#"{"StringEquals": {"sts:ExternalId": "abc"}}"#;
    let all = "AssumeRole TagSession SetSourceIdentity";
    for (name, principal, actions, condition, may) in [
        (
            "hub",
            user,
            all,
            "{}",
            "sts:AssumeRole sts:TagSession sts:SetSourceIdentity sts:AssumeRoot sts:GetWebIdentityToken s3:GetObject",
        ),
        ("weak", user, all, "{}", "s3:GetObject"),
        ("long", user, "AssumeRole", "{}", ""),
        ("plain", user, "AssumeRole", "{}", ""),
        ("forbidden", user, "AssumeRole", "{}", ""),
        ("external", user, "AssumeRole", external, ""),
        ("of-account", root, all, "{}", ""),
        ("of-hub", &hub, "AssumeRole", "{}", ""),
        ("of-hub-tags", &hub, "AssumeRole TagSession", "{}", ""),
        ("of-hub-all", &hub, all, "{}", ""),
        ("of-weak", &arn("weak"), all, "{}", ""),
        ("of-session", "arn:aws:sts::123456789012:assumed-role/weak/me", all, "{}", ""),
        ("other/of-weak", &arn("weak"), all, "{}", ""),
        ("other/of-hub", &hub, all, "{}", ""),
        ("principal-tag", &hub, all, r#"{"StringEquals": {"aws:PrincipalTag/team": "a"}}"#, ""),
        ("request-tag", &hub, all, r#"{"StringEquals": {"aws:RequestTag/team": "a"}}"#, ""),
        (
            "transitive",
            user,
            all,
            r#"{"ForAllValues:StringEquals": {"sts:TransitiveTagKeys": ["team"]}}"#,
            "",
        ),
        ("source", user, all, r#"{"StringEquals": {"sts:SourceIdentity": "alice"}}"#, ""),
        ("pod", "pods.eks.amazonaws.com", "AssumeRole TagSession", "{}", ""),
        ("pod-untagged", "pods.eks.amazonaws.com", "AssumeRole", "{}", ""),
    ] {
        role(&mut iam, name, principal, actions, condition, may);
    }
    iam.organization = Some(("123456789012".to_owned(), ["210987654321".to_owned()].into()));
    iam.outbound_federation.insert("123456789012".to_owned());
    iam
}

/// Makes a call. `params` is `NAME=VALUE NAME=VALUE`; `role=NAME` is short for a role and a session name.
fn ask(judge: &mut Judge, key: &str, action: &str, params: &str) -> Result<Answer, Refusal> {
    let now = Timestamp::from_second(NOW).unwrap();
    let mut request = Received::of_service("", now);
    request.action = action.to_owned();
    request.form.clear();
    for (name, value) in params.split(' ').filter_map(|pair| pair.split_once('=')) {
        match name {
            "role" => {
                request.form.insert("RoleArn".to_owned(), arn(value));
                request.form.entry("RoleSessionName".to_owned()).or_insert_with(|| "me".to_owned());
            }
            "tag" => {
                let n = request.form.keys().filter(|key| key.ends_with(".Key")).count() + 1;
                let (key, value) = value.split_once(':').unwrap();
                request.form.insert(format!("Tags.member.{n}.Key"), key.to_owned());
                request.form.insert(format!("Tags.member.{n}.Value"), value.to_owned());
            }
            name => {
                request.form.insert(name.to_owned(), value.to_owned());
            }
        }
    }
    judge.decide(&request, Some(key), now)
}

/// The access key that a call issued.
fn key(answer: Answer) -> String {
    answer.issued.unwrap().access_key_id
}

/// Makes the calls of a chain, separated by `→`, each signed by the session of the one before it.
fn chain(judge: &mut Judge, calls: &str) -> Result<String, Refusal> {
    let mut signer = USER.to_owned();
    for call in calls.split(" → ") {
        let (action, params) = call.split_once(' ').unwrap_or((call, ""));
        let action = if action.contains('=') { "AssumeRole" } else { action };
        let params = if action == "AssumeRole" { call } else { params };
        signer = key(ask(judge, &signer, action, params)?);
    }
    Ok(signer)
}

#[test]
fn chains_of_calls_are_judged_as_documented() {
    let tag = "sts:TagSession";
    let source = "sts:SetSourceIdentity";
    let rows = [
        // One account: a trust policy that names the caller suffices, one that names the account does not.
        ("role=plain", ""),
        ("role=of-account", ""),
        ("role=weak → role=of-weak", ""),
        ("role=weak → role=of-account", "no identity-based policy allows the sts:AssumeRole"),
        ("role=plain → role=of-hub", "sts:AssumeRole"),
        ("role=missing", "sts:AssumeRole"),
        ("role=forbidden", "explicit deny"),
        // Another account: both must allow it.
        ("role=hub → role=other/of-hub", ""),
        ("role=weak → role=other/of-weak", "no identity-based policy"),
        // External ID.
        ("role=external", "sts:AssumeRole"),
        ("role=external ExternalId=abc", ""),
        ("role=external ExternalId=abd", "sts:AssumeRole"),
        // Durations.
        ("role=long DurationSeconds=43200", ""),
        ("role=plain DurationSeconds=7200", "MaxSessionDuration"),
        ("role=plain DurationSeconds=60", "greater than or equal to 900"),
        ("role=long DurationSeconds=43201", "less than or equal to 43200"),
        ("role=hub → role=of-hub DurationSeconds=3600", ""),
        ("role=hub → role=of-hub DurationSeconds=3601", "role chaining"),
        ("GetSessionToken → role=long DurationSeconds=43200", ""),
        // Tags.
        ("role=plain tag=team:a", tag),
        ("role=hub tag=team:a", ""),
        ("role=hub tag=team:a tag=Team:b", "Duplicate tag keys"),
        ("role=hub tag=team:a → role=of-hub", ""),
        ("role=hub tag=team:a TransitiveTagKeys.member.1=team → role=of-hub", tag),
        ("role=hub tag=team:a TransitiveTagKeys.member.1=team → role=of-hub-tags", ""),
        (
            "role=hub tag=team:a TransitiveTagKeys.member.1=team → role=of-hub-tags tag=TEAM:a",
            "conflicts with a transitive tag key",
        ),
        ("role=hub tag=team:a TransitiveTagKeys.member.1=team → role=of-hub-tags tag=cost:a", ""),
        ("role=hub tag=team:a TransitiveTagKeys.member.1=cost", "must be included"),
        ("role=hub tag=team:a TransitiveTagKeys.member.1=team → role=principal-tag", ""),
        ("role=hub → role=principal-tag tag=team:a", "sts:AssumeRole"),
        (
            "role=hub tag=team:a TransitiveTagKeys.member.1=team → role=request-tag",
            "sts:AssumeRole",
        ),
        ("role=hub → role=request-tag tag=team:a", ""),
        ("role=transitive tag=team:a TransitiveTagKeys.member.1=team", ""),
        ("role=transitive tag=cost:a TransitiveTagKeys.member.1=cost", "sts:AssumeRole"),
        // Source identity.
        ("role=source", "sts:AssumeRole"),
        ("role=source SourceIdentity=bob", "sts:AssumeRole"),
        ("role=source SourceIdentity=alice", ""),
        ("role=plain SourceIdentity=alice", source),
        ("role=hub SourceIdentity=alice → role=of-hub-tags", source),
        ("role=hub SourceIdentity=alice → role=of-hub-all", ""),
        ("role=hub SourceIdentity=alice → role=of-hub-all SourceIdentity=bob", "cannot be changed"),
        // A role session needs this permission in its own policies too.
        ("role=weak SourceIdentity=alice → role=of-weak", source),
        // Session policies limit a caller that is named by its role, but not one that is named by its session.
        (
            "role=weak PolicyArns.member.1.arn=arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess → role=of-weak",
            "no session policy allows",
        ),
        (
            "role=weak PolicyArns.member.1.arn=arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess → role=of-session",
            "",
        ),
        // What sessions may call.
        ("role=hub → GetSessionToken", "Cannot call GetSessionToken with session credentials"),
        (
            "role=hub → GetFederationToken Name=guest",
            "Cannot call GetFederationToken with session credentials",
        ),
        ("GetSessionToken → GetSessionToken", "with session credentials"),
        ("GetSessionToken → role=plain", ""),
        (
            "GetSessionToken → GetWebIdentityToken Audience.member.1=x SigningAlgorithm=RS256",
            "GetWebIdentityToken",
        ),
        ("GetFederationToken Name=guest → role=plain", "sts:AssumeRole"),
        ("GetFederationToken Name=guest tag=a:b", ""),
        ("GetFederationToken Name=guest DurationSeconds=129600", ""),
        ("GetFederationToken Name=guest DurationSeconds=129601", "less than or equal"),
        (
            "role=hub → AssumeRoot TargetPrincipal=210987654321 TaskPolicyArn.arn=TASK → role=plain",
            "root accounts",
        ),
    ];
    for (calls, expected) in rows {
        let outcome = chain(&mut Judge::new(iam()), &calls.replace("TASK", TASK));
        match (&outcome, expected) {
            (Ok(_), "") => {}
            (Err(refusal), part) if !part.is_empty() => {
                assert!(refusal.message.contains(part), "{calls}: {}", refusal.message);
            }
            _ => panic!("{calls}: {outcome:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn root_sessions_need_an_organization_a_task_and_permission() {
    let call = |judge: &mut Judge, first: &str, params: &str| {
        let signer = key(ask(judge, USER, "AssumeRole", first)?);
        ask(judge, &signer, "AssumeRoot", &params.replace("TASK", TASK))
    };
    let target = "TargetPrincipal=210987654321 TaskPolicyArn.arn=TASK";
    let rows = [
        ("role=hub", target, ""),
        ("role=hub", "TargetPrincipal=arn:aws:iam::210987654321:root TaskPolicyArn.arn=TASK", ""),
        ("role=weak", target, "no identity-based policy"),
        ("role=hub", "TargetPrincipal=999999999999 TaskPolicyArn.arn=TASK", "sts:AssumeRoot"),
        (
            "role=hub",
            "TargetPrincipal=210987654321 TaskPolicyArn.arn=arn:aws:iam::aws:policy/AdministratorAccess",
            "not a task policy",
        ),
        (
            "role=hub",
            "TargetPrincipal=210987654321 TaskPolicyArn.arn=TASK DurationSeconds=901",
            "less than or equal to 900",
        ),
    ];
    for (first, params, expected) in rows {
        let outcome = call(&mut Judge::new(iam()), first, params);
        let message = outcome.err().map(|refusal| refusal.message).unwrap_or_default();
        assert!(
            message.contains(expected) && message.is_empty() == expected.is_empty(),
            "{params}: {message}"
        );
    }
    let mut judge = Judge::new(iam());
    judge.iam.organization = None;
    assert!(call(&mut judge, "role=hub", target).is_err());
}

#[test]
fn a_token_for_another_service_needs_the_feature_and_does_not_outlive_its_session() {
    let token = "Audience.member.1=x SigningAlgorithm=RS256";
    let rows = [
        ("role=hub", "", true, ""),
        ("role=hub", " DurationSeconds=3600", true, ""),
        ("role=hub DurationSeconds=900", " DurationSeconds=901", true, "original expiration"),
        ("role=hub DurationSeconds=900", " DurationSeconds=900", true, ""),
        ("role=hub", " tag=team:a", true, "sts:TagGetWebIdentityToken"),
        ("role=weak", "", true, "sts:GetWebIdentityToken"),
        ("role=hub", "", false, "not enabled"),
        ("role=hub", " DurationSeconds=59", true, "greater than or equal to 60"),
    ];
    for (first, more, enabled, expected) in rows {
        let mut judge = Judge::new(iam());
        if !enabled {
            judge.iam.outbound_federation.clear();
        }
        let signer = chain(&mut judge, first).unwrap();
        let outcome = ask(&mut judge, &signer, "GetWebIdentityToken", &format!("{token}{more}"));
        let message = outcome.err().map(|refusal| refusal.message).unwrap_or_default();
        assert!(
            message.contains(expected) && message.is_empty() == expected.is_empty(),
            "{first}{more}: {message}"
        );
    }
}

#[test]
fn the_session_tags_of_pod_identity_need_permission_at_every_hop_and_take_space() {
    let mut judge = Judge::new(iam());
    let request = Received::of_service("", Timestamp::from_second(NOW).unwrap());
    let mut assume = |name: &str| {
        let mut call = Call { judge: &mut judge, request: &request, now: request.at };
        let tag = crate::strict::Tag {
            key: "eks-cluster-name".to_owned(),
            value: "c".to_owned(),
            transitive: true,
        };
        let tags = [("eks-cluster-name".to_owned(), tag)].into();
        for_service(&mut call, "pods.eks.amazonaws.com", &arn(name), "s", tags)
    };
    assert!(assume("pod").is_ok());
    assert_eq!(
        assume("pod-untagged").unwrap_err().message,
        "Not authorized to perform sts:TagSession"
    );
    assert!(assume("plain").is_err());
}

#[test]
fn a_federated_session_may_do_what_both_its_user_and_its_policies_allow() {
    let mut judge = Judge::new(iam());
    let mut session =
        |params: &str| key(ask(&mut judge, USER, "GetFederationToken", params).unwrap());
    let read = session(&format!("Name=guest PolicyArns.member.1.arn={READ_ONLY}"));
    let nothing = session("Name=guest");
    let strict = crate::strict::Strict::new(iam());
    strict.inner().judge = judge;
    let may = |key: &str, action| strict.may(key, action, "arn:aws:s3:::a/b").is_ok();
    assert!(may(&read, "s3:GetObject"), "both allow it");
    assert!(!may(&read, "s3:PutObject"), "only the user may");
    assert!(!may(&read, "s3:ListBucket"), "only the session policy allows it");
    assert!(!may(&nothing, "s3:GetObject"), "it has no session policy");
    assert!(may(USER, "s3:GetObject"));
}

#[test]
fn the_stand_in_for_the_packed_size_grows_with_tags_and_policies_and_has_a_limit() {
    let mut judge = Judge::new(iam());
    let mut size = |params: &str| {
        let answer = ask(&mut judge, USER, "AssumeRole", &format!("role=hub {params}"))?;
        let text = answer.xml.split("PackedPolicySize>").nth(1).unwrap_or("0</").replace("</", "");
        Ok::<usize, Refusal>(text.parse().unwrap())
    };
    assert_eq!(size("").unwrap(), 0);
    let one = size("tag=team:a").unwrap();
    let two = size("tag=team:a tag=cost:b").unwrap();
    assert!(0 < one && one < two && two < size(&format!("tag=team:{}", "a".repeat(200))).unwrap());
    let refusal = size(&format!("tag=a:{0} tag=b:{0}", "a".repeat(250))).unwrap_err();
    assert_eq!(refusal.code, "PackedPolicyTooLarge");
}
