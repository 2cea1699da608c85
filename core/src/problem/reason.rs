//! The reasons of conditions, failures and events.
//!
//! Reasons are part of the API: scripts and alerts match them, so a name never changes. Each reason has a class, which
//! decides the backoff, and one sentence of advice. `docs/reasons.md` is generated from this file.

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The class of a failure. It decides the backoff.
// The variants have no doc comments, because doc comments would make the schema non-structural.
#[allow(missing_docs)]
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[schemars(inline)]
pub enum Class {
    Blocked,
    Refused,
    Throttled,
    Transient,
}

impl Class {
    /// Every class.
    pub const ALL: &[Self] = &[Self::Blocked, Self::Refused, Self::Throttled, Self::Transient];

    /// The name in statuses and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "Blocked",
            Self::Refused => "Refused",
            Self::Throttled => "Throttled",
            Self::Transient => "Transient",
        }
    }

    /// The wait after the first failure of this class. STS can return `AccessDenied` for a new role for 10 to 30 s,
    /// until IAM has propagated the role, so a refused request is retried after 10 s.
    pub const fn shortest_wait(self) -> SignedDuration {
        match self {
            Self::Blocked => SignedDuration::from_secs(15),
            Self::Refused => SignedDuration::from_secs(10),
            Self::Throttled => SignedDuration::from_secs(5),
            Self::Transient => SignedDuration::from_secs(1),
        }
    }

    /// The longest wait of this class. It is never infinite, because no event reports that a trust policy was
    /// corrected.
    pub const fn longest_wait(self) -> SignedDuration {
        match self {
            Self::Blocked => SignedDuration::from_mins(10),
            Self::Refused => SignedDuration::from_hours(1),
            Self::Throttled | Self::Transient => SignedDuration::from_mins(5),
        }
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $name:ident, $class:expr, $advice:literal;)*) => {
        /// The reason why a credential is ready, is not ready, or cannot be renewed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])* $name,)*
        }

        impl Reason {
            /// Every reason, in the order in which they are documented.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name in conditions, `status.failure` and events.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The reason with this name. `None` if there is none.
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.as_str() == name)
            }

            /// The class of the failure. `None` if the reason is not a failure.
            pub const fn class(self) -> Option<Class> {
                match self { $(Self::$name => $class,)* }
            }

            /// Whether the grants deny a request with this reason. All denials have the same effect: nothing is
            /// issued, and the Secret of the resource is withdrawn.
            pub const fn is_denial(self) -> bool {
                matches!(self, Self::NotGranted | Self::GrantConflict | Self::GrantInvalid)
            }

            /// One sentence that says what to do.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$name => $advice,)* }
            }

            /// The meaning, in one sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),*).trim_ascii(),)* }
            }
        }
    };
}

const NO_FAILURE: Option<Class> = None;
const BLOCKED: Option<Class> = Some(Class::Blocked);
const REFUSED: Option<Class> = Some(Class::Refused);
const THROTTLED: Option<Class> = Some(Class::Throttled);
const TRANSIENT: Option<Class> = Some(Class::Transient);

