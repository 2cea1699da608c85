//! Watches Secrets, resources and STS from outside, and reports each invariant of the contract that is violated.
//!
//! It shares no code with the operator: objects are JSON to it, and it knows credentials from the records of STS.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use rig::sts::Responder;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::check::POLL;
use crate::world::World;

/// How far one watch may be behind another one.
const BEHIND: Duration = Duration::from_secs(20);

/// How long after the expiration a Secret may still hold credentials, or a status may say that it does: the time that the
/// operator needs to act, and to start again if it was killed.
const SLACK: SignedDuration = SignedDuration::from_secs(15);

/// Watches the Secrets and resources of a namespace, until it is dropped.
pub struct Observer {
    seen: Arc<Mutex<Seen>>,
    watches: [JoinHandle<()>; 3],
}

/// What was seen so far.
#[derive(Default)]
struct Seen {
    /// What STS issued: secret key, token and expiration, by access key ID.
    issued: BTreeMap<String, (String, String, Timestamp)>,
    /// The Secrets of the operator, as they are now.
    secrets: BTreeMap<String, Content>,
    /// The UIDs of Secrets that were not the operator's, and that it must not adopt.
    foreign: BTreeSet<String>,
    /// The statuses that say Ready: the access key and its expiration.
    ready: BTreeMap<String, (String, Timestamp)>,
    /// All access keys that were ever in a Secret.
    written: BTreeSet<String>,
    /// The keys that statuses claimed to be in a Secret.
    claimed: BTreeSet<String>,
    violations: BTreeSet<String>,
}

/// The content of a Secret.
struct Content {
    key: String,
    expiration: Timestamp,
}

impl Observer {
    /// Starts to watch the namespace of a world.
    pub fn start(world: &World) -> Self {
        Self::of(&world.client, &world.namespace, &world.sts)
    }

    /// Starts to watch a namespace.
    pub fn of(client: &Client, namespace: &str, sts: &Responder) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let kind = |group: &str, version: &str, kind: &str| {
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
            (client.clone(), namespace.to_owned(), resource)
        };
        let secrets = watch(kind("", "v1", "Secret"), Arc::clone(&seen), Seen::secret);
        let resource = kind("tempcred.dev", "v1alpha1", "TemporaryCredential");
        let resources = watch(resource, Arc::clone(&seen), Seen::resource);
        let (theirs, sts) = (Arc::clone(&seen), sts.clone());
        let clock = tokio::spawn(async move {
            loop {
                theirs.lock().unwrap().tick(&sts.issued(), Timestamp::now());
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        });
        Self { seen, watches: [secrets, resources, clock] }
    }

    /// The violations so far.
    pub fn violations(&self) -> Vec<String> {
        self.seen.lock().unwrap().violations.iter().cloned().collect()
    }

    /// Judges what only the end of a run shows.
    pub fn end(&self) {
        self.seen.lock().unwrap().end();
    }

    /// Waits while one watch seems to be behind another one. What it has not shown until the deadline never was.
    async fn catch_up(&self) {
        let begin = Instant::now();
        while self.seen.lock().unwrap().is_behind() && begin.elapsed() < BEHIND {
            tokio::time::sleep(POLL).await;
        }
    }

    /// Fails if an invariant was violated, or a watch has ended.
    pub async fn check(&self) {
        // What was written last must have been seen: one more turn of the clock.
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.catch_up().await;
        assert!(self.watches.iter().all(|one| !one.is_finished()), "a watch of the observer ended");
        self.end();
        let violations = self.violations();
        assert!(violations.is_empty(), "violated: {violations:#?}");
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.watches.iter().for_each(JoinHandle::abort);
    }
}

