//! The STS responder over the wire, with a client that reads plain bytes.

mod wire;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use jiff::Timestamp;
use rig::sts::{Fault, Field, Matching, Responder, Signer, secret_for, token_for};

use wire::{Reply, SOON, receive, send};

const ROLE: &str = "arn:aws:iam::111122223333:role/team/reader";

fn call(sts: &Responder, form: &str) -> Result<Reply> {
    receive(send(sts, form)?)
}

fn assume_form(role: &str, more: &str) -> String {
    let role = role.replace(':', "%3A").replace('/', "%2F");
    format!("Action=AssumeRole&Version=2011-06-15&RoleArn={role}&RoleSessionName=me{more}")
}

fn assume(sts: &Responder) -> Result<Reply> {
    call(sts, &assume_form(ROLE, ""))
}

fn seconds_from_now(at: Timestamp) -> i64 {
    at.duration_since(Timestamp::now()).as_secs()
}

#[test]
fn issues_credentials_that_can_be_checked_and_records_them() -> Result<()> {
    let sts = Responder::start()?;
    let reply = call(&sts, &assume_form(ROLE, "&DurationSeconds=900&Tags.member.1.Key=a"))?;
    ensure!(reply.status == 200, "{}", reply.body);
    let id = reply.text("AccessKeyId");
    ensure!(reply.text("SecretAccessKey") == secret_for(id));
    ensure!(reply.text("SessionToken") == token_for(id));
    ensure!(reply.text("Arn") == "arn:aws:sts::111122223333:assumed-role/reader/me");
    ensure!(reply.text("PackedPolicySize") == "1");
    ensure!((895..=900).contains(&seconds_from_now(reply.expiration()?)));
    ensure!(reply.text("Expiration").len() == "2026-01-01T00:00:00Z".len());

    let [issued] = &sts.issued()[..] else { anyhow::bail!("{:?}", sts.issued()) };
    ensure!(issued.access_key_id == id && issued.role_arn.as_deref() == Some(ROLE));
    ensure!(issued.expiration == reply.expiration()?);
    let [received] = &sts.requests()[..] else { anyhow::bail!("{:?}", sts.requests()) };
    let signer = Signer { access_key_id: "AKIDEXAMPLE".into(), region: "eu-west-1".into() };
    ensure!(received.signer.as_ref() == Some(&signer));
    ensure!(received.form["RoleSessionName"] == "me" && received.user_agent == "test");
    ensure!(sts.calls("AssumeRole") == 1 && sts.calls("GetSessionToken") == 0);
    ensure!(sts.calls_for_role(ROLE) == 1 && sts.calls_total() == 1);
    Ok(())
}

#[test]
fn answers_every_action_and_rejects_unknown_ones() -> Result<()> {
    let sts = Responder::start()?;
    let role = ROLE.replace(':', "%3A");
    let rows = [
        ("AssumeRole", format!("RoleArn={role}&RoleSessionName=me"), "Credentials"),
        ("AssumeRoleWithWebIdentity", format!("RoleArn={role}&WebIdentityToken=a.b.c"), "Provider"),
        ("AssumeRoleWithSAML", format!("RoleArn={role}&SAMLAssertion=x"), "SubjectType"),
        ("AssumeRoot", "TargetPrincipal=111122223333".to_owned(), "Credentials"),
        ("GetSessionToken", String::new(), "Credentials"),
        ("GetFederationToken", "Name=bob".to_owned(), "FederatedUserId"),
        ("GetWebIdentityToken", "Audience.member.1=x".to_owned(), "WebIdentityToken"),
        ("GetCallerIdentity", String::new(), "Account"),
    ];
    for (action, parameters, element) in &rows {
        let reply = call(&sts, &format!("Action={action}&{parameters}"))?;
        ensure!(reply.status == 200, "{action}: {}", reply.body);
        ensure!(reply.body.starts_with(&format!("<{action}Response xmlns=")), "{action}");
        ensure!(reply.body.contains(&format!("<{element}>")), "{action}: {}", reply.body);
        ensure!(sts.calls(action) == 1, "{action}");
    }
    ensure!(sts.issued().len() == 7);
    ensure!(call(&sts, "Action=Nonsense")?.text("Code") == "InvalidAction");
    ensure!(call(&sts, "Action=AssumeRole&RoleArn=x")?.text("Code") == "ValidationError");
    Ok(())
}