reasons! {
    /// The Secret contains unexpired credentials that match the spec.
    Issued, NO_FAILURE, "Nothing to do.";
    /// No operator has reconciled this resource yet.
    Pending, NO_FAILURE, "Wait for the first reconciliation; if the reason does not change, check that the operator runs and serves this namespace.";
    /// `spec.suspend` is set: the credentials in the Secret are kept and not renewed.
    Suspended, NO_FAILURE, "Set spec.suspend to false to renew the credentials.";
    /// The credentials in the Secret have expired and could not be renewed in time.
    Expired, NO_FAILURE, "See status.failure for why the renewal failed.";
    /// An attempt succeeded after failures (only as the reason of an event).
    Recovered, NO_FAILURE, "Nothing to do.";
    /// A workload was not restarted after a rotation, or its Pods are not replaced (only as the reason of an event).
    RestartFailed, NO_FAILURE, "See status.restarts for what to change.";
    /// A first issue or a renewal failed and will be retried.
    Retrying, NO_FAILURE, "See status.failure for the cause and the time of the next attempt.";
    /// `spec.renewal` does not fit the lifetime that STS returned, so the default is used.
    LifetimeShorterThanRequested, NO_FAILURE, "Lower spec.renewal, or raise the maximum session duration of the role.";

    /// The spec does not contain a valid request.
    InvalidSpec, BLOCKED, "Change the spec as the message says.";
    /// A Secret of this name exists and does not belong to this resource; it was not changed.
    SecretConflict, BLOCKED, "Use another spec.secret.name in a new TemporaryCredential, or delete the Secret if it is not needed.";
    /// The API server rejects a request for the Secret.
    SecretRejected, BLOCKED, "Check the operator's permissions for Secrets, and the quotas and admission policies of the namespace.";
    /// An input of the request is missing: a Secret, a key of a Secret, or a ServiceAccount.
    InputMissing, BLOCKED, "Create the object that the message names, in the namespace of the resource, or correct its name in the spec.";
    /// Resources use each other's Secrets as inputs, so none of them can be issued first.
    ReferenceLoop, BLOCKED, "Use another input for one of these resources.";
    /// The request depends on the Secrets of more than eight resources, one after the other.
    ReferenceTooDeep, BLOCKED, "Use an input that fewer other resources are needed for: at most 8 resources may read each other's Secrets in a chain.";
    /// The API server rejects a request of the operator that is not about the Secret to write.
    ClusterRefused, BLOCKED, "Check the operator's permissions, and the admission policies of the namespace.";
    /// No RoleGrant allows this namespace to use the role with the operator's own identity; nothing is issued or
    /// renewed.
    NotGranted, BLOCKED, "Ask the platform team for a RoleGrant, or set spec.identity to sign with your own identity.";
    /// Two RoleGrants that match this namespace and the role demand different values of the same field.
    GrantConflict, BLOCKED, "Ask the platform team to correct the RoleGrants, so that all that match demand the same value.";
    /// A RoleGrant that matches this namespace and the role is invalid, so the operator does not know its limits.
    GrantInvalid, BLOCKED, "Ask the platform team to correct the RoleGrant: kubectl get rolegrants shows which one is not ready, and its status shows why.";
    /// Neither the resource nor the operator has a region, so the STS endpoint is unknown.
    RegionMissing, BLOCKED, "Set spec.region, or the operator's --region.";
    /// The operator has no AWS identity to sign the request with.
    IdentityMissing, BLOCKED, "Give the operator an AWS identity: IRSA or EKS Pod Identity for its ServiceAccount, or an instance profile for its node.";

    /// AWS denies the request of the caller.
    AccessDenied, REFUSED, "Check that the role exists, that its trust policy allows the caller (and its external ID), and that the policies of the caller allow the STS action.";
    /// AWS rejects the credentials that sign the request.
    IdentityRefused, REFUSED, "Check the AWS identity that signs the request: its access key may be deleted, disabled or from another partition.";
    /// AWS rejects the web identity token or the SAML assertion.
    TokenRefused, REFUSED, "Check that the token or assertion is complete and of the right type, and that its issuer is an identity provider in IAM that accepts its audience.";
    /// STS rejects the request as invalid.
    RequestInvalid, REFUSED, "Change the spec as the message says.";
    /// STS rejects the session policy as invalid.
    PolicyInvalid, REFUSED, "Correct the JSON and the statements of policy; the policy validator of IAM Access Analyzer shows the errors.";
    /// Session policies and tags together exceed the limit of AWS.
    PolicyTooLarge, REFUSED, "Shorten policy, or use fewer policyArns and tags.";
    /// STS is not activated in this region for the account.
    RegionDisabled, REFUSED, "Activate STS for the region in the account settings of IAM, or choose another spec.region.";
    /// STS refuses the request with an error code that tempcred does not know.
    Refused, REFUSED, "Look up the error code in the STS API reference; if it is not there, the reply may come from a proxy instead of AWS.";

    /// STS throttles the requests of the account.
    Throttled, THROTTLED, "The operator retries, and makes fewer calls per second; if the problem persists, renew less often, or ask AWS to raise the limit.";

    /// STS could not be reached, or returned a server error.
    StsUnavailable, TRANSIENT, "The operator retries; if the problem persists, check the health of STS and the network path to it.";
    /// STS did not reply in time.
    StsTimeout, TRANSIENT, "The operator retries; if the problem persists, check the network path from the operator to STS.";
    /// The reply of STS was incomplete or invalid, and was not used.
    InvalidReply, TRANSIENT, "The operator retries; if the problem persists, check proxies between the operator and STS, and the clock of the operator's node.";
    /// The operator's own AWS credentials could not be fetched.
    IdentityUnavailable, TRANSIENT, "The operator retries; if the problem persists, check the source of the operator's AWS identity (IRSA, EKS Pod Identity or instance metadata).";
    /// The credentials that sign the request have expired.
    IdentityExpired, TRANSIENT, "The operator retries with refreshed credentials; if the problem persists, check the AWS identity that signs the request and the clock of the operator's node.";
    /// The clock of the operator's node differs from the clock of AWS by more than a minute, or by so much that AWS
    /// rejects signatures.
    ClockSkewed, TRANSIENT, "Synchronize the clock of the operator's node with NTP.";
    /// The Kubernetes API server could not be reached or was overloaded.
    ApiServerUnavailable, TRANSIENT, "The operator retries; it keeps issued credentials in memory and writes them later.";
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_a_valid_condition_reason_with_advice() {
        for reason in Reason::ALL {
            assert!(reason.as_str().chars().all(char::is_alphanumeric), "{reason}");
            assert!(reason.meaning().ends_with('.'), "{reason}: {}", reason.meaning());
            assert!(reason.advice().ends_with('.'), "{reason}: {}", reason.advice());
        }
    }
}