/// Passes every change to `take`: the object, or only its name once it is gone.
fn watch(
    (client, namespace, resource): (Client, String, ApiResource),
    seen: Arc<Mutex<Seen>>,
    take: fn(&mut Seen, &str, Option<&Value>),
) -> JoinHandle<()> {
    let api: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &resource);
    tokio::spawn(async move {
        let mut events = std::pin::pin!(watcher(api, watcher::Config::default()));
        loop {
            // The watcher begins again after an error.
            let Ok(Some(event)) = events.try_next().await else { continue };
            let (object, gone) = match event {
                Event::Init | Event::InitDone => continue,
                Event::Apply(object) | Event::InitApply(object) => (object, false),
                Event::Delete(object) => (object, true),
            };
            let value = serde_json::to_value(&object).unwrap();
            let name = object.metadata.name.unwrap_or_default();
            take(&mut seen.lock().unwrap(), &name, (!gone).then_some(&value));
        }
    })
}

impl Seen {
    fn violated(&mut self, invariant: &str, what: String) {
        self.violations.insert(format!("{invariant}: {what}"));
    }

    /// A Secret was written or deleted.
    fn secret(&mut self, name: &str, secret: Option<&Value>) {
        let Some(secret) = secret else {
            self.secrets.remove(name);
            return;
        };
        let by_operator = last_writer(secret).is_some_and(|manager| manager == "tempcred");
        let owned = secret["metadata"]["annotations"]["tempcred.dev/fingerprint"].is_string();
        let uid = secret["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        if !owned {
            self.secrets.remove(name);
            if secret["metadata"]["annotations"]["tempcred.dev/adopt-by"].is_null() {
                self.foreign.insert(uid);
            } else {
                self.foreign.remove(&uid);
            }
            if by_operator {
                self.violated("foreign Secrets", format!("Secret {name} was touched"));
            }
            return;
        }
        if self.foreign.contains(&uid) {
            self.violated("foreign Secrets", format!("Secret {name} was taken over"));
        }
        let text = |key: &str| {
            let bytes = BASE64_STANDARD.decode(secret["data"][key].as_str()?).ok()?;
            String::from_utf8(bytes).ok()
        };
        if text("token").is_some_and(|token| !token.is_empty()) {
            // A web identity token is a single value.
            self.secrets.remove(name);
            return;
        }
        let expiration = &secret["metadata"]["annotations"]["tempcred.dev/expiration"];
        let Some([key, value, token]) = values(text) else {
            return self.violated("all or nothing", format!("Secret {name} lacks a value"));
        };
        let shown = text("AWS_CREDENTIAL_EXPIRATION");
        let expiration = shown.as_deref().or(expiration.as_str());
        let Some(expiration) = expiration.and_then(|time| time.parse().ok()) else {
            return self.violated("all or nothing", format!("Secret {name} lacks its expiration"));
        };
        if by_operator
            && (value != rig::sts::secret_for(&key) || token != rig::sts::token_for(&key))
        {
            self.violated("all or nothing", format!("Secret {name} mixes credentials"));
        }
        if by_operator && expiration <= Timestamp::now() {
            self.violated(
                "never late",
                format!("{key} was written to {name} after its expiration"),
            );
        }
        self.written.insert(key.clone());
        let before = self.secrets.insert(name.to_owned(), Content { key: key.clone(), expiration });
        if let Some(before) = before
            && before.key != key
            && before.expiration <= Timestamp::now()
        {
            let old = before.key;
            self.violated(
                "never late",
                format!("{old} in {name} was replaced after its expiration"),
            );
        }
    }

