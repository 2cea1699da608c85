//! The policies in the comments of `examples/` and in the docs.
//!
//! In a comment, a policy is the JSON below a line `Trust policy of ARN:` or `Permission policy of ARN:`. A maximum session
//! duration is a line `Maximum session duration of ARN: 6h`. In a page, the same line stands above a block of JSON.

use std::fs;

use rig::strict::{Iam, Policy, Role, User};
use serde_json::Value;

use crate::examples::{files, root, texts};

/// What a policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Trust,
    Permission,
}

/// A policy, as text: a test replaces names in it first.
#[derive(Clone, Debug)]
pub struct Found {
    /// File or page.
    pub place: String,
    pub kind: Kind,
    /// The role or user that it belongs to.
    pub arn: String,
    pub json: String,
}

impl Found {
    /// The policy.
    pub fn policy(&self) -> Policy {
        let parse = match self.kind {
            Kind::Trust => Policy::trust,
            Kind::Permission => Policy::identity,
        };
        parse(&self.json).unwrap_or_else(|error| panic!("{}: {}: {error}", self.place, self.arn))
    }
}

/// What a file says about IAM.
#[derive(Default)]
pub struct Described {
    pub policies: Vec<Found>,
    /// Role and maximum session duration in seconds.
    pub max_sessions: Vec<(String, i64)>,
}

/// Reads the comments of an example.
pub fn of_comments(place: &str, yaml: &str) -> Described {
    let mut described = Described::default();
    let comments = yaml.lines().map(|line| line.strip_prefix('#').unwrap_or_default());
    let lines: Vec<_> = comments.collect();
    for (index, line) in lines.iter().enumerate() {
        if let Some((kind, arn)) = heading(line) {
            let json = balanced(&lines[index + 1..])
                .unwrap_or_else(|| panic!("{place}:{}: no policy below it", index + 1));
            described.policies.push(Found { place: place.to_owned(), kind, arn, json });
        }
        if let Some(rest) = line.trim().strip_prefix("Maximum session duration of ") {
            let (arn, hours) = rest.rsplit_once(": ").unwrap();
            let hours: i64 = hours.strip_suffix('h').unwrap().parse().unwrap();
            described.max_sessions.push((arn.to_owned(), hours * 3600));
        }
    }
    let text = yaml.lines().filter(|line| line.starts_with('#')).collect::<String>();
    let statements = text.matches("\"Statement\"").count();
    assert_eq!(statements, described.policies.len(), "{place}: a policy without a heading");
    described
}

/// Reads the blocks of JSON in a page that are policies.
pub fn of_page(place: &str, text: &str) -> Vec<Found> {
    let mut found = vec![];
    let lines: Vec<_> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        if line.trim() != "```json" {
            continue;
        }
        let body = lines[index + 1..].iter().take_while(|line| line.trim() != "```");
        let json: String = body.map(|line| format!("{line}\n")).collect();
        if !json.contains("\"Statement\"") {
            continue;
        }
        let above = lines[..index].iter().rev().skip_while(|line| line.trim().is_empty());
        let mut paragraph: Vec<_> =
            above.take_while(|line| !line.trim().is_empty()).copied().collect();
        paragraph.reverse();
        let (kind, arn) = heading(&paragraph.join(" ").replace('`', ""))
            .unwrap_or_else(|| panic!("{place}:{}: a policy without a heading", index + 1));
        found.push(Found { place: place.to_owned(), kind, arn, json });
    }
    found
}

/// `Trust policy of ARN:`, also at the end of a sentence.
fn heading(line: &str) -> Option<(Kind, String)> {
    let line = line.trim().strip_suffix(':')?;
    let (words, arn) = line.rsplit_once(" of ")?;
    let kind = match words.to_lowercase() {
        words if words.ends_with("trust policy") => Kind::Trust,
        words if words.ends_with("permission policy") => Kind::Permission,
        _ => return None,
    };
    arn.starts_with("arn:aws:iam::").then(|| (kind, arn.to_owned()))
}

