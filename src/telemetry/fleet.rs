//! Totals over all resources, computed from their statuses at each scrape.

use std::collections::BTreeMap;

use jiff::Timestamp;

use tempcred_core::api::{CredentialStatus, RestartState};
use tempcred_core::problem::{Class, Reason};
use tempcred_core::status::ConditionType;

use super::causes::{Cause, Seen};

/// Totals over all resources. Labels come from closed sets, even if a user edited a status.
#[derive(Debug, PartialEq)]
pub struct Fleet {
    /// Number of resources by type and status of a condition.
    pub conditions: BTreeMap<(&'static str, &'static str), u64>,
    /// Number of resources that are not Ready, by reason.
    pub not_ready: BTreeMap<&'static str, u64>,
    /// Number of failing resources, by class and reason.
    pub failing: BTreeMap<(&'static str, &'static str), u64>,
    /// Start of the longest current failure of a resource that is not suspended, by class.
    pub failing_since: BTreeMap<&'static str, Timestamp>,
    /// Number of resources with valid credentials that lost their grant.
    pub withdrawn: u64,
    /// Number of resources with valid credentials whose renewal time has passed.
    pub overdue: u64,
    /// Next expiration of valid credentials of any resource.
    pub next_expiration: Option<Timestamp>,
    /// Number of resources with expired credentials that are not suspended.
    pub expired: u64,
    /// Number of suspended resources.
    pub suspended: u64,
    /// Creation of the oldest resource without credentials that could be issued.
    pub waiting_since: Option<Timestamp>,
    /// Number of restarts of workloads that are not complete, by state.
    pub unfinished_restarts: BTreeMap<&'static str, u64>,
    /// Start of common failures.
    pub common_failures: BTreeMap<&'static str, Timestamp>,
}

/// The states of a restart that is not complete.
const UNFINISHED: [RestartState; 5] = [
    RestartState::Pending,
    RestartState::Progressing,
    RestartState::Stuck,
    RestartState::Missing,
    RestartState::Failed,
];

/// The statuses of a condition.
const STATUSES: [&str; 3] = ["True", "False", "Unknown"];

impl Default for Fleet {
    /// No resources. Every condition and state is present with zero, so that the first resource is visible as an increase.
    fn default() -> Self {
        let types = ConditionType::ALL.iter();
        let conditions = types.flat_map(|type_| STATUSES.map(|status| (type_.as_str(), status)));
        Self {
            conditions: conditions.map(|labels| (labels, 0)).collect(),
            not_ready: BTreeMap::new(),
            failing: BTreeMap::new(),
            failing_since: BTreeMap::new(),
            withdrawn: 0,
            overdue: 0,
            next_expiration: None,
            expired: 0,
            suspended: 0,
            waiting_since: None,
            unfinished_restarts: UNFINISHED.map(|state| (restart_label(state), 0)).into(),
            common_failures: BTreeMap::new(),
        }
    }
}

impl Fleet {
    /// Computes the totals.
    pub fn of(resources: &[Seen<'_>], now: Timestamp) -> Self {
        let mut fleet = Self::default();
        let fresh = CredentialStatus::default();
        for seen in resources {
            fleet.add(seen, seen.status.unwrap_or(&fresh), now);
        }
        let causes = Cause::ALL.into_iter();
        let since = causes.filter_map(|cause| Some((cause.as_str(), cause.since(resources)?)));
        fleet.common_failures = since.collect();
        fleet
    }

    fn add(&mut self, seen: &Seen<'_>, status: &CredentialStatus, now: Timestamp) {
        let active = !seen.suspended;
        self.suspended += u64::from(seen.suspended);
        for type_ in ConditionType::ALL {
            let name = type_.as_str();
            let found = status.conditions.iter().find(|condition| condition.type_ == name);
            // Only Ready is always present, so its absence means Unknown. Absence of the others means False.
            let status = match (found, type_) {
                (Some(condition), _) => known_or_unknown(STATUSES, &condition.status),
                (None, ConditionType::Ready) => "Unknown",
                (None, _) => "False",
            };
            *self.conditions.entry((name, status)).or_default() += 1;
        }
        let ready = status.readiness();
        if !ready.is_some_and(|ready| ready.ready) {
            let reason = ready.map_or(Some(Reason::Pending), |ready| ready.reason);
            *self.not_ready.entry(label(reason)).or_default() += 1;
            self.expired += u64::from(active && reason == Some(Reason::Expired));
        }
        if let Some(failure) = &status.failure {
            let class = failure.class.as_str();
            *self.failing.entry((class, label(failure.reason()))).or_default() += 1;
            if active {
                let since = self.failing_since.entry(class).or_insert(failure.since.0);
                *since = failure.since.0.min(*since);
            }
        }
        let needs_a_change = status
            .failure
            .as_ref()
            .is_some_and(|failure| matches!(failure.class, Class::Blocked | Class::Refused));
        if active && status.issued_at.is_none() && !needs_a_change {
            self.waiting_since = self.waiting_since.into_iter().chain(seen.created).min();
        }
        for restart in status.restarts.iter().filter(|one| one.state != RestartState::Complete) {
            *self.unfinished_restarts.entry(restart_label(restart.state)).or_default() += 1;
        }
        let valid_until = status.expiration.as_ref().map(|at| at.0).filter(|at| *at > now);
        self.withdrawn += u64::from(valid_until.is_some() && status.is_denied());
        let renews_at = status.renewal_time.as_ref().map(|at| at.0);
        if valid_until.is_some() && renews_at.is_some_and(|at| at < now) {
            self.overdue += 1;
        }
        self.next_expiration = self.next_expiration.into_iter().chain(valid_until).min();
    }
}

/// The label of a reason. `Unknown` for a reason that this version of tempcred does not know.
pub(super) fn label(reason: Option<Reason>) -> &'static str {
    reason.map_or("Unknown", Reason::as_str)
}