    /// The status of a resource was written, or the resource deleted.
    fn resource(&mut self, name: &str, resource: Option<&Value>) {
        self.ready.remove(name);
        let Some(resource) = resource else { return };
        let status = &resource["status"];
        let text = status.to_string();
        let leaked = self.issued.iter().find(|(_, (secret, token, _))| {
            [secret, token].iter().any(|value| !value.is_empty() && text.contains(value.as_str()))
        });
        if let Some((key, _)) = leaked {
            let what = format!("the status of {name} contains a value of {key}");
            self.violated("values stay secret", what);
        }
        let ready = status["conditions"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
        let time = |field: &Value| field.as_str().and_then(|time| time.parse().ok());
        let Some(expiration) = time(&status["expiration"]).filter(|_| ready) else { return };
        // A web identity token has no key.
        let Some(key) = status["accessKeyId"].as_str().map(str::to_owned) else { return };
        self.claimed.insert(key.clone());
        self.ready.insert(name.to_owned(), (key, expiration));
    }

    /// Time passes.
    fn tick(&mut self, issued: &[rig::sts::IssuedRecord], now: Timestamp) {
        for one in issued {
            self.issued
                .entry(one.access_key_id.clone())
                .or_insert_with(|| (one.secret.clone(), one.token.clone(), one.expiration));
        }
        // What STS said counts too: the operator may show a later time.
        let late = |key: &str, shown: Timestamp| {
            let said = self.issued.get(key).map_or(shown, |(_, _, at)| *at);
            shown.min(said) + SLACK < now
        };
        let expired =
            self.secrets.iter().filter(|(_, content)| late(&content.key, content.expiration));
        let expired: Vec<_> =
            expired.map(|(name, content)| (name.clone(), content.key.clone())).collect();
        let wrong = self.ready.iter().filter(|(_, (key, expiration))| late(key, *expiration));
        let wrong: Vec<_> = wrong.map(|(name, _)| name.clone()).collect();
        for (name, key) in expired {
            self.violated("never late", format!("Secret {name} holds {key}, which has expired"));
        }
        for name in wrong {
            self.violated("ready is true", format!("{name} is Ready with expired credentials"));
        }
    }

    /// The keys that a status claimed to be in a Secret, and that no Secret was seen with.
    fn unwritten(&self) -> Vec<String> {
        self.claimed.difference(&self.written).cloned().collect()
    }

    /// The keys that a Secret was seen with, and that STS was not seen to issue.
    fn unissued(&self) -> Vec<String> {
        self.written.iter().filter(|key| !self.issued.contains_key(*key)).cloned().collect()
    }

    /// Whether something was seen before what must have been there before it.
    fn is_behind(&self) -> bool {
        !self.unwritten().is_empty() || !self.unissued().is_empty()
    }

    /// What only the end shows: watches are not ordered among each other.
    fn end(&mut self) {
        for key in self.unwritten() {
            self.violated("ready is true", format!("a status named {key}, which no Secret held"));
        }
        for key in self.unissued() {
            self.violated("all or nothing", format!("STS did not issue {key}"));
        }
    }
}

/// Access key, secret key and session token, from the first format that the Secret has.
fn values(text: impl Fn(&str) -> Option<String>) -> Option<[String; 3]> {
    let names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
    let values = if names.iter().any(|name| text(name).is_some()) {
        names.map(&text)
    } else if let Some(json) = text("credentials.json") {
        let json: Value = serde_json::from_str(&json).ok()?;
        ["AccessKeyId", "SecretAccessKey", "SessionToken"]
            .map(|field| json[field].as_str().map(str::to_owned))
    } else {
        let file = text("credentials")?;
        names.map(|name| {
            let name = name.to_ascii_lowercase();
            let mut lines = file.lines().filter_map(|line| line.split_once(" = "));
            lines.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
        })
    };
    let [key, value, token] = values.map(|value| value.filter(|value| !value.is_empty()));
    Some([key?, value?, token?])
}

/// The manager of the last write.
fn last_writer(object: &Value) -> Option<&str> {
    let managers = object["metadata"]["managedFields"].as_array()?;
    managers.iter().max_by_key(|one| one["time"].as_str().map(str::to_owned))?["manager"].as_str()
}

#[test]
fn credentials_that_are_shown_to_last_longer_than_sts_said_are_reported() {
    let (key, name) = ("ASIAEXAMPLE".to_owned(), "reports".to_owned());
    let said = Timestamp::now();
    let shown = said + SignedDuration::from_hours(1);
    let mut seen = Seen::default();
    seen.issued.insert(key.clone(), (String::new(), String::new(), said));
    seen.secrets.insert(name.clone(), Content { key: key.clone(), expiration: shown });
    seen.ready.insert(name, (key, shown));
    seen.tick(&[], said + SLACK);
    assert!(seen.violations.is_empty(), "{:?}", seen.violations);
    seen.tick(&[], shown);
    assert_eq!(seen.violations.len(), 2, "{:?}", seen.violations);
}
