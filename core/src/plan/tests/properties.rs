//! Properties of every plan, for any observed state.

use super::*;
use crate::testing::{denial, merge};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

#[derive(Clone, Copy, Debug)]
enum View {
    Unknown,
    ForeignWatched,
    Watched,
    OtherVersion,
    Absent,
    Foreign,
    Adoptable,
    Intact,
    OutOfShape,
    Damaged,
    WithoutRecord,
}

const VIEWS: [View; 11] = [
    View::Unknown,
    View::ForeignWatched,
    View::Watched,
    View::OtherVersion,
    View::Absent,
    View::Foreign,
    View::Adoptable,
    View::Intact,
    View::OutOfShape,
    View::Damaged,
    View::WithoutRecord,
];

const REASONS: [&str; 6] = [
    "AccessDenied",
    "Throttled",
    "NotGranted",
    "SecretConflict",
    "ApiServerUnavailable",
    "OfANewerVersion",
];

/// The version of a foreign Secret whose writer agreed to its adoption.
fn agreed() -> SecretVersion {
    SecretVersion { uid: "theirs".to_owned(), resource_version: "7".to_owned() }
}

/// The choices that make a case.
#[derive(Clone, Debug)]
struct Choices {
    view: View,
    verified: bool,
    denied: bool,
    deleted: bool,
    suspended: bool,
    requested: bool,
    attempted: bool,
    inputs_changed: bool,
    other_request: bool,
    failure: Option<(&'static str, i64)>,
    pending: Option<i64>,
    called_at: Option<i64>,
    withdrawn: WithdrawnSecrets,
    now: i64,
}

prop_compose! {
    fn choices()(
        view in select(&VIEWS[..]), (verified, denied, deleted) in any::<(bool, bool, bool)>(),
        (suspended, requested, attempted) in any::<(bool, bool, bool)>(),
        (inputs_changed, other_request) in any::<(bool, bool)>(),
        failure in option::of((select(&REASONS[..]), 0i64..4000)), pending in option::of(0i64..4000),
        called_at in option::of(0i64..4000), now in 0i64..4000,
        withdrawn in select(&[WithdrawnSecrets::Expire, WithdrawnSecrets::Remove][..]),
    ) -> Choices {
        Choices {
            view, verified, denied, deleted, suspended, requested, attempted, inputs_changed, other_request,
            failure, pending, called_at, withdrawn, now,
        }
    }
}

impl Choices {
    fn case(&self) -> Case {
        let mut patch = if self.requested { with_renew_request("now") } else { json!({}) };
        merge(&mut patch, json!({"spec": {"suspend": self.suspended}}));
        if self.deleted {
            let deleted = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
            merge(&mut patch, deleted);
        }
        let mut case = Case::new(patch);
        let unverified = WatchedSecret::Unknown;
        case = match self.view {
            View::Unknown => case.with(|c| c.secret = SecretView::Watched(unverified)),
            View::ForeignWatched => {
                case.with(|c| c.secret = SecretView::Watched(WatchedSecret::Foreign))
            }
            View::Watched => case,
            View::OtherVersion => case.with(|c| c.secret().version.resource_version = "9".into()),
            View::Absent => case.absent(),
            View::Foreign => case.foreign(),
            View::Adoptable => {
                case.with(|c| c.secret = SecretView::Read(ReadSecret::Adoptable(agreed())))
            }
            View::Intact => case.read(intact(true)),
            View::OutOfShape => case.read(intact(false)),
            View::Damaged => case.read(Content::Damaged),
            View::WithoutRecord => case.read(Content::Damaged).with(|c| c.secret().record = None),
        };
        if let Some((reason, until)) = self.failure {
            case = case.failing(reason, until);
        }
        if let Some(expires) = self.pending {
            case = case.pending(expires);
        }
        case.verified = self.verified;
        case.desired.denied = self.denied.then(denial);
        case.attempted = self.attempted.then(|| "now".to_owned());
        case.inputs_changed = self.inputs_changed;
        case.called_at = self.called_at.map(at);
        case.withdrawn = self.withdrawn;
        if self.other_request {
            case.desired.request_hash = "other".to_owned();
        }
        case
    }

    fn is_read(&self) -> bool {
        match self.view {
            View::Unknown | View::ForeignWatched | View::Watched | View::OtherVersion => false,
            View::Absent
            | View::Foreign
            | View::Adoptable
            | View::Intact
            | View::OutOfShape
            | View::Damaged
            | View::WithoutRecord => true,
        }
    }

