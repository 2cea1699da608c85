//! The log line of an issue. Its fields are those that find the calls in CloudTrail.

use std::collections::BTreeSet;

use tempcred_core::credentials::Credentials;
use tempcred_core::desired::Desired;
use tempcred_core::plan::IssueCause;
use tempcred_core::problem::Problem;
use tempcred_core::text::one_line;

use crate::aws::CallRecord;
use crate::telemetry::traces;

/// Longest list of grants in a log line, in characters: any number of them may match.
const LONGEST_GRANTS: usize = 2000;

/// Logs that credentials were issued by these calls.
pub(super) fn issued(
    desired: &Desired,
    cause: IssueCause,
    calls: &[CallRecord],
    credentials: &Credentials,
) {
    tracing::info!(
        ?cause,
        action = action(desired),
        grants = grants(desired),
        role = names(calls.iter().map(|call| call.role.as_deref())),
        session_name = names(calls.iter().map(|call| call.session_name.as_deref())),
        request_id = names(calls.iter().map(|call| call.request_id.as_deref())),
        principal = credentials.principal_arn,
        access_key_id = credentials.access_key_id(),
        expiration = %credentials.expiration,
        trace_id = traces::id(),
        "issued"
    );
}

/// Logs that the grants changed while these calls were made. What they issued is not used.
pub(super) fn outdated(desired: &Desired, calls: &[CallRecord]) {
    tracing::warn!(
        action = action(desired),
        role = names(calls.iter().map(|call| call.role.as_deref())),
        session_name = names(calls.iter().map(|call| call.session_name.as_deref())),
        request_id = names(calls.iter().map(|call| call.request_id.as_deref())),
        trace_id = traces::id(),
        "the grants changed during the calls to STS, and their result is not used"
    );
}

fn action(desired: &Desired) -> &'static str {
    desired.request.as_ref().map_or("none", |request| request.operation.action())
}

/// The names of the grants that allow a request. `None` if it needs none.
pub(super) fn grants(desired: &Desired) -> Option<String> {
    let all: BTreeSet<&str> = desired.grants.iter().map(|grant| &**grant).collect();
    names(all.into_iter().map(Some)).map(|names| one_line(&names, LONGEST_GRANTS))
}

/// The request IDs of the calls that led to a problem, the failed one last. `None` if there was no reply.
pub(super) fn request_ids(problem: &Problem) -> Option<String> {
    names(problem.request_ids.iter().map(|id| Some(id.as_str()).filter(|id| *id != "-")))
}

/// The names in one field, separated by spaces, which none of them contains. `None` if there are none. In a chain of
/// roles, each call has one entry in every field, which is `-` if it has no such name.
fn names<'a>(names: impl Iterator<Item = Option<&'a str>>) -> Option<String> {
    let names: Vec<_> = names.collect();
    let any = names.iter().any(Option::is_some);
    any.then(|| names.into_iter().map(|name| name.unwrap_or("-")).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_has_an_entry_in_the_same_place() {
        assert_eq!(names([].into_iter()), None);
        assert_eq!(names([None].into_iter()), None);
        assert_eq!(names([Some("a")].into_iter()).as_deref(), Some("a"));
        assert_eq!(names([Some("a"), None, Some("b")].into_iter()).as_deref(), Some("a - b"));
    }
}
