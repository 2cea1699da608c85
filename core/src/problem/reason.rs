//! Why a credential is as it is: the reasons of conditions, failures and events.
//!
//! Reasons are part of the API: scripts and alerts match on them, so a name is never changed. Each
//! one carries its class, which decides how long to wait, and one sentence of advice;
//! `docs/reasons.md` is made from this file.

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of failure it is, which decides the backoff.
// The variants have no doc comments: with them the schema would not be structural.
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

    /// The name, as statuses and metrics carry it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "Blocked",
            Self::Refused => "Refused",
            Self::Throttled => "Throttled",
            Self::Transient => "Transient",
        }
    }

    /// How long the first failure of this class waits. A new role can answer `AccessDenied` for 10
    /// to 30 s until IAM has spread it, so a refusal is tried again after 10 s.
    pub const fn shortest_wait(self) -> SignedDuration {
        match self {
            Self::Blocked => SignedDuration::from_secs(15),
            Self::Refused => SignedDuration::from_secs(10),
            Self::Throttled => SignedDuration::from_secs(5),
            Self::Transient => SignedDuration::from_secs(1),
        }
    }

    /// The longest wait of this class. Never endless: a repaired trust policy announces itself by
    /// no event.
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
        /// Why a credential is ready, or not, or cannot be renewed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])* $name,)*
        }

        impl Reason {
            /// Every reason, in the order in which they are documented.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name, as conditions, `status.failure` and events carry it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The reason of this name, if there is one.
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.as_str() == name)
            }

            /// The class of this failure; `None` if it is not a failure.
            pub const fn class(self) -> Option<Class> {
                match self { $(Self::$name => $class,)* }
            }

            /// What a person can do about it, in one sentence.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$name => $advice,)* }
            }

            /// What it means, in one sentence.
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
    /// The Secret holds credentials that answer the spec.
    Issued, NO_FAILURE, "Nothing to do.";
    /// No operator has looked at this resource yet.
    Pending, NO_FAILURE, "Waiting for tempcred; if this stays, check that the operator runs and watches this namespace.";
    /// `spec.suspend` is set: nothing is renewed, and what is in the Secret stays.
    Suspended, NO_FAILURE, "Set spec.suspend to false to have the credentials renewed.";
    /// The credentials in the Secret have expired and could not be renewed in time.
    Expired, NO_FAILURE, "See status.failure for why the renewal failed.";
    /// After failures, the credentials were renewed (of an event).
    Recovered, NO_FAILURE, "Nothing to do.";
    /// A renewal or a first issue failed and is tried again.
    Retrying, NO_FAILURE, "See status.failure for what fails and when the next attempt comes.";
    /// `renewal` did not fit the lifetime that STS returned, and was shortened.
    LifetimeShorterThanRequested, NO_FAILURE, "Lower spec.renewal, or raise the maximum session duration of the role.";

    /// The spec asks for something that cannot be.
    InvalidSpec, BLOCKED, "Change the spec as the message says.";
    /// A Secret of this name exists and is not this resource's; it was not touched.
    SecretConflict, BLOCKED, "Choose another spec.secret.name (in a new resource), or delete the Secret if nobody needs it.";
    /// The API server refuses to store the Secret.
    SecretRejected, BLOCKED, "Check the operator's permissions on Secrets, and quotas and admission policies of the namespace.";
    /// A Secret, a key in it or a ServiceAccount that the request is made with is missing.
    InputMissing, BLOCKED, "Create what the message names, in the namespace of the resource, or correct its name in the spec.";
    /// Resources are made from each other's Secrets, so that none of them can be first.
    ReferenceLoop, BLOCKED, "Let one of them be made from something else.";
    /// The API server refuses something else that the operator asks of it.
    ClusterRefused, BLOCKED, "Check the operator's permissions, and the admission policies of the namespace.";
    /// No RoleGrant lets this namespace use the role with the operator's own identity; its Secret was removed.
    NotGranted, BLOCKED, "Ask whoever runs the cluster for a RoleGrant, or set spec.identity to sign with an identity of your own.";
    /// No region is known, so no STS endpoint can be chosen.
    RegionMissing, BLOCKED, "Set spec.region, or the operator's --region.";
    /// The operator has no AWS identity of its own to sign the request with.
    IdentityMissing, BLOCKED, "Give the operator an AWS identity: IRSA or EKS Pod Identity for its ServiceAccount, or an instance profile for its node.";

    /// AWS does not let the caller make this request.
    AccessDenied, REFUSED, "Check that the role exists, that its trust policy names the caller (and its external ID), and that the caller may call the STS action.";
    /// AWS does not accept the caller's own credentials.
    IdentityRefused, REFUSED, "Check the AWS identity that signs the request: its keys may be deleted, disabled or of another partition.";
    /// AWS does not accept the web identity token or the SAML assertion.
    TokenRefused, REFUSED, "Check that the token or assertion is whole and of the right kind, and that IAM knows its issuer and accepts its audience.";
    /// AWS finds the request invalid.
    RequestInvalid, REFUSED, "Change the spec accordingly.";
    /// AWS cannot read the session policy.
    PolicyInvalid, REFUSED, "Correct the JSON and the statements of policy; IAM's policy validator shows where it is wrong.";
    /// Session policies and tags together are larger than AWS allows.
    PolicyTooLarge, REFUSED, "Shorten policy, or use fewer policyArns and tags.";
    /// STS is not activated in this region for the account.
    RegionDisabled, REFUSED, "Activate STS for the region in the account settings of IAM, or choose another spec.region.";
    /// The request is refused for a reason that tempcred does not know.
    Refused, REFUSED, "Look the code up in the STS API reference; if it is not there, something other than AWS may have answered, such as a proxy.";

    /// STS asks for fewer requests.
    Throttled, THROTTLED, "Usually passes by itself; if it stays, renew less often, or have the operator's --sts-rate lowered.";

    /// STS could not be reached, or answered with an error of its own.
    StsUnavailable, TRANSIENT, "Usually passes by itself; if it stays, check the health of STS and the network path to it.";
    /// STS did not answer in time.
    StsTimeout, TRANSIENT, "Usually passes by itself; if it stays, check the network path from the operator to STS.";
    /// The reply of STS was incomplete or unusable, and was not used.
    InvalidReply, TRANSIENT, "Usually passes by itself; if it stays, check what stands between the operator and STS, and the clock of its node.";
    /// The operator's own AWS credentials could not be fetched.
    IdentityUnavailable, TRANSIENT, "Usually passes by itself; if it stays, check what gives the operator its AWS identity (IRSA, EKS Pod Identity, instance metadata).";
    /// The caller's own credentials have expired.
    IdentityExpired, TRANSIENT, "Usually passes by itself when the SDK refreshes the credentials; if it stays, check the clock of the operator's node and its AWS identity.";
    /// The clock of the operator's node differs from that of AWS, by minutes or so much that signatures
    /// do not hold.
    ClockSkewed, TRANSIENT, "Set the clock of the operator's node, and keep it set by NTP.";
    /// The Kubernetes API server could not be reached or was overloaded.
    ApiServerUnavailable, TRANSIENT, "Usually passes by itself; credentials that were already issued are kept and written later.";
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
    fn every_reason_is_a_valid_condition_reason_and_says_what_to_do() {
        for reason in Reason::ALL {
            assert!(reason.as_str().chars().all(char::is_alphanumeric), "{reason}");
            assert!(reason.meaning().ends_with('.'), "{reason}: {}", reason.meaning());
            assert!(reason.advice().ends_with('.'), "{reason}: {}", reason.advice());
        }
    }
}