    /// Whether a failure is current and its next attempt is still to come, by the rules of the contract.
    fn is_backing_off(&self) -> bool {
        let current = |reason| match reason {
            "OfANewerVersion" => false,
            "NotGranted" => self.denied,
            "SecretConflict" | "ApiServerUnavailable" => true,
            _ => !self.denied,
        };
        let longest = |reason| match reason {
            "AccessDenied" => 3600,
            "NotGranted" | "SecretConflict" => 600,
            _ => 300,
        };
        let waits = self.failure.is_some_and(|(reason, until)| {
            current(reason) && self.now < until && until - self.now <= longest(reason)
        });
        waits && !self.inputs_changed && (!self.requested || self.attempted)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_secret_that_was_read_is_not_read_again(choices in choices()) {
        let plan = choices.case().plan(choices.now);
        prop_assert!(!choices.is_read() || plan != "Read");
    }

    #[test]
    fn a_watch_that_may_be_behind_never_replaces_credentials(choices in choices()) {
        let plan = choices.case().plan(choices.now);
        let acts = plan.starts_with("Issue") || ["WritePending", "Rewrite"].contains(&&*plan);
        prop_assert!(choices.is_read() || choices.verified || !acts, "{plan}");
    }

    #[test]
    fn a_denied_request_is_never_issued_or_written(choices in choices()) {
        let plan = choices.case().plan(choices.now);
        let writes = plan.starts_with("Issue") || ["WritePending", "Rewrite"].contains(&&*plan);
        prop_assert!(!choices.denied || !writes, "{plan}");
    }

    #[test]
    fn only_a_denied_secret_is_removed_and_not_before_its_credentials_expire(choices in choices()) {
        let plan = choices.case().plan(choices.now);
        let known = !matches!(choices.view, View::WithoutRecord);
        let stays = choices.withdrawn == WithdrawnSecrets::Expire && known && choices.now < 3600;
        prop_assert!(plan != "Remove" || (choices.denied && !stays));
    }

    #[test]
    fn nothing_is_issued_or_written_from_memory_while_a_failure_backs_off(choices in choices()) {
        let plan = choices.case().plan(choices.now);
        let attempts = plan.starts_with("Issue") || plan == "WritePending";
        prop_assert!(!choices.is_backing_off() || !attempts, "{plan}");
    }

    #[test]
    fn a_suspended_or_deleted_resource_that_is_granted_is_left_alone(choices in choices()) {
        let plan = choices.case().plan(choices.now);
        let idle = ["UpToDate", "Ignore", "Read", "BackOff"].contains(&&*plan);
        prop_assert!(choices.denied || !(choices.suspended || choices.deleted) || idle, "{plan}");
    }

    #[test]
    fn a_foreign_secret_is_never_replaced_or_removed(choices in choices()) {
        let plan = choices.case().plan(choices.now);
        let acts = plan.starts_with("Issue") || ["WritePending", "Rewrite", "Remove"].contains(&&*plan);
        prop_assert!(!matches!(choices.view, View::Foreign | View::ForeignWatched) || !acts, "{plan}");
    }

    #[test]
    fn a_secret_that_may_be_adopted_is_only_written_as_the_version_that_agreed(choices in choices()) {
        let choices = Choices { view: View::Adoptable, ..choices };
        let mut case = choices.case();
        let plan = case.decide(choices.now).plan;
        let target = match &plan {
            Plan::Issue(issue) => Some(&issue.target),
            Plan::WritePending { target, .. } => Some(target),
            _ => None,
        };
        let agreed = target.is_none_or(|target| *target == WriteTarget::Existing(agreed()));
        let words = in_words(&plan);
        prop_assert!(agreed && !["Rewrite", "Remove"].contains(&&*words), "{words}");
    }

    #[test]
    fn pending_credentials_are_lost_only_if_the_secret_holds_them_or_they_are_of_no_use(choices in choices()) {
        let mut case = choices.case();
        let decision = case.decide(choices.now);
        let kept = decision.pending.is_some() || matches!(decision.plan, Plan::WritePending { .. });
        // The Secret holds older credentials in every case.
        let usable = choices.pending.is_some_and(|expires| expires > choices.now)
            && !choices.denied
            && !choices.other_request;
        prop_assert_eq!(kept, usable);
    }

    #[test]
    fn unexpired_credentials_that_match_and_are_not_due_are_not_issued_again(
        now in 0i64..2160, suspend in any::<bool>(), verified in any::<bool>(),
    ) {
        let case = Case::new(json!({"spec": {"suspend": suspend}})).with(|c| c.verified = verified);
        prop_assert_eq!(case.plan(now), "UpToDate");
    }
}
