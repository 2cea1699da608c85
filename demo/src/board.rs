//! The state that the demo shows, and its news. Pure: events are passed in with their time.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use tempcred_core::api::{CredentialStatus, RestartState, TemporaryCredential};
use tempcred_core::problem::Reason;

use crate::consumers::{Caller, Deployed};

/// All that there is to show.
#[derive(Default)]
pub struct Board {
    /// A row for each resource, in the order of their appearance.
    pub rows: Vec<Row>,
    /// The program with an AWS SDK, once it runs.
    pub caller: Option<Caller>,
    /// The Deployment that is restarted.
    pub deployed: Option<Deployed>,
    /// What has happened, oldest first.
    pub news: Vec<News>,
}

/// A resource.
#[derive(Clone)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// The name of its Secret.
    pub secret: String,
    /// The roles that are assumed for it.
    pub roles: Vec<String>,
    /// Its status.
    pub status: CredentialStatus,
    /// How often its credentials were replaced.
    pub rotations: usize,
    /// Whether its Secret exists.
    pub presence: Presence,
    /// Whether the Secret was lost, and the status does not have the new one yet.
    pub lost: bool,
}

/// Whether a Secret exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It has not been seen yet.
    NotYet,
    /// It exists, and this is how long it was missing before, if it was.
    There(Option<SignedDuration>),
    /// It existed.
    Gone(Timestamp),
}

/// The kind of a piece of news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// A chapter of the story begins.
    Chapter,
    /// What the demo itself does.
    Deed,
    /// As it should be.
    Good,
    /// As it should not be.
    Bad,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct News {
    /// When.
    pub at: Timestamp,
    /// Its kind.
    pub tone: Tone,
    /// What.
    pub text: String,
}

impl Row {
    /// Whether it is ready, and the reason.
    pub fn readiness(&self) -> (bool, &str) {
        let ready = self.status.readiness();
        let reason = ready.map_or(Some(Reason::Pending), |ready| ready.reason);
        (ready.is_some_and(|ready| ready.ready), reason.map_or("Unknown", Reason::as_str))
    }

    /// The access key ID.
    pub fn key(&self) -> &str {
        self.status.access_key_id.as_deref().unwrap_or("")
    }
}

impl Board {
    /// The row of a resource.
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// Whether a resource is ready.
    pub fn is_ready(&self, name: &str) -> bool {
        self.row(name).is_some_and(|row| row.readiness().0)
    }

    /// Adds a piece of news.
    pub fn note(&mut self, tone: Tone, text: impl Into<String>, at: Timestamp) {
        let text = text.into();
        self.news.push(News { at, tone, text });
    }

    /// Something is wrong with the demo itself.
    pub fn trouble(&mut self, text: &str, at: Timestamp) {
        self.note(Tone::Bad, text, at);
    }

    /// A resource was seen.
    pub fn saw(&mut self, resource: &TemporaryCredential, gone: bool, now: Timestamp) {
        let name = resource.name_any();
        if gone {
            self.rows.retain(|row| row.name != name);
            return;
        }
        let status = resource.status.clone().unwrap_or_default();
        let Some(row) = self.rows.iter_mut().find(|row| row.name == name) else {
            let news = tell(&name, &CredentialStatus::default(), &status, Change::First);
            self.rows.push(Row {
                secret: resource.spec.secret.name.clone().unwrap_or(name.clone()),
                roles: roles(resource),
                status,
                rotations: 0,
                presence: Presence::NotYet,
                lost: false,
                name,
            });
            return self.hear(news, now);
        };
        let before = std::mem::replace(&mut row.status, status);
        let lost = row.lost && row.status.secret != before.secret;
        row.lost &= !lost;
        let change = match before.access_key_id {
            None => Change::First,
            Some(_) if lost => Change::Repair,
            Some(_) => Change::Rotation(row.rotations + 1),
        };
        let news = tell(&name, &before, &row.status, change);
        if matches!(change, Change::Rotation(_)) && is_other_key(&before, &row.status) {
            row.rotations += 1;
        }
        self.hear(news, now);
    }

    /// A Secret was seen.
    pub fn saw_secret(&mut self, name: &str, gone: bool, now: Timestamp) {
        let Some(row) = self.rows.iter_mut().find(|row| row.secret == name) else {
            return;
        };
        let news = match (row.presence, gone) {
            (_, true) => {
                row.presence = Presence::Gone(now);
                row.lost = true;
                Some((Tone::Bad, format!("{name}: the Secret is gone")))
            }
            (Presence::Gone(since), false) => {
                let away = now.duration_since(since);
                row.presence = Presence::There(Some(away));
                let seconds = away.as_secs_f64();
                Some((Tone::Good, format!("{name}: the Secret is restored after {seconds:.2} s")))
            }
            (Presence::NotYet, false) => {
                row.presence = Presence::There(None);
                None
            }
            (Presence::There(_), false) => None,
        };
        self.hear(news, now);
    }

    /// STS has received a call of the program that this key signed.
    pub fn saw_call(&mut self, key: &str, at: Timestamp) {
        let news = self.caller.as_mut().and_then(|caller| caller.called(key));
        self.hear(news.map(|text| (Tone::Good, text)), at);
    }

    /// A Deployment was seen, which the resource `credential` restarts.
    pub fn saw_deployment(&mut self, deployment: &Deployment, credential: &str, now: Timestamp) {
        match Deployed::of(deployment, credential) {
            Ok(deployed) => {
                let news = deployed.news(self.deployed.as_ref());
                self.deployed = Some(deployed);
                self.hear(news.into_iter().map(|text| (Tone::Good, text)), now);
            }
            Err(error) => self.trouble(&format!("an unreadable Deployment: {error:#}"), now),
        }
    }

