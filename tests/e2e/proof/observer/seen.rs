//! What the observer has seen, and which invariants it violates.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// How long after the expiration a Secret may still hold credentials, or a status may say that it does: the time that the
/// operator needs to act, and to start again if it was killed.
const SLACK: SignedDuration = SignedDuration::from_secs(15);

/// Secret key, token and expiration, by access key ID.
type Issued = BTreeMap<String, (String, String, Timestamp)>;

/// What was seen so far.
#[derive(Default)]
pub struct Seen {
    /// What STS issued.
    issued: Issued,
    /// The Secrets of the operator, as they are now.
    secrets: BTreeMap<String, Content>,
    /// The UIDs of Secrets that were not the operator's, and that it must not adopt.
    foreign: BTreeSet<String>,
    /// The statuses that say Ready, by resource.
    ready: BTreeMap<String, Claim>,
    /// Since when a Secret does not hold the key that a status claims.
    unheld: BTreeMap<Claim, Timestamp>,
    /// The statuses as text, by resource.
    statuses: BTreeMap<String, String>,
    /// All access keys that were ever in a Secret.
    written: BTreeSet<String>,
    /// The keys that statuses claimed to be in a Secret.
    claimed: BTreeSet<String>,
    /// How long a status may say Ready after its Secret was deleted or changed.
    unnoticed: SignedDuration,
    pub violations: BTreeSet<String>,
    /// How often the clock has ticked.
    pub ticks: u64,
}

/// What a status says that its Secret holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    secret: String,
    key: String,
    expiration: Timestamp,
}

/// The content of a Secret.
struct Content {
    key: String,
    expiration: Timestamp,
}

impl Seen {
    /// Nothing yet. A status may say Ready for `unnoticed` after its Secret was deleted or changed.
    pub fn new(unnoticed: SignedDuration) -> Self {
        Self { unnoticed, ..Self::default() }
    }

    fn violated(&mut self, invariant: &str, what: String) {
        self.violations.insert(format!("{invariant}: {what}"));
    }