/// The label of the state of a restart.
pub(super) fn restart_label(state: RestartState) -> &'static str {
    match state {
        RestartState::Pending => "pending",
        RestartState::Progressing => "progressing",
        RestartState::Complete => "complete",
        RestartState::Stuck => "stuck",
        RestartState::Missing => "missing",
        RestartState::Failed => "failed",
    }
}

fn known_or_unknown(known: impl IntoIterator<Item = &'static str>, word: &str) -> &'static str {
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
    fn counts_conditions_reasons_failures_and_expirations() {
        let healthy = status(json!({"conditions": ready("True", "Issued"),
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
        let denial = json!({"class": "Blocked", "reason": "NotGranted", "message": "m", "count": 1,
            "since": at(99).to_string(), "nextAttempt": at(800).to_string()});
        let withdrawn = |expiration| {
            status(json!({"conditions": ready("False", "NotGranted"), "failure": denial,
                "expiration": at(expiration).to_string()}))
        };
        let [valid, over] = [withdrawn(500), withdrawn(90)];
        let seen = |status| Seen { status, created: Some(at(7)), ..Seen::default() };
        let fleet = Fleet::of(&[Some(&valid), Some(&over), Some(&healthy)].map(seen), at(100));
        assert_eq!(fleet.withdrawn, 1, "expired credentials do not count");
        let statuses = [Some(&healthy), Some(&overdue), Some(&expired), None];
        let fleet = Fleet::of(&statuses.map(seen), at(100));
        assert_eq!(fleet.withdrawn, 0);
        assert_eq!(fleet.conditions[&("Ready", "True")], 2);
        assert_eq!(fleet.conditions[&("Ready", "False")], 1);
        assert_eq!(fleet.conditions[&("Ready", "Unknown")], 1);
        assert_eq!(fleet.conditions[&("Stalled", "True")], 0);
        assert_eq!(fleet.not_ready, BTreeMap::from([("Expired", 1), ("Pending", 1)]));
        assert_eq!(fleet.failing, BTreeMap::from([(("Refused", "AccessDenied"), 2)]));
        assert_eq!(fleet.failing_since, BTreeMap::from([("Refused", at(40))]));
        assert_eq!(fleet.overdue, 1);
        assert_eq!(fleet.next_expiration, Some(at(500)), "expired credentials do not count");
        assert_eq!((fleet.expired, fleet.suspended), (1, 0));

        // The same, suspended: nothing that an alert would report.
        let suspended = statuses.map(|status| Seen { suspended: true, ..seen(status) });
        let fleet = Fleet::of(&suspended, at(100));
        assert_eq!((fleet.expired, fleet.suspended), (0, 4));
        assert_eq!((fleet.failing_since, fleet.waiting_since), (BTreeMap::new(), None));
    }

    #[test]
    fn the_oldest_resource_waits_that_could_be_issued() {
        let failing = |class: &str, reason: &str| {
            status(json!({"failure": {"class": class, "reason": reason, "message": "m", "count": 1,
                "since": at(1).to_string(), "nextAttempt": at(800).to_string()}}))
        };
        let refused = failing("Refused", "AccessDenied");
        let away = failing("Transient", "StsUnavailable");
        let issued = status(json!({"issuedAt": at(5).to_string()}));
        let seen = |created, status| Seen { created: Some(at(created)), status, ..Seen::default() };
        let waiting = |resources: &[Seen<'_>]| Fleet::of(resources, at(100)).waiting_since;
        assert_eq!(waiting(&[seen(1, Some(&issued)), seen(2, Some(&refused))]), None);
        let all = [seen(1, Some(&issued)), seen(3, Some(&away)), seen(4, None)];
        assert_eq!(waiting(&all), Some(at(3)));
        assert_eq!(waiting(&all[2..]), Some(at(4)), "not yet reconciled");
    }

    #[test]
    fn counts_the_restarts_that_are_not_complete() {
        let restart = |name: &str, state: &str| json!({"kind": "Deployment", "name": name, "state": state, "since": at(1).to_string()});
        let status = status(json!({"restarts": [
            restart("a", "Complete"), restart("b", "Stuck"), restart("c", "Stuck"), restart("d", "Failed"),
        ]}));
        let fleet = Fleet::of(&[Seen { status: Some(&status), ..Seen::default() }], at(100));
        let expected =
            [("pending", 0), ("progressing", 0), ("stuck", 2), ("missing", 0), ("failed", 1)];
        assert_eq!(fleet.unfinished_restarts, BTreeMap::from(expected));
    }

    #[test]
    fn text_of_a_user_never_becomes_a_label() {
        let edited = status(json!({"conditions": ready("Maybe", "x\"} 1\nforged")}));
        let fleet = Fleet::of(&[Seen { status: Some(&edited), ..Seen::default() }], at(0));
        assert_eq!(fleet.conditions[&("Ready", "Unknown")], 1);
        assert_eq!(fleet.not_ready, BTreeMap::from([("Unknown", 1)]));
    }
}
