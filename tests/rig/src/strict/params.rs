//! The parameters of a request, within the limits of the STS API reference.

use std::collections::BTreeMap;

use super::refusal::Refusal;
use super::session::{Tag, Tags};

/// The parameters of a request.
pub(super) struct Params<'a>(pub(super) &'a BTreeMap<String, String>);

/// Characters of session names, source identities and names of federated users.
const NAME: &str = "_+=,.@-";

/// Characters of external IDs.
const EXTERNAL_ID: &str = "_+=,.@:/-";

/// Most tags of a session.
const MOST_TAGS: usize = 50;

impl<'a> Params<'a> {
    /// A parameter. An empty one counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A parameter that the operation requires.
    pub(super) fn required(&self, name: &str) -> Result<&'a str, Refusal> {
        self.get(name).ok_or_else(|| Refusal::constraint("null", name, "Member must not be null"))
    }

    /// The items of a list: `NAME.member.N`, each with what follows.
    pub(super) fn list(&self, name: &str, field: &str) -> Vec<&'a str> {
        let item = |n: usize| self.0.get(&format!("{name}.member.{n}{field}")).map(String::as_str);
        (1..).map_while(item).collect()
    }

    /// `RoleSessionName`, `SourceIdentity` or `Name`.
    pub(super) fn name(&self, name: &str, most: usize) -> Result<Option<&'a str>, Refusal> {
        self.text(name, 2..=most, NAME)
    }

    /// `ExternalId`.
    pub(super) fn external_id(&self) -> Result<Option<&'a str>, Refusal> {
        self.text("ExternalId", 2..=1224, EXTERNAL_ID)
    }

    fn text(
        &self,
        name: &str,
        length: std::ops::RangeInclusive<usize>,
        more: &str,
    ) -> Result<Option<&'a str>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let allowed = |char: char| char.is_ascii_alphanumeric() || more.contains(char);
        if !length.contains(&value.chars().count()) {
            return Err(Refusal::constraint(value, name, "Member must have a length in the range"));
        }
        if !value.chars().all(allowed) {
            return Err(Refusal::constraint(value, name, "Member must satisfy the pattern"));
        }
        Ok(Some(value))
    }

    /// `DurationSeconds`.
    pub(super) fn duration(&self, least: i64, most: i64, default: i64) -> Result<i64, Refusal> {
        let Some(text) = self.get("DurationSeconds") else { return Ok(default) };
        let refusal = |bound: &str, limit: i64| {
            let constraint = format!("Member must have value {bound} than or equal to {limit}");
            Refusal::constraint(text, "durationSeconds", &constraint)
        };
        match text.parse() {
            Ok(seconds) if seconds < least => Err(refusal("greater", least)),
            Ok(seconds) if seconds > most => Err(refusal("less", most)),
            Ok(seconds) => Ok(seconds),
            Err(_) => Err(refusal("greater", least)),
        }
    }

    /// `Tags` with `TransitiveTagKeys`.
    pub(super) fn tags(&self) -> Result<Tags, Refusal> {
        let keys = self.list("Tags", ".Key");
        let values = self.list("Tags", ".Value");
        let transitive = self.list("TransitiveTagKeys", "");
        if keys.len() > MOST_TAGS || keys.len() != values.len() {
            return Err(Refusal::constraint(
                "tags",
                "tags",
                "Member must have length of at most 50",
            ));
        }
        let mut tags = Tags::new();
        for (key, value) in keys.iter().zip(&values) {
            if !(1..=128).contains(&key.chars().count()) || value.chars().count() > 256 {
                return Err(Refusal::constraint(key, "tags", "Member must satisfy its length"));
            }
            if key.to_lowercase().starts_with("aws:") {
                return Err(Refusal::invalid("Tag keys that begin with aws: are reserved"));
            }
            let transitive = transitive.iter().any(|other| other.eq_ignore_ascii_case(key));
            let tag = Tag { key: (*key).to_owned(), value: (*value).to_owned(), transitive };
            if tags.insert(key.to_lowercase(), tag).is_some() {
                let message =
                    "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
                return Err(Refusal::new(400, "InvalidParameterValue", message));
            }
        }
        match transitive.iter().find(|key| !tags.contains_key(&key.to_lowercase())) {
            Some(key) => {
                let message = format!(
                    "The specified transitive tag key {key} must be included in the requested tags."
                );
                Err(Refusal::new(400, "InvalidParameterValue", message))
            }
            None => Ok(tags),
        }
    }
}
