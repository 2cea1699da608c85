//! The log: text from elsewhere neither breaks a line nor forges one.

use rig::sts::Fault;
use serde_json::{Value, json};

use crate::world::{World, assume, failure_reason, plain, role_arn};

/// Characters that break a line, or change how a terminal shows it, as far as XML can carry them.
pub const ODD: &str = "no\nway\r\n2026-01-01T00:00:00Z  INFO forged\u{85}\u{2028}\u{202e}\u{9b}31m";

#[tokio::test]
async fn a_message_of_sts_stays_in_its_line() {
    for format in ["text", "json"] {
        let mut world = World::new().await;
        world.start_operator(&["--log-format", format]).await;
        let message = format!("{ODD}{}", "x".repeat(100 * 1024));
        world.sts.inject(Fault::error(403, &format!("Odd{ODD}"), &message));
        world.create("reports", plain()).await;
        let failing = |s: &_| failure_reason(s) == Some("Refused");
        let status = world.wait("reports", "refused", failing).await.status.unwrap();
        let message = status.failure.unwrap().message;
        assert!(message.contains("no way") && message.len() < 2000, "{message}");
        let log = world.full_log();
        assert!(log.contains("no way"), "{log}");
        for line in log.lines() {
            let begin = if format == "json" { "{\"timestamp\":\"20" } else { "20" };
            assert!(line.starts_with(begin) && line.len() < 8000, "{line}");
            let forged = line.starts_with("2026-01-01T00:00:00Z");
            assert!(
                !forged && !line.contains(['\u{2028}', '\u{202e}', '\u{9b}', '\u{85}']),
                "{line}"
            );
        }
    }
}

/// The JSON lines of a log that have this message, or begin with it.
fn lines(log: &str, message: &str) -> Vec<Value> {
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["message"].as_str().unwrap().starts_with(message)).collect()
}

#[tokio::test]
async fn an_issue_is_one_line_that_names_what_cloudtrail_shows() {
    let mut world = World::new().await;
    world.kubectl(&["create", "serviceaccount", "tenant"]);
    // A second grant that allows the same.
    let second = format!("{}-second", world.namespace);
    world.grant(&second, world.any_role()).await;
    world.start_operator(&["--log-format", "json", "--cluster-name", "prod-eu"]).await;
    let mut chained = assume("last");
    chained["assumeRole"]["via"] =
        json!([{"roleArn": role_arn("first")}, {"roleArn": role_arn("middle")}]);
    chained["assumeRole"]["sessionName"] = "nightly".into();
    world.issue("chained", chained).await;
    let identity =
        json!({"webIdentity": {"roleArn": role_arn("own"), "serviceAccountName": "tenant"}});
    let mut signed = assume("by-own");
    signed["identity"] = identity;
    world.issue("signed", signed).await;
    world.sts.inject(Fault::access_denied().for_role("role/refused"));
    let mut refused = assume("refused");
    refused["assumeRole"]["via"] = json!([{"roleArn": role_arn("hop")}]);
    world.create("refused", refused).await;
    let status = world.wait("refused", "refused", |s| s.failure.is_some()).await.status.unwrap();
    let (sts, namespace) = (world.sts.clone(), world.namespace.clone());
    let issued = sts.issued();
    let key = |role: &str| {
        let of_role = |i: &&rig::sts::IssuedRecord| i.role_arn == Some(role_arn(role));
        issued.iter().find(of_role).unwrap().access_key_id.clone()
    };
    let log = world.full_log();

    let found = lines(&log, "issued");
    assert_eq!(found.len(), 2, "{log}");
    let ids = |roles: &[&str]| {
        let ids: Vec<_> = roles.iter().flat_map(|role| sts.request_ids(&role_arn(role))).collect();
        assert_eq!(ids.len(), roles.len());
        ids.join(" ")
    };
    let default = |name: &str| format!("tempcred-{namespace}.{name}");
    let chained = &found[0];
    assert_eq!(chained["span"]["namespace"], namespace);
    assert_eq!(chained["span"]["credential"], "chained");
    // Each grant that matches constrains the session, so each is named.
    for grant in chained["grants"].as_str().unwrap().split(' ') {
        assert!(grant == namespace || grant == second, "{grant}");
    }
    assert_eq!(chained["role"], ["first", "middle", "last"].map(role_arn).join(" "));
    let sessions = format!("{0} {0} nightly", default("chained"));
    assert_eq!(chained["session_name"], sessions);
    assert_eq!(chained["request_id"], ids(&["first", "middle", "last"]));
    assert_eq!(chained["access_key_id"], key("last"));
    assert_eq!(chained["action"], "AssumeRole");
    assert_eq!(chained["cause"], "Missing");
    let signed = &found[1];
    assert!(signed.get("grants").is_none(), "{signed}");
    assert_eq!(signed["role"], ["own", "by-own"].map(role_arn).join(" "));
    assert_eq!(signed["session_name"], format!("{0} {0}", default("signed")));
    assert_eq!(signed["request_id"], ids(&["own", "by-own"]));
    // A failure names its calls too, and not in its message: the status would change with each attempt.
    let message = status.failure.unwrap().message;
    let failed = &lines(&log, &message)[0];
    let failed = failed["request_id"].as_str().unwrap();
    let first = |role: &str| sts.request_ids(&role_arn(role))[0].clone();
    assert_eq!(failed, format!("{} {}", first("hop"), first("refused")));
    assert!(!message.contains(&first("refused")), "{message}");
}
