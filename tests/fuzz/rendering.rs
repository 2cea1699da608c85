//! Rendering: with any credentials and any spec, every file holds exactly the values, and can be read back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use proptest::collection::btree_map;
use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::{Value, json};
use tempcred_core::credentials::{AccessKey, Credentials, Reply, Values};
use tempcred_core::desired::Desired;
use tempcred_core::secret::{IssueRecord, Manifest, read_credentials};

use crate::input::{changed, changes, junk};
use crate::{budget, granted};

/// The parts of a credential and of its resource.
#[derive(Clone, Debug)]
pub struct Parts {
    pub id: String,
    pub secret: String,
    pub token: String,
    /// A web identity token rather than an access key.
    pub is_token: bool,
    pub issued: i64,
    pub expires: i64,
    pub principal: Option<String>,
    pub renew_request: Option<String>,
    pub formats: Vec<&'static str>,
    pub profile: String,
    pub region: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

fn value(valid: &'static str) -> impl Strategy<Value = String> {
    (valid, changes(), 0u8..6).prop_map(
        |(text, changes, odd)| {
            if odd == 0 { changed(&text, &changes) } else { text }
        },
    )
}

pub fn parts() -> impl Strategy<Value = Parts> {
    let values = (
        value("ASIA[A-Z2-7]{16}"),
        value("[A-Za-z0-9/+=!-.:-~]{1,60}"),
        value("[A-Za-z0-9/+=]{1,900}"),
        prop::bool::weighted(0.1),
    );
    let times = (0i64..4_000_000_000, 900i64..129_600);
    let metadata = (
        prop::option::of(value("arn:aws:sts::[0-9]{12}:assumed-role/[a-z]{1,9}/[a-z]{2,9}")),
        prop::option::of(value("[ -~]{0,30}")),
    );
    let names =
        btree_map("([a-z]{1,8}/)?[a-z]{1,9}", prop_oneof![3 => "[a-z]{0,9}", 1 => junk()], 0..4);
    let own = prop::sample::select(vec![
        "tempcred.dev/expiration",
        "tempcred.dev/request-hash",
        "tempcred.dev/credential-uid",
        "app.kubernetes.io/managed-by",
        "tempcred.dev/credential-name",
    ]);
    let own = btree_map(own.prop_map(str::to_owned), junk(), 0..3);
    let shape = (
        subsequence(vec!["env", "credentialsFile", "credentialProcess"], 1..=3).prop_shuffle(),
        value("[A-Za-z0-9_.@/+-]{1,64}"),
        prop::option::of(value("[a-z]{2}-[a-z]{4,9}-[0-9]")),
        (names.clone(), names, own),
    );
    (values, times, metadata, shape).prop_map(
        |((id, secret, token, is_token), (issued, life), (principal, renew_request), shape)| {
            let (formats, profile, region, (mut labels, mut annotations, own)) = shape;
            labels.extend(own.clone());
            annotations.extend(own);
            let expires = issued + life;
            Parts {
                id,
                secret,
                token,
                is_token,
                issued,
                expires,
                principal,
                renew_request,
                formats,
                profile,
                region,
                labels,
                annotations,
            }
        },
    )
}

impl Parts {
    /// The resource, compiled.
    pub fn desired(&self) -> Desired {
        let mut spec = json!({
            "assumeRole": {"roleArn": "arn:aws:iam::123456789012:role/reports"},
            "secret": {
                "formats": self.formats, "profile": self.profile, "labels": self.labels,
                "annotations": self.annotations,
            },
        });
        if let Some(region) = &self.region {
            spec["region"] = json!(region);
        }
        let request = self.renew_request.as_ref();
        let request = request.map(|r| json!({"tempcred.dev/renew-requested-at": r}));
        let metadata = json!({"uid": "uid-1", "generation": 1, "annotations": request});
        granted::desired(metadata, spec)
    }

    /// The credentials, if they pass the check.
    pub fn credentials(&self) -> Option<Credentials> {
        let at = |second| Timestamp::from_second(second).unwrap();
        let values = if self.is_token {
            Values::Token(self.token.clone().into())
        } else {
            Values::AccessKey(AccessKey {
                access_key_id: self.id.clone(),
                secret_access_key: self.secret.clone().into(),
                session_token: self.token.clone().into(),
            })
        };
        let reply = Reply {
            values,
            expiration: at(self.expires),
            principal_arn: self.principal.clone(),
            packed_policy_size: None,
        };
        Credentials::check(reply, at(self.issued), at(self.issued)).ok()
    }