    fn hear(&mut self, news: impl IntoIterator<Item = (Tone, String)>, now: Timestamp) {
        for (tone, text) in news {
            self.note(tone, text, now);
        }
    }
}

/// The roles that are assumed for a resource.
fn roles(resource: &TemporaryCredential) -> Vec<String> {
    let request = resource.spec.request.assume_role.iter();
    request
        .flat_map(|r| {
            let hops = r.via.iter().map(|hop| hop.role_arn.clone());
            hops.chain([r.role_arn.clone()])
        })
        .collect()
}

/// Why there is another key.
#[derive(Clone, Copy)]
enum Change {
    /// There was none.
    First,
    /// The Secret was lost.
    Repair,
    /// It was time; for so many times now.
    Rotation(usize),
}

fn is_other_key(before: &CredentialStatus, after: &CredentialStatus) -> bool {
    after.access_key_id.is_some() && before.access_key_id != after.access_key_id
}

/// What is new from one status to the next.
fn tell(
    name: &str,
    before: &CredentialStatus,
    after: &CredentialStatus,
    change: Change,
) -> Vec<(Tone, String)> {
    let mut news = vec![];
    if is_other_key(before, after) {
        let key = |status: &CredentialStatus| status.access_key_id.clone().unwrap_or_default();
        let (old, new) = (key(before), key(after));
        let until = after.expiration.as_ref().map(|at| clock(at.0));
        let until = until.unwrap_or_default();
        let text = match change {
            Change::First => format!("issued {new}, valid until {until}"),
            Change::Repair => format!("issued again, {old} → {new}"),
            Change::Rotation(count) => format!("rotated, {old} → {new} (rotation {count})"),
        };
        news.push((Tone::Good, format!("{name}: {text}")));
    }
    if let Some(failure) = &after.failure
        && before.failure.as_ref().map(|f| f.count) != Some(failure.count)
    {
        let next = clock(failure.next_attempt.0);
        let class = format!("{:?}", failure.class).to_lowercase();
        let text = match &before.failure {
            Some(same) if same.message == failure.message => format!("{class} again, as before"),
            _ => format!("{class}: {}", failure.message),
        };
        news.push((Tone::Bad, format!("{name}: {text} [next attempt {next}]")));
    }
    news.extend(tell_restarts(name, before, after));
    news
}

/// What is new of the restarts. The first issue restarts nothing.
fn tell_restarts(
    name: &str,
    before: &CredentialStatus,
    after: &CredentialStatus,
) -> Vec<(Tone, String)> {
    let changed = after.restarts.iter().filter(|now| {
        let known = before.restarts.iter().find(|old| old.kind == now.kind && old.name == now.name);
        known.is_some_and(|old| old.state != now.state)
    });
    let news = changed.map(|now| {
        let workload = format!("{} {}", now.kind.as_str(), now.name);
        let message = now.message.as_deref().map_or_else(String::new, |text| format!(": {text}"));
        let tone = match now.state {
            RestartState::Pending | RestartState::Progressing | RestartState::Complete => {
                Tone::Good
            }
            RestartState::Stuck | RestartState::Missing | RestartState::Failed => Tone::Bad,
        };
        (tone, format!("{name}: the restart of {workload} is {:?}{message}", now.state))
    });
    news.collect()
}

/// The time of day, UTC.
pub fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn credential(key: &str, version: &str) -> TemporaryCredential {
        let role = "arn:aws:iam::123456789012:role/a";
        let object = json!({
            "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
            "metadata": {"name": "a"},
            "spec": {"assumeRole": {"roleArn": role}},
            "status": {"accessKeyId": key, "secret": {"name": "a", "resourceVersion": version}},
        });
        serde_json::from_value(object).expect("a credential")
    }

    #[test]
    fn a_lost_secret_is_repaired_and_a_due_one_rotated() {
        let mut board = Board::default();
        let at = |second| Timestamp::from_second(second).expect("a time");
        board.saw(&credential("A", "1"), false, at(0));
        board.saw_secret("a", false, at(0));
        board.saw_secret("a", true, at(10));
        board.saw_secret("a", false, at(12));
        board.saw(&credential("B", "2"), false, at(12));
        board.saw(&credential("C", "3"), false, at(20));
        let texts: Vec<_> = board.news.iter().map(|news| news.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "a: issued A, valid until ",
                "a: the Secret is gone",
                "a: the Secret is restored after 2.00 s",
                "a: issued again, A → B",
                "a: rotated, B → C (rotation 1)",
            ]
        );
        assert_eq!(board.rows[0].rotations, 1);
    }

    #[test]
    fn a_restart_is_news_when_its_state_changes() {
        let mut board = Board::default();
        let at = Timestamp::from_second(0).expect("a time");
        let mut seen = credential("A", "1");
        for (state, message) in [
            ("Complete", None),
            ("Pending", Some("waits")),
            ("Progressing", None),
            ("Progressing", None),
            ("Stuck", Some("no Pod is ready")),
        ] {
            let restart = json!([{
                "kind": "Deployment", "name": "web", "state": state, "message": message,
                "since": "2026-01-01T00:00:00Z",
            }]);
            let status = seen.status.as_mut().expect("a status");
            status.restarts = serde_json::from_value(restart).expect("restarts");
            board.saw(&seen, false, at);
        }
        let news: Vec<_> = board.news.iter().map(|n| (n.tone, n.text.as_str())).collect();
        assert_eq!(
            news[1..],
            [
                (Tone::Good, "a: the restart of Deployment web is Pending: waits"),
                (Tone::Good, "a: the restart of Deployment web is Progressing"),
                (Tone::Bad, "a: the restart of Deployment web is Stuck: no Pod is ready"),
            ]
        );
    }
}