/// The first JSON object in these lines.
fn balanced(lines: &[&str]) -> Option<String> {
    let mut text = String::new();
    for line in lines.iter().skip_while(|line| line.trim().is_empty()) {
        text.push_str(line);
        text.push('\n');
        if let Some(Ok(value)) =
            serde_json::Deserializer::from_str(&text).into_iter::<Value>().next()
        {
            return value.is_object().then_some(text);
        }
    }
    None
}

/// The examples: the name of each file and its text.
pub fn examples() -> Vec<(String, String)> {
    let files = files(&root().join("examples"), "yaml");
    let named = files.iter().filter(|path| path.parent() == Some(&root().join("examples")));
    let read = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    named.map(read).collect()
}

/// The policies in the docs.
pub fn of_docs() -> Vec<Found> {
    let texts = texts();
    texts.iter().flat_map(|(place, text)| of_page(place, text)).collect()
}

/// Adds a policy to a configuration.
pub fn add(iam: &mut Iam, found: &Found, keys: &[(String, (String, String))]) {
    let policy = found.policy();
    let nobody = || Policy::trust(NOBODY).unwrap();
    if found.arn.contains(":user/") {
        let key = || {
            let known = keys.iter().find(|(arn, _)| *arn == found.arn);
            known.map(|(_, key)| key.clone()).unwrap_or_else(|| panic!("{} has no key", found.arn))
        };
        let user = iam.users.entry(found.arn.clone());
        user.or_insert_with(|| User { permissions: vec![], key: key() }).permissions.push(policy);
        return;
    }
    let role = iam.roles.entry(found.arn.clone()).or_insert_with(|| Role {
        trust: nobody(),
        permissions: vec![],
        max_session: 3600,
    });
    match found.kind {
        Kind::Trust => role.trust = policy,
        Kind::Permission => role.permissions.push(policy),
    }
}

/// The trust policy of a role before its own is known.
const NOBODY: &str = r#"{"Version": "2012-10-17", "Statement": []}"#;

#[test]
fn every_policy_in_the_docs_is_tested() {
    let mut texts = texts();
    let chart = "charts/tempcred/README.md".to_owned();
    texts.push((chart.clone(), fs::read_to_string(root().join(&chart)).unwrap()));
    for (place, text) in &texts {
        let found = of_page(place, text).len();
        assert_eq!(text.matches("\"Statement\"").count(), found, "{place}: not in a block of JSON");
    }
    let mut places: Vec<_> = of_docs().iter().map(|f| (f.place.clone(), f.kind)).collect();
    places.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [
        ("docs/grants.md", Kind::Trust),       // granted.rs
        ("docs/identities.md", Kind::Trust),   // operator.rs, for EC2
        ("docs/install.md", Kind::Permission), // probes.rs
        ("docs/install.md", Kind::Trust),      // operator.rs, for EKS Pod Identity
        ("docs/install.md", Kind::Trust),      // operator.rs, for IRSA
    ];
    let expected = expected.map(|(place, kind)| (place.to_owned(), kind));
    assert_eq!(places, expected, "test a new policy, and add it here");
}

#[test]
fn policies_are_read_below_their_heading() {
    let yaml = "# Text.\n#\n# Trust policy of arn:aws:iam::123456789012:role/a:\n#\n#   {\"Version\": \"2012-10-17\",\n#    \"Statement\": []}\n#\n# Maximum session duration of arn:aws:iam::123456789012:role/a: 6h\nkind: A\n";
    let described = of_comments("x", yaml);
    let [found] = described.policies.as_slice() else { panic!("{:?}", described.policies) };
    assert_eq!((found.kind, found.arn.as_str()), (Kind::Trust, "arn:aws:iam::123456789012:role/a"));
    assert!(serde_json::from_str::<Value>(&found.json).is_ok());
    assert_eq!(described.max_sessions, [("arn:aws:iam::123456789012:role/a".to_owned(), 21_600)]);
    let page = "Text.\n\nPermission policy of `arn:aws:iam::123456789012:role/a`:\n\n```json\n{\"Statement\": 1}\n```\n\n```json\n{}\n```\n";
    let found = of_page("x", page);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].kind, Kind::Permission);
}

#[test]
#[should_panic(expected = "a policy without a heading")]
fn a_policy_without_a_heading_is_an_error() {
    of_comments("x", "# The trust policy:\n#   {\"Statement\": []}\n");
}