    /// The record of their issue.
    pub fn record(&self, desired: &Desired, credentials: &Credentials) -> IssueRecord {
        let renew_request = desired.renew_request.as_deref();
        IssueRecord::new(desired, &desired.request_hash, credentials, renew_request)
    }
}

/// The manifest, as the API server would keep it.
pub fn stored(manifest: &Manifest) -> Secret {
    serde_json::from_value(serde_json::to_value(manifest).unwrap()).unwrap()
}

/// Sections of an INI file, by an independent parser: name, then keys and values.
type Ini = Vec<(String, BTreeMap<String, String>)>;

fn ini(text: &str) -> Result<Ini, TestCaseError> {
    let mut sections: Ini = vec![];
    // Every line break that some parser knows.
    for line in text.split(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']) {
        if line.is_empty() {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            let name =
                name.strip_suffix(']').ok_or_else(|| TestCaseError::fail("a torn section"))?;
            prop_assert!(!name.contains(['[', ']']) && !name.is_empty(), "{line:?}");
            sections.push((name.to_owned(), BTreeMap::new()));
        } else {
            let (key, value) = line
                .split_once(" = ")
                .ok_or_else(|| TestCaseError::fail(format!("no pair: {line:?}")))?;
            let section = sections.last_mut().ok_or_else(|| TestCaseError::fail("no section"))?;
            let twice = section.1.insert(key.to_owned(), value.to_owned());
            prop_assert!(twice.is_none(), "{key} twice");
        }
    }
    Ok(sections)
}

fn check(parts: Parts) -> Result<(), TestCaseError> {
    let Some(issued) = parts.credentials() else { return Ok(()) };
    let desired = parts.desired();
    let record = parts.record(&desired, &issued);
    let secret = stored(&Manifest::render(&desired, &record, &issued).unwrap());
    let data = secret.data.as_ref().unwrap();
    let text = |key: &str| data.get(key).map(|bytes| String::from_utf8(bytes.0.clone()).unwrap());
    let expiration = issued.expiration.to_string();

    let annotations = secret.metadata.annotations.as_ref().unwrap();
    let labels = secret.metadata.labels.as_ref().unwrap();
    let read = IssueRecord::read(annotations).ok_or_else(|| TestCaseError::fail("no record"))?;
    prop_assert_eq!(&read, &record);
    prop_assert_eq!(&labels["tempcred.dev/credential-uid"], "uid-1");
    prop_assert_eq!(&labels["app.kubernetes.io/managed-by"], "tempcred");
    prop_assert_eq!(&annotations["tempcred.dev/credential-name"], "reports");

    let credentials = read_credentials(data, &record)
        .ok_or_else(|| TestCaseError::fail("cannot be read back"))?;
    prop_assert_eq!(credentials.fingerprint(), issued.fingerprint());
    prop_assert!(
        Manifest::render(&desired, &record, &credentials).unwrap().matches(&secret),
        "not as it was"
    );

    if parts.is_token {
        prop_assert_eq!(data.len(), 2);
        prop_assert_eq!(text("token"), Some(parts.token));
        prop_assert_eq!(text("expiration"), Some(expiration));
        return Ok(());
    }
    // Each format alone.
    let alone = |keys: &[&str]| {
        let mut data = data.clone();
        data.retain(|key, _| keys.contains(&key.as_str()));
        read_credentials(&data, &record).is_some()
    };
    let mut expected = 0;
    if parts.formats.contains(&"env") {
        expected += 4 + usize::from(parts.region.is_some());
        prop_assert_eq!(text("AWS_ACCESS_KEY_ID"), Some(parts.id.clone()));
        prop_assert_eq!(text("AWS_SECRET_ACCESS_KEY"), Some(parts.secret.clone()));
        prop_assert_eq!(text("AWS_SESSION_TOKEN"), Some(parts.token.clone()));
        prop_assert_eq!(text("AWS_CREDENTIAL_EXPIRATION"), Some(expiration.clone()));
        if let Some(region) = text("AWS_REGION") {
            prop_assert!(region.bytes().all(|b| b.is_ascii_graphic()), "{region:?}");
        }
        prop_assert!(alone(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]));
    }
    if parts.formats.contains(&"credentialsFile") {
        expected += 1;
        let file = text("credentials").unwrap();
        let sections = ini(&file)?;
        prop_assert_eq!(sections.len(), 1, "{}", file);
        let (name, pairs) = &sections[0];
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_.@/+-".contains(c);
        prop_assert!(name.chars().all(allowed), "{name:?}");
        if parts.profile.chars().all(allowed) && !parts.profile.is_empty() {
            prop_assert_eq!(name, &parts.profile);
        }
        prop_assert_eq!(pairs.len(), 3 + usize::from(parts.region.is_some()));
        prop_assert_eq!(&pairs["aws_access_key_id"], &parts.id);
        prop_assert_eq!(&pairs["aws_secret_access_key"], &parts.secret);
        prop_assert_eq!(&pairs["aws_session_token"], &parts.token);
        prop_assert!(alone(&["credentials"]));
    }
    if parts.formats.contains(&"credentialProcess") {
        expected += 1;
        let process: Value = serde_json::from_str(&text("credentials.json").unwrap()).unwrap();
        let wanted = json!({
            "Version": 1, "AccessKeyId": parts.id, "SecretAccessKey": parts.secret,
            "SessionToken": parts.token, "Expiration": expiration,
        });
        prop_assert_eq!(process, wanted);
        prop_assert!(alone(&["credentials.json"]));
    }
    prop_assert_eq!(data.len(), expected);
    Ok(())
}

#[test]
fn rendering_keeps_every_value_in_its_place() {
    budget::run("rendering", parts(), check);
}

#[test]
fn the_parser_of_this_test_detects_a_second_profile() {
    assert_eq!(ini("[a]\nk = v\n[b]\n").unwrap().len(), 2);
    assert!(ini("[a\n]\n").is_err());
}
