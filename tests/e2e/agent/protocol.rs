//! The protocol: paths, tokens, errors, and rotations.

use std::fs;

use jiff::SignedDuration;
use rig::Mount;
use serde_json::json;

use super::{Agent, after, credentials, mount};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// A mount, as `--file` with its default name.
fn file(mount: &Mount) -> String {
    format!("--file={}", mount.path("credentials.json"))
}

#[tokio::test]
async fn each_file_is_served_at_its_name_and_the_first_at_the_root() {
    let (one, two) = (mount("one").await, mount("two").await);
    let expiration = after(HOUR);
    one.put(credentials("ASIAONE", expiration)).unwrap();
    two.put(credentials("ASIATWO", expiration)).unwrap();
    let named = format!("--file=other={}", two.path("credentials.json"));
    let agent = Agent::start(&[file(&one), named, file(&two)]).await;
    for (path, key) in
        [("/", "ASIAONE"), ("/one", "ASIAONE"), ("/two", "ASIATWO"), ("/other?x=1", "ASIATWO")]
    {
        let reply = agent.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        assert!(reply.head.contains("content-type: application/json"), "{}", reply.head);
        assert!(reply.head.contains("cache-control: no-store"), "{}", reply.head);
        let expected = json!({
            "AccessKeyId": key, "SecretAccessKey": rig::sts::secret_for(key), "Token": rig::sts::token_for(key),
            "Expiration": expiration.to_string(),
        });
        assert_eq!(reply.json(), expected, "{path}");
    }
    for path in ["/three", "/one/", "//one", "/one/credentials.json", "/../one", "/%6fne"] {
        let reply = agent.get(path).await;
        assert_eq!((reply.status, &reply.json()["code"]), (404, &json!("NotFound")), "{path}");
    }
}

#[tokio::test]
async fn every_reply_is_the_old_or_the_new_content_during_rotations() {
    let mount = mount("reports").await;
    let expiration = after(HOUR);
    mount.put(credentials("ASIA0", expiration)).unwrap();
    let agent = Agent::start(&[file(&mount)]).await;
    for round in 1..=50 {
        let (old, new) = (format!("ASIA{}", round - 1), format!("ASIA{round}"));
        let swap = async { mount.put(credentials(&new, expiration)).unwrap() };
        let (during, ()) = tokio::join!(agent.get("/"), swap);
        let during = during.json()["AccessKeyId"].as_str().unwrap().to_owned();
        assert!([&old, &new].contains(&&during), "{during} in round {round}");
        assert_eq!(agent.get("/").await.json()["AccessKeyId"], new);
    }
}

#[tokio::test]
async fn what_cannot_be_served_is_an_error_that_sdks_retry_until_it_is_there() {
    let mount = mount("reports").await;
    let agent = Agent::start(&[file(&mount)]).await;
    let mut incomplete = credentials("ASIASECRETVALUE", after(HOUR));
    incomplete["SessionToken"] = json!("");
    let expired = credentials("ASIASECRETVALUE", after(-HOUR));
    let large = format!("{}{}", credentials("ASIASECRETVALUE", after(HOUR)), " ".repeat(65536));
    for (row, content, code) in [
        ("no file", None, "CredentialsUnreadable"),
        ("a cut file", Some(incomplete.to_string()[..90].to_owned()), "CredentialsInvalid"),
        ("an empty value", Some(incomplete.to_string()), "CredentialsInvalid"),
        ("expired", Some(expired.to_string()), "CredentialsExpired"),
        ("too large", Some(large), "CredentialsUnreadable"),
    ] {
        if let Some(content) = content {
            mount.put(content).unwrap();
        }
        for path in ["/", "/reports", "/readyz"] {
            let reply = agent.get(path).await;
            assert_eq!((reply.status, &reply.json()["code"]), (503, &json!(code)), "{row} {path}");
            assert!(!reply.json()["message"].as_str().unwrap().is_empty());
            assert!(!reply.body.contains("SECRETVALUE"), "{row}: {}", reply.body);
        }
        assert_eq!(agent.get("/livez").await.status, 200, "{row}");
    }
    mount.put(credentials("ASIAGOOD", after(HOUR))).unwrap();
    assert_eq!(agent.get("/").await.status, 200);
    assert_eq!(agent.get("/readyz").await.status, 200);
    let log = agent.process.output().unwrap();
    assert!(log.contains("expired") && !log.contains("SECRETVALUE"), "{log}");
    assert!(!log.contains(&rig::sts::token_for("ASIAGOOD")), "{log}");
}

#[tokio::test]
async fn with_a_token_file_only_requests_with_its_current_content_are_served() {
    let mount = mount("reports").await;
    mount.put(credentials("ASIAONE", after(HOUR))).unwrap();
    let token = mount.path("token");
    let flag = format!("--authorization-token-file={token}");
    let agent = Agent::start(&[file(&mount), flag]).await;
    let host = agent.address.to_string();
    let status = async |path: &str, sent: &[&str]| {
        let mut headers = vec![("Host", host.as_str())];
        headers.extend(sent.iter().map(|sent| ("Authorization", *sent)));
        let reply = agent.send("GET", path, &headers).await;
        let served = reply.status == 200 && path == "/";
        assert_eq!(reply.body.contains("SecretAccessKey"), served, "{reply:?}");
        reply.status
    };
    assert_eq!(status("/", &["first"]).await, 503, "no token file");
    assert_eq!(status("/readyz", &[]).await, 503);
    fs::write(&token, "first").unwrap();
    for (sent, expected) in [
        (&["first"][..], 200),
        (&[], 401),
        (&[""], 401),
        (&["firs"], 401),
        (&["first2"], 401),
        (&["Bearer first"], 401),
    ] {
        assert_eq!(status("/", sent).await, expected, "{sent:?}");
    }
    assert_eq!(status("/unknown", &[]).await, 401, "names are not shown without the token");
    assert_eq!(status("/unknown", &["first"]).await, 404);
    assert_eq!(status("/readyz", &[]).await, 200);
    fs::write(&token, "second").unwrap();
    assert_eq!((status("/", &["first"]).await, status("/", &["second"]).await), (401, 200));
    fs::write(&token, "").unwrap();
    assert_eq!(status("/", &[""]).await, 503, "an empty token is none");
}

#[tokio::test]
async fn requests_that_were_not_made_for_this_machine_are_refused() {
    let mount = mount("reports").await;
    mount.put(credentials("ASIAONE", after(HOUR))).unwrap();
    let agent = Agent::start(&[file(&mount)]).await;
    for (headers, status) in [
        (&[("Host", "localhost:9911")][..], 200),
        (&[("Host", "169.254.170.23")], 200),
        (&[("Host", "attacker.example:9911")], 403),
        (&[("Host", "10.0.0.1:9911")], 403),
    ] {
        let reply = agent.send("GET", "/", headers).await;
        assert_eq!(reply.status, status, "{headers:?}");
        assert_eq!(reply.body.contains("SecretAccessKey"), status == 200);
    }
    for method in ["POST", "PUT", "OPTIONS", "HEAD"] {
        let reply = agent.send(method, "/", &[("Host", "localhost")]).await;
        assert_eq!(reply.status, 405, "{method}");
    }
}
