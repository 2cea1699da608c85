//! All resources together, counted from their statuses: pure, and made anew for each scrape.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::api::CredentialStatus;
use crate::reason::Reason;
use crate::status::{CONDITIONS, readiness};

/// What is counted over all resources. Labels come from closed sets, whatever somebody wrote into a
/// status.
#[derive(Debug, PartialEq)]
pub struct Fleet {
    /// How many have a condition of this type and status.
    pub conditions: BTreeMap<(&'static str, &'static str), u64>,
    /// How many are not Ready, by reason.
    pub not_ready: BTreeMap<&'static str, u64>,
    /// How many fail, by class and reason.
    pub failing: BTreeMap<(&'static str, &'static str), u64>,
    /// Since when the first of them fails, by class.
    pub failing_since: BTreeMap<&'static str, Timestamp>,
    /// How many hold valid credentials whose renewal time has passed.
    pub overdue: u64,
    /// When the first of them expires.
    pub next_expiration: Option<Timestamp>,
}

/// What a condition can be.
const STATUSES: [&str; 3] = ["True", "False", "Unknown"];

impl Default for Fleet {
    /// No resources. Every condition is there, so that a first one shows as a change.
    fn default() -> Self {
        let conditions =
            CONDITIONS.iter().flat_map(|type_| STATUSES.map(|status| (*type_, status)));
        Self {
            conditions: conditions.map(|labels| (labels, 0)).collect(),
            not_ready: BTreeMap::new(),
            failing: BTreeMap::new(),
            failing_since: BTreeMap::new(),
            overdue: 0,
            next_expiration: None,
        }
    }
}

impl Fleet {
    /// Counts resources, of which `None` has no status yet.
    pub fn of<'a>(
        statuses: impl IntoIterator<Item = Option<&'a CredentialStatus>>,
        now: Timestamp,
    ) -> Self {
        let mut fleet = Self::default();
        let fresh = CredentialStatus::default();
        for status in statuses {
            fleet.add(status.unwrap_or(&fresh), now);
        }
        fleet
    }

    fn add(&mut self, status: &CredentialStatus, now: Timestamp) {
        for type_ in CONDITIONS {
            let found = status.conditions.iter().find(|condition| condition.type_ == *type_);
            // Without a condition, only of Ready is it known that it is unknown: others come and go.
            let said = match found {
                Some(condition) => Some(among(STATUSES, &condition.status)),
                None => (*type_ == CONDITIONS[0]).then_some("Unknown"),
            };
            if let Some(said) = said {
                *self.conditions.entry((type_, said)).or_default() += 1;
            }
        }
        let (ready, reason, _) = readiness(status).unwrap_or((false, Reason::Pending.as_str(), ""));
        if !ready {
            *self.not_ready.entry(known_reason(reason)).or_default() += 1;
        }
        if let Some(failure) = &status.failure {
            let class = failure.class.as_str();
            *self.failing.entry((class, known_reason(&failure.reason))).or_default() += 1;
            let since = self.failing_since.entry(class).or_insert(failure.since.0);
            *since = failure.since.0.min(*since);
        }
        let valid_until = status.expiration.as_ref().map(|at| at.0).filter(|at| *at > now);
        let renews_at = status.renewal_time.as_ref().map(|at| at.0);
        if valid_until.is_some() && renews_at.is_some_and(|at| at < now) {
            self.overdue += 1;
        }
        self.next_expiration = self.next_expiration.into_iter().chain(valid_until).min();
    }
}

/// The reason as one of those that there are.
pub fn known_reason(reason: &str) -> &'static str {
    among(Reason::ALL.iter().map(|reason| reason.as_str()), reason)
}

fn among(known: impl IntoIterator<Item = &'static str>, word: &str) -> &'static str {
    known.into_iter().find(|known| *known == word).unwrap_or("Unknown")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn status(value: Value) -> CredentialStatus {
        serde_json::from_value(value).unwrap()
    }

    fn ready(status: &str, reason: &str) -> Value {
        json!([{"type": "Ready", "status": status, "reason": reason, "message": "m",
                "lastTransitionTime": "2026-01-01T00:00:00Z"}])
    }

    #[test]
    fn counts_what_people_ask_for() {
        let well = status(json!({"conditions": ready("True", "Issued"),
            "expiration": at(900).to_string(), "renewalTime": at(600).to_string()}));
        let failure = |since| {
            json!({"class": "Refused", "reason": "AccessDenied", "message": "m", "count": 1,
                   "since": at(since).to_string(), "nextAttempt": at(800).to_string()})
        };
        let overdue = status(json!({"conditions": ready("True", "Issued"), "failure": failure(80),
            "expiration": at(500).to_string(), "renewalTime": at(50).to_string()}));
        let expired =
            status(json!({"conditions": ready("False", "Expired"), "failure": failure(40),
            "expiration": at(90).to_string(), "renewalTime": at(50).to_string()}));
        let fleet = Fleet::of([Some(&well), Some(&overdue), Some(&expired), None], at(100));
        assert_eq!(fleet.conditions[&("Ready", "True")], 2);
        assert_eq!(fleet.conditions[&("Ready", "False")], 1);
        assert_eq!(fleet.conditions[&("Ready", "Unknown")], 1);
        assert_eq!(fleet.conditions[&("Stalled", "True")], 0);
        assert_eq!(fleet.not_ready, BTreeMap::from([("Expired", 1), ("Pending", 1)]));
        assert_eq!(fleet.failing, BTreeMap::from([(("Refused", "AccessDenied"), 2)]));
        assert_eq!(fleet.failing_since, BTreeMap::from([("Refused", at(40))]));
        assert_eq!(fleet.overdue, 1);
        assert_eq!(fleet.next_expiration, Some(at(500)), "what has expired is not the next to");
    }

    #[test]
    fn what_somebody_wrote_into_a_status_makes_no_label() {
        let forged = status(json!({"conditions": ready("Maybe", "x\"} 1\nforged")}));
        let fleet = Fleet::of([Some(&forged)], at(0));
        assert_eq!(fleet.conditions[&("Ready", "Unknown")], 1);
        assert_eq!(fleet.not_ready, BTreeMap::from([("Unknown", 1)]));
    }
}
