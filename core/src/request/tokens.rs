//! Which tokens may be sent to STS: none that the Kubernetes API server accepts, and none of the operator itself.
//!
//! A token that is sent to STS leaves the cluster. If the API server accepts it too, everyone who sees it on the way can
//! act as its ServiceAccount. With IRSA, a token of the operator's own ServiceAccount is the operator's AWS identity,
//! which no resource may use without a grant.

use super::invalid::InvalidRequest;
use crate::problem::{Problem, Reason};

/// Default audience: the client ID that AWS documents for OIDC providers in IAM.
pub const DEFAULT_AUDIENCE: &str = "sts.amazonaws.com";

/// The beginning of the audiences that API servers accept by default, for example
/// `https://kubernetes.default.svc.cluster.local`.
const API_SERVER: &str = "https://kubernetes.default";

/// The types of Secrets that contain a token for the API server.
const TOKEN_TYPES: [&str; 2] =
    ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"];

/// Checks an audience by its text. The API server of a cluster may accept other audiences too: see [`needs_review`].
///
/// # Errors
/// `Audience`, if API servers accept it by default.
pub(super) fn check_audience(audience: &str) -> Result<(), InvalidRequest> {
    if audience.to_ascii_lowercase().starts_with(API_SERVER) {
        return Err(InvalidRequest::Audience(audience.chars().take(255).collect()));
    }
    Ok(())
}

/// Whether the API server must be asked if it accepts a token for this audience. STS always gets tokens for its own
/// audience: an API server that accepts this audience too was configured to do so.
pub fn needs_review(audience: &str) -> bool {
    audience != DEFAULT_AUDIENCE
}

/// The problem if the API server accepts tokens for an audience.
pub fn accepted_by_api_server(audience: &str) -> Problem {
    invalid(format!(
        "The API server accepts tokens for the audience {audience}, so everyone who sees the token could use it there. It was not sent to STS. \
         Use {DEFAULT_AUDIENCE}, or another client ID of the OIDC provider in IAM that is not among the API server's --api-audiences"
    ))
}

/// Checks that a token is not for the operator's own ServiceAccount. `own_user` is the user name of the operator in
/// the cluster.
///
/// # Errors
/// `InvalidSpec`.
pub fn check_account(namespace: &str, account: &str, own_user: &str) -> Result<(), Problem> {
    if own_user == format!("system:serviceaccount:{namespace}:{account}") {
        return Err(invalid(format!(
            "ServiceAccount {account} is that of the operator, whose AWS identity no resource may use in this way: name another ServiceAccount, or use assumeRole without identity, which a RoleGrant must allow"
        )));
    }
    Ok(())
}

/// Checks that an input does not come from a Secret with a token for the API server.
///
/// # Errors
/// `InvalidSpec`.
pub fn check_secret(name: &str, kind: Option<&str>) -> Result<(), Problem> {
    match kind {
        Some(kind) if TOKEN_TYPES.contains(&kind) => Err(invalid(format!(
            "Secret {name} has the type {kind}: its token is for the API server, and everyone who sees it could use it there. It was not sent to STS. \
             Use another Secret; for a token of a ServiceAccount, set serviceAccountName instead"
        ))),
        _ => Ok(()),
    }
}

fn invalid(message: String) -> Problem {
    Problem::new(Reason::InvalidSpec, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::schema;

    #[test]
    fn audiences_of_api_servers_are_refused_or_reviewed() {
        for (audience, refused, reviewed) in [
            ("sts.amazonaws.com", false, false),
            ("sts.amazonaws.com.cn", false, true),
            ("vault", false, true),
            ("https://oidc.example.com", false, true),
            ("https://kubernetes.default.svc", true, true),
            ("https://kubernetes.default.svc.cluster.local", true, true),
            ("https://kubernetes.default", true, true),
            ("HTTPS://KUBERNETES.DEFAULT.SVC", true, true),
            ("https://kubernetes.example.com", false, true),
        ] {
            assert_eq!(check_audience(audience).is_err(), refused, "{audience}");
            assert_eq!(needs_review(audience), reviewed, "{audience}");
        }
        assert!(schema::FOREIGN_AUDIENCE.contains(API_SERVER));
    }

    #[test]
    fn only_the_operators_own_service_account_is_refused() {
        let own = "system:serviceaccount:tempcred-system:tempcred";
        for (row, namespace, account, user, ok) in [
            ("its own", "tempcred-system", "tempcred", own, false),
            ("another one", "tempcred-system", "default", own, true),
            ("of another namespace", "analytics", "tempcred", own, true),
            ("parts that seem equal", "tempcred-system:tempcred", "", own, true),
            ("an operator that is no ServiceAccount", "tempcred-system", "tempcred", "admin", true),
            ("an operator without a name", "tempcred-system", "tempcred", "", true),
        ] {
            assert_eq!(check_account(namespace, account, user).is_ok(), ok, "{row}");
        }
    }

    #[test]
    fn secrets_with_tokens_for_the_api_server_are_refused() {
        for (kind, ok) in [
            (None, true),
            (Some("Opaque"), true),
            (Some("kubernetes.io/basic-auth"), true),
            (Some("kubernetes.io/service-account-token"), false),
            (Some("bootstrap.kubernetes.io/token"), false),
        ] {
            let checked = check_secret("legacy", kind);
            assert_eq!(checked.is_ok(), ok, "{kind:?}");
            if let Err(problem) = checked {
                assert_eq!(problem.reason, Reason::InvalidSpec);
                assert!(problem.message.contains("legacy"), "{}", problem.message);
            }
        }
    }
}