    /// A Secret was written or deleted.
    pub fn secret(&mut self, name: &str, secret: Option<&Value>) {
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
        let Some(formats) = formats(text) else {
            return self.violated("all or nothing", format!("Secret {name} lacks a value"));
        };
        let key = formats[0][0].clone();
        let shown = text("AWS_CREDENTIAL_EXPIRATION");
        let expiration = shown.as_deref().or(expiration.as_str());
        let Some(expiration) = expiration.and_then(|time| time.parse().ok()) else {
            return self.violated("all or nothing", format!("Secret {name} lacks its expiration"));
        };
        let together = [key.clone(), rig::sts::secret_for(&key), rig::sts::token_for(&key)];
        if by_operator && formats.iter().any(|values| *values != together) {
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
    pub fn resource(&mut self, name: &str, resource: Option<&Value>) {
        self.ready.remove(name);
        self.statuses.remove(name);
        let Some(resource) = resource else { return };
        let status = &resource["status"];
        let text = status.to_string();
        if let Some(key) = leaked(&text, &self.issued).cloned() {
            self.leaks(name, &key);
        }
        self.statuses.insert(name.to_owned(), text);
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
        let secret = status["secret"]["name"].as_str().unwrap_or_default().to_owned();
        self.ready.insert(name.to_owned(), Claim { secret, key, expiration });
    }

    fn leaks(&mut self, name: &str, key: &str) {
        let what = format!("the status of {name} contains a value of {key}");
        self.violated("values stay secret", what);
    }

    /// Time passes.
    pub fn tick(&mut self, issued: &[rig::sts::IssuedRecord], now: Timestamp) {
        self.ticks += 1;
        let mut new = Issued::new();
        for one in issued.iter().filter(|one| !self.issued.contains_key(&one.access_key_id)) {
            new.entry(one.access_key_id.clone())
                .or_insert_with(|| (one.secret.clone(), one.token.clone(), one.expiration));
        }
        let leak = |(name, text): (&String, &String)| Some((name.clone(), leaked(text, &new)?));
        let leaks: Vec<_> = self.statuses.iter().filter_map(leak).collect();
        leaks.into_iter().for_each(|(name, key)| self.leaks(&name, key));
        self.issued.extend(new);
        // What STS said counts too: the operator may show a later time.
        let late = |key: &str, shown: Timestamp| {
            let said = self.issued.get(key).map_or(shown, |(_, _, at)| *at);
            shown.min(said) + SLACK < now
        };
        let expired =
            self.secrets.iter().filter(|(_, content)| late(&content.key, content.expiration));
        let expired: Vec<_> =
            expired.map(|(name, content)| (name.clone(), content.key.clone())).collect();
        let wrong = self.ready.iter().filter(|(_, claim)| late(&claim.key, claim.expiration));
        let wrong: Vec<_> = wrong.map(|(name, _)| name.clone()).collect();
        for (name, key) in expired {
            self.violated("never late", format!("Secret {name} holds {key}, which has expired"));
        }
        for name in wrong {
            self.violated("ready is true", format!("{name} is Ready with expired credentials"));
        }
        self.find_unheld(now);
    }

    /// Finds statuses that have been Ready for long, and whose Secret holds something else.
    fn find_unheld(&mut self, now: Timestamp) {
        let holds = |claim: &&Claim| {
            self.secrets.get(&claim.secret).is_some_and(|content| content.key == claim.key)
        };
        let unheld = self.ready.values().filter(|claim| !holds(claim));
        let since = |claim: &Claim| self.unheld.get(claim).copied().unwrap_or(now);
        self.unheld = unheld.map(|claim| (claim.clone(), since(claim))).collect();
        let long = self.unheld.iter().filter(|(_, since)| **since + self.unnoticed < now);
        let texts = long.map(|(Claim { secret, key, .. }, since)| {
            format!("Secret {secret} has not held {key} since {since}, but a status says so")
        });
        for text in texts.collect::<Vec<_>>() {
            self.violated("ready is true", text);
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
    pub fn is_behind(&self) -> bool {
        !self.unwritten().is_empty() || !self.unissued().is_empty()
    }

    /// What only the end shows: watches are not ordered among each other.
    pub fn end(&mut self) {
        for key in self.unwritten() {
            self.violated("ready is true", format!("a status named {key}, which no Secret held"));
        }
        for key in self.unissued() {
            self.violated("all or nothing", format!("STS did not issue {key}"));
        }
    }
}

/// The first key of which a status contains a value.
fn leaked<'a>(status: &str, issued: &'a Issued) -> Option<&'a String> {
    let contains = |value: &String| !value.is_empty() && status.contains(value.as_str());
    let found = issued.iter().find(|(_, (secret, token, _))| contains(secret) || contains(token));
    found.map(|(key, _)| key)
}

/// Access key, secret key and session token, from each format that the Secret has. None if it has none, or one lacks a value.
fn formats(text: impl Fn(&str) -> Option<String>) -> Option<Vec<[String; 3]>> {
    let names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
    let mut formats = vec![];
    if names.iter().any(|name| text(name).is_some()) {
        formats.push(names.map(&text));
    }
    if let Some(json) = text("credentials.json") {
        let json: Value = serde_json::from_str(&json).ok()?;
        let fields = ["AccessKeyId", "SecretAccessKey", "SessionToken"];
        formats.push(fields.map(|field| json[field].as_str().map(str::to_owned)));
    }
    if let Some(file) = text("credentials") {
        formats.push(names.map(|name| {
            let name = name.to_ascii_lowercase();
            let mut lines = file.lines().filter_map(|line| line.split_once(" = "));
            lines.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
        }));
    }
    let complete = |values: [Option<String>; 3]| -> Option<[String; 3]> {
        let [key, value, token] = values.map(|value| value.filter(|value| !value.is_empty()));
        Some([key?, value?, token?])
    };
    let formats: Vec<_> = formats.into_iter().map(complete).collect::<Option<_>>()?;
    (!formats.is_empty()).then_some(formats)
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
    seen.ready.insert("reports".to_owned(), Claim { secret: name, key, expiration: shown });
    seen.tick(&[], said + SLACK);
    assert!(seen.violations.is_empty(), "{:?}", seen.violations);
    seen.tick(&[], shown);
    assert_eq!(seen.violations.len(), 2, "{:?}", seen.violations);
}

#[test]
fn a_status_that_stays_ready_without_its_secret_is_reported() {
    let now = Timestamp::now();
    let expiration = now + SignedDuration::from_hours(1);
    let (secret, key) = ("reports".to_owned(), "ASIAEXAMPLE".to_owned());
    let held = Content { key: key.clone(), expiration };
    let unnoticed = SignedDuration::from_secs(45);
    let mut seen = Seen::new(unnoticed);
    seen.ready.insert("reports".to_owned(), Claim { secret: secret.clone(), key, expiration });
    let late = unnoticed + SignedDuration::from_secs(1);
    seen.tick(&[], now);
    seen.secrets.insert(secret.clone(), held);
    seen.tick(&[], now + late);
    seen.secrets.remove(&secret);
    seen.tick(&[], now + late * 2);
    assert!(seen.violations.is_empty(), "{:?}", seen.violations);
    seen.tick(&[], now + late * 3);
    assert_eq!(seen.violations.len(), 1, "{:?}", seen.violations);
}

#[test]
fn formats_with_different_credentials_are_told_apart() {
    let file = "aws_access_key_id = B\naws_secret_access_key = s\naws_session_token = t\n";
    let data = |names: &[(&str, &str)]| {
        let names: BTreeMap<_, _> =
            names.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        formats(move |name| names.get(name).cloned())
    };
    let variables =
        [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_SESSION_TOKEN", "t")];
    let own = |key: &str| [key, "s", "t"].map(str::to_owned);
    assert_eq!(data(&[]), None);
    assert_eq!(data(&variables), Some(vec![own("A")]));
    assert_eq!(data(&variables[..2]), None);
    let both = [&variables[..], &[("credentials", file)]].concat();
    assert_eq!(data(&both), Some(vec![own("A"), own("B")]));
    assert_eq!(data(&[&variables[..], &[("credentials.json", "{}")]].concat()), None);
}

#[test]
fn a_value_in_a_status_is_found_even_if_it_becomes_known_later() {
    let record = rig::sts::IssuedRecord {
        access_key_id: "ASIAEXAMPLE".to_owned(),
        secret: "hush".to_owned(),
        token: String::new(),
        role_arn: None,
        action: String::new(),
        form: BTreeMap::new(),
        at: Timestamp::now(),
        expiration: Timestamp::now(),
    };
    let mut seen = Seen::default();
    let leak = serde_json::json!({"status": {"principalArn": "hush"}});
    seen.resource("reports", Some(&leak));
    assert!(seen.violations.is_empty(), "{:?}", seen.violations);
    seen.tick(&[record], Timestamp::now());
    assert_eq!(seen.violations.len(), 1, "{:?}", seen.violations);
}