#[test]
fn errors_come_with_the_status_code_and_message_of_aws() -> Result<()> {
    let denied = format!(
        "User: arn:aws:iam::123456789012:user/rig is not authorized to perform: \
         sts:AssumeRole on resource: {ROLE}"
    );
    let rows = [
        (Fault::throttling(), 400, "Throttling", "Rate exceeded"),
        (Fault::access_denied(), 403, "AccessDenied", denied.as_str()),
        (Fault::error(418, "Teapot", "a &lt; b"), 418, "Teapot", "a &amp;lt; b"),
        (Fault::internal_failure(), 500, "InternalFailure", ""),
        (Fault::service_unavailable(), 503, "ServiceUnavailable", ""),
    ];
    let sts = Responder::start()?;
    for (fault, status, code, message) in rows {
        let id = sts.inject(fault);
        let reply = assume(&sts)?;
        ensure!(reply.status == status && reply.text("Code") == code, "{code}: {}", reply.body);
        ensure!(reply.text("Message").starts_with(message), "{code}: {}", reply.body);
        sts.remove(id);
        ensure!(assume(&sts)?.status == 200, "{code} was removed");
    }
    ensure!(sts.issued().len() == 5, "an error issues nothing");
    Ok(())
}

#[test]
fn a_reset_is_a_reset() -> Result<()> {
    let sts = Responder::start()?;
    sts.inject(Fault::reset().times(1));
    let mut byte = [0];
    let error = send(&sts, &assume_form(ROLE, ""))?.read(&mut byte).err();
    ensure!(
        error.as_ref().map(std::io::Error::kind) == Some(ErrorKind::ConnectionReset),
        "{error:?}"
    );
    ensure!(sts.issued().is_empty() && sts.calls_total() == 1);
    ensure!(assume(&sts)?.status == 200);
    Ok(())
}

#[test]
fn bodies_are_cut_with_and_without_a_matching_content_length() -> Result<()> {
    let sts = Responder::start()?;
    sts.inject(Fault::truncated().times(1));
    let reply = assume(&sts)?;
    ensure!(reply.status == 200 && reply.body.len() == reply.length / 2, "{}", reply.body);
    sts.inject(Fault::cut_xml().times(1));
    let reply = assume(&sts)?;
    ensure!(reply.status == 200 && reply.body.len() == reply.length);
    ensure!(reply.body.contains("<Credentials>") && !reply.body.contains("</Credentials>"));
    ensure!(sts.issued().len() == 2, "what was lost on its way was issued all the same");
    sts.inject(Fault::garbage().times(1));
    let reply = assume(&sts)?;
    ensure!(reply.status == 200 && !reply.body.contains("Credentials"));
    ensure!(assume(&sts)?.body.contains("</Credentials>"));
    Ok(())
}

#[test]
fn credentials_are_wrong_in_the_injected_way() -> Result<()> {
    let sts = Responder::start()?;
    let fields = [
        (Field::AccessKeyId, "AccessKeyId"),
        (Field::SecretAccessKey, "SecretAccessKey"),
        (Field::SessionToken, "SessionToken"),
        (Field::Expiration, "Expiration"),
    ];
    for (field, name) in fields {
        sts.inject(Fault::empty(field).times(1));
        let reply = assume(&sts)?;
        for (_, other) in fields {
            ensure!(reply.text(other).is_empty() == (other == name), "{name}: {}", reply.body);
        }
    }
    sts.inject(Fault::expired().times(1));
    ensure!(seconds_from_now(assume(&sts)?.expiration()?) < 0);
    sts.inject(Fault::lifetime(Duration::from_secs(30)).times(1));
    ensure!((25..=30).contains(&seconds_from_now(assume(&sts)?.expiration()?)));

    let skewed = sts.inject(Fault::clock_skew(-600));
    let reply = assume(&sts)?;
    ensure!((2990..=3000).contains(&seconds_from_now(reply.expiration()?)));
    let date = jiff::fmt::rfc2822::parse(reply.header("Date"))?.timestamp();
    ensure!((-605..=-600).contains(&seconds_from_now(date)), "{date}");
    sts.remove(skewed);
    ensure!((3595..=3600).contains(&seconds_from_now(assume(&sts)?.expiration()?)));
    Ok(())
}

