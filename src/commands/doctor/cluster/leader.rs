//! The Lease of leader election: whether a replica leads.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};

use super::request::{Failed, bounded};
use crate::commands::doctor::check::{Check, Finding};

/// Reads the Lease.
///
/// # Errors
/// If the request fails.
pub async fn gather(client: &Client, namespace: &str, name: &str) -> Result<Option<Lease>, Failed> {
    bounded(Api::<Lease>::namespaced(client.clone(), namespace).get_opt(name)).await
}

/// Judges whether a replica leads.
pub fn judge(lease: &Result<Option<Lease>, Failed>, now: Timestamp) -> Finding {
    let check = Check::Leader;
    let start = "Check that the Pods of the operator run (kubectl get pods), and their logs. Names of the Lease and of its namespace are --lease-name and POD_NAMESPACE.";
    let lease = match lease {
        Ok(Some(lease)) => lease,
        Ok(None) => {
            return Finding::warning(
                check,
                "The Lease does not exist: no replica has led yet.",
                start,
            );
        }
        Err(Failed { why, .. }) => {
            return Finding::warning(
                check,
                format!("The Lease cannot be read: {why}."),
                "See the check RBAC.",
            );
        }
    };
    let spec = lease.spec.as_ref();
    let holder = spec.and_then(|spec| spec.holder_identity.as_deref());
    let renewed = spec.and_then(|spec| spec.renew_time.as_ref()).map(|time| time.0);
    let (Some(holder), Some(renewed)) = (holder.filter(|holder| !holder.is_empty()), renewed)
    else {
        return Finding::warning(check, "No replica holds the Lease.", start);
    };
    let seconds = spec.and_then(|spec| spec.lease_duration_seconds).unwrap_or_default();
    let age = now.duration_since(renewed);
    let in_words = SignedDuration::from_secs(age.as_secs().max(0));
    if age > SignedDuration::from_secs(seconds.into()) {
        return Finding::warning(
            check,
            format!("{holder} led, but renewed the Lease {in_words:#} ago. No replica leads now."),
            start,
        );
    }
    Finding::ok(check, format!("{holder}, renewed {in_words:#} ago."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::Level;
    use serde_json::{Value, json};

    #[test]
    fn a_lease_counts_only_while_it_is_renewed() {
        let now: Timestamp = "2026-01-01T12:01:00Z".parse().unwrap();
        let lease = |spec: Value| Ok(Some(serde_json::from_value(json!({"spec": spec})).unwrap()));
        let held = |time: &str| {
            lease(json!({"holderIdentity": "pod-1", "renewTime": time, "leaseDurationSeconds": 15}))
        };
        let failed = Err(Failed { code: Some(403), why: "HTTP 403: no".to_owned() });
        for (row, lease, level, part) in [
            ("held", held("2026-01-01T12:00:50.500000Z"), Level::Ok, "pod-1, renewed 9s ago."),
            ("expired", held("2026-01-01T11:56:00.000000Z"), Level::Warning, "5m ago"),
            ("a clock that is behind", held("2026-01-01T12:02:00.000000Z"), Level::Ok, "0s ago"),
            (
                "released",
                lease(json!({"leaseDurationSeconds": 15})),
                Level::Warning,
                "No replica holds",
            ),
            ("none", Ok(None), Level::Warning, "does not exist"),
            ("forbidden", failed, Level::Warning, "HTTP 403: no."),
        ] {
            let finding = judge(&lease, now);
            assert_eq!(finding.level, level, "{row}: {finding:?}");
            assert!(finding.message.contains(part), "{row}: {finding:?}");
        }
    }
}