#[test]
fn a_delay_delays_and_combines_with_an_error() -> Result<()> {
    let sts = Responder::start()?;
    sts.inject(Fault::delay(Duration::from_millis(300)).times(1));
    sts.inject(Fault::throttling().times(1));
    let begin = Instant::now();
    ensure!(assume(&sts)?.status == 400);
    ensure!(begin.elapsed() >= Duration::from_millis(300));
    Ok(())
}

#[test]
fn faults_apply_to_matching_requests_and_as_often_as_set() -> Result<()> {
    let sts = Responder::start()?;
    sts.inject(Fault::throttling().for_action("AssumeRole").for_role("role/busy").times(2));
    let busy = assume_form("arn:aws:iam::111122223333:role/busy", "");
    ensure!(assume(&sts)?.status == 200);
    ensure!(call(&sts, "Action=GetSessionToken")?.status == 200);
    let statuses = [call(&sts, &busy)?, call(&sts, &busy)?, call(&sts, &busy)?].map(|r| r.status);
    ensure!(statuses == [400, 400, 200]);

    // Of two errors, the first injected counts, and the other is not used up.
    sts.inject(Fault::throttling().times(1));
    sts.inject(Fault::access_denied().times(1));
    let statuses = [assume(&sts)?, assume(&sts)?, assume(&sts)?].map(|reply| reply.status);
    ensure!(statuses == [400, 403, 200]);

    sts.inject(Fault::internal_failure());
    ensure!([assume(&sts)?, assume(&sts)?].iter().all(|reply| reply.status == 500));
    sts.clear();
    ensure!(assume(&sts)?.status == 200);
    Ok(())
}

#[test]
fn a_hold_delays_matching_requests_until_it_is_released() -> Result<()> {
    let sts = Responder::start()?;
    let hold = sts.hold(Matching::any().role("team/reader"));
    let (done, replies) = mpsc::channel();
    std::thread::scope(|scope| -> Result<()> {
        for _ in 0..2 {
            let (done, sts) = (done.clone(), sts.clone());
            scope.spawn(move || done.send(assume(&sts).map(|reply| reply.status)));
        }
        hold.wait_arrived(2, SOON)?;
        ensure!(replies.try_recv().is_err() && sts.issued().is_empty());
        ensure!(call(&sts, "Action=GetCallerIdentity")?.status == 200, "others pass");
        hold.release();
        ensure!(replies.recv_timeout(SOON)?? == 200 && replies.recv_timeout(SOON)?? == 200);
        Ok(())
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(hold.arrived(2));
    ensure!(hold.arrivals() == 2);
    Ok(())
}

#[test]
fn one_connection_serves_many_requests() -> Result<()> {
    let sts = Responder::start()?;
    let mut stream = send(&sts, "Action=GetCallerIdentity")?;
    for _ in 0..3 {
        ensure!(receive(stream.try_clone()?)?.status == 200);
        let form = "Action=GetSessionToken";
        write!(stream, "POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{form}", form.len())?;
    }
    ensure!(receive(stream)?.status == 200);
    ensure!(sts.calls("GetSessionToken") == 3);
    ensure!(sts.requests()[1].signer.is_none());
    Ok(())
}

#[test]
fn the_server_stops_with_its_last_handle() -> Result<()> {
    let sts = Responder::start()?;
    let (other, url) = (sts.clone(), sts.url());
    drop(sts);
    ensure!(assume(&other)?.status == 200);
    drop(other);
    ensure!(TcpStream::connect(url.trim_start_matches("http://")).is_err());
    Ok(())
}
