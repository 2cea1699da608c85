//! The requests that tempcred makes to STS: one file each, with its part of the API, its checks and
//! its call, and one line in the table here.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::api::Duration;
use crate::failure::Problem;
use crate::grant::{Claim, Terms};
use crate::minted::{Minted, hex};
use crate::source::{Materials, Source};
use crate::sts::Session;

/// What every operation can do.
pub(crate) trait Perform {
    /// The action of STS that gives the credentials.
    const ACTION: &'static str;

    /// How many calls to STS it takes.
    fn calls(&self) -> u32 {
        1
    }

    /// What is asked for, in words for a person: the ARN of the role.
    fn target(&self) -> &str;

    /// How long the credentials shall live.
    fn duration(&self) -> Duration;

    /// What it needs from the cluster.
    fn sources(&self) -> Vec<Source> {
        Vec::new()
    }

    /// Asks STS.
    fn call(
        &self,
        session: &Session,
        materials: &Materials,
    ) -> impl Future<Output = Result<Minted, Problem>> + Send;
}

/// Why a spec makes no request.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
pub enum Invalid {
    /// No request is set, or more than one.
    #[error("spec must set exactly one request: one of {}", Requests::NAMES.join(", "))]
    NotOne,
    /// An ARN is no role's.
    #[error("{0:?} is not the ARN of an IAM role: write it as arn:aws:iam::123456789012:role/NAME")]
    RoleArn(String),
    /// The operator would speak in its own name, or nobody could sign.
    #[error(
        "spec.{0} needs spec.identity: the operator does not make this request in its own name"
    )]
    NotSigned(&'static str),
    /// None of several fields is set of which one has to be.
    #[error("one of {0} must be set")]
    Missing(&'static str),
}

/// Who signs a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The operator, unless `identity` is set.
    Operator,
    /// Nobody.
    Unsigned,
    /// The long-lived key of an IAM user, in `identity`.
    Keys,
    /// Whoever `identity` names: never the operator.
    Own,
}

/// CEL: whether the request in this field is set and signed like this.
macro_rules! signer {
    (Unsigned is Unsigned, $field:literal) => {
        concat!("has(self.", $field, ")")
    };
    (Keys is Keys, $field:literal) => {
        concat!("has(self.", $field, ")")
    };
    (Own is Own, $field:literal) => {
        concat!("has(self.", $field, ")")
    };
    ($other:ident is $wanted:ident, $field:literal) => {
        "false"
    };
}

// Of each: its documentation, its module, the type of its part of the API, its field in the spec, and
// who signs it, a `Signer`.
macro_rules! operations {
    ($($(#[doc = $doc:literal])* $module:ident $name:ident $field:literal $signer:ident;)*) => {
        $(mod $module;)*

        $(pub use $module::$name;)*

        /// The requests of a spec, of which exactly one is set.
        #[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
        pub struct Requests {
            $(
                $(#[doc = $doc])*
                #[serde(rename = $field, default, skip_serializing_if = "Option::is_none")]
                pub $module: Option<$name>,
            )*
        }

        impl Requests {
            /// The fields, as they are written.
            pub const NAMES: &[&str] = &[$($field,)*];

            /// CEL: exactly one request is set.
            pub const EXACTLY_ONE: &str =
                concat!("[", $("has(self.", $field, "), ",)* "false].filter(set, set).size() == 1");

            /// What to say if it is not so.
            pub const EXACTLY_ONE_MESSAGE: &str = concat!(
                "set exactly one request under spec (one of", $(" ", $field,)*
                "): for several credentials create several TemporaryCredentials"
            );

            /// CEL: no identity where nobody signs.
            pub const UNSIGNED: &str =
                concat!("!has(self.identity) || ![", $(signer!($signer is Unsigned, $field), ", ",)* "false].exists(unsigned, unsigned)");

            /// CEL: an access key where only that of an IAM user may sign.
            pub const KEYS: &str = concat!(
                "![", $(signer!($signer is Keys, $field), ", ",)*
                "false].exists(keys, keys) || (has(self.identity) && has(self.identity.accessKeySecretRef) && !has(self.identity.accessKeySecretRef.sessionTokenKey))"
            );

            /// CEL: an identity where the operator would otherwise speak for itself.
            pub const OWN: &str =
                concat!("has(self.identity) || ![", $(signer!($signer is Own, $field), ", ",)* "false].exists(own, own)");

            /// CEL: `renewal.before` fits into the duration of the request.
            pub const BEFORE_FITS: &str = concat!(
                "!has(self.renewal) || !has(self.renewal.before)",
                " || [", $("!has(self.", $field, ") || duration(self.renewal.before) + duration('5s') <= duration(self.", $field, ".duration), ",)* "true].all(fits, fits)"
            );
        }

        /// A validated request.
        #[derive(Serialize, Clone, Debug, PartialEq)]
        pub enum Operation {
            $($(#[doc = $doc])* #[serde(rename = $field)] $name($module::Request),)*
        }

        impl Operation {
            /// The request of a spec; `session` is the name of the session where the spec gives none.
            ///
            /// # Errors
            /// [`Invalid`] says what to change in the spec.
            pub fn of(requests: &Requests, session: &str) -> Result<Self, Invalid> {
                let mut all = vec![];
                $(
                    if let Some(request) = &requests.$module {
                        all.push($module::Request::new(request, session).map(Self::$name));
                    }
                )*
                match all.pop() {
                    Some(one) if all.is_empty() => one,
                    _ => Err(Invalid::NotOne),
                }
            }

            /// How many calls to STS it takes.
            pub fn calls(&self) -> u32 {
                match self { $(Self::$name(request) => request.calls(),)* }
            }

            /// Who signs it.
            pub fn signer(&self) -> Signer {
                match self { $(Self::$name(_) => Signer::$signer,)* }
            }

            /// The field of the spec that asks for it.
            pub fn field(&self) -> &'static str {
                match self { $(Self::$name(_) => $field,)* }
            }

            /// The action of STS that gives the credentials.
            pub fn action(&self) -> &'static str {
                match self { $(Self::$name(_) => <$module::Request as Perform>::ACTION,)* }
            }

            /// What is asked for, in words for a person.
            pub fn target(&self) -> &str {
                match self { $(Self::$name(request) => request.target(),)* }
            }

            /// How long the credentials shall live.
            pub fn duration(&self) -> Duration {
                match self { $(Self::$name(request) => request.duration(),)* }
            }

            /// What it needs from the cluster.
            pub fn sources(&self) -> Vec<Source> {
                match self { $(Self::$name(request) => request.sources(),)* }
            }

            /// Asks STS.
            ///
            /// # Errors
            /// A [`Problem`] without any value of the request or the reply.
            pub async fn call(&self, session: &Session, materials: &Materials) -> Result<Minted, Problem> {
                match self { $(Self::$name(request) => request.call(session, materials).await,)* }
            }
        }
    };
}

operations! {
    /// Assume an IAM role, directly or through other roles, signed by `identity` or else by the
    /// operator's own.
    assume_role AssumeRole "assumeRole" Operator;
    /// Assume an IAM role with a token of a ServiceAccount or of another identity provider. Unsigned:
    /// the trust policy of the role alone decides.
    assume_role_with_web_identity AssumeRoleWithWebIdentity "assumeRoleWithWebIdentity" Unsigned;
    /// Assume an IAM role with a SAML assertion. Unsigned: the trust policy of the role alone decides.
    assume_role_with_saml AssumeRoleWithSaml "assumeRoleWithSAML" Unsigned;
    /// Do one privileged task in a member account of the organization. Needs `identity`.
    assume_root AssumeRoot "assumeRoot" Own;
    /// A session of the IAM user whose key `identity.accessKeySecretRef` names.
    get_session_token GetSessionToken "getSessionToken" Keys;
    /// A session of a federated user, on behalf of the IAM user whose key
    /// `identity.accessKeySecretRef` names.
    get_federation_token GetFederationToken "getFederationToken" Keys;
    /// A token that tells another cloud or service who the caller is to AWS. Needs `identity`.
    get_web_identity_token GetWebIdentityToken "getWebIdentityToken" Own;
}

impl Operation {
    /// The roles that it assumes in the name of its signer, in this order.
    pub fn claims(&self) -> Vec<Claim<'_>> {
        match self {
            Self::AssumeRole(request) => request.claims(),
            _ => Vec::new(),
        }
    }

    /// The same, with what grants add to its calls, in the order of the claims.
    pub fn on(self, terms: Vec<Terms>) -> Self {
        match self {
            Self::AssumeRole(request) => Self::AssumeRole(request.on(terms)),
            other => other,
        }
    }
}

pub(crate) use assume_role_with_web_identity::Request as TokenExchange;

/// Longest name of a session that STS takes.
const LONGEST_SESSION_NAME: usize = 64;

/// The name of a session: as the spec has it, else the default.
fn session_name(spec: Option<&str>, default: &str) -> String {
    spec.map_or_else(|| shortened(default), str::to_owned)
}

/// `name`, or as much of it as a session name may have, with a hash that keeps it unique.
fn shortened(name: &str) -> String {
    if name.len() <= LONGEST_SESSION_NAME {
        return name.to_owned();
    }
    let hash = &hex(&Sha256::digest(name.as_bytes()))[..8];
    format!("{}-{hash}", &name[..LONGEST_SESSION_NAME - 9])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn default_session_names_are_what_sts_takes(namespace in "[a-z0-9-]{1,63}", name in "[a-z0-9.-]{1,253}") {
            let got = shortened(&format!("tempcred-{namespace}-{name}"));
            prop_assert!((2..=64).contains(&got.len()), "{got}");
            prop_assert!(got.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)), "{got}");
        }

        #[test]
        fn long_names_with_one_beginning_stay_apart(a in "[a-z]{5}", b in "[a-z]{5}") {
            prop_assume!(a != b);
            let long = "x".repeat(80);
            prop_assert_ne!(shortened(&format!("{long}{a}")), shortened(&format!("{long}{b}")));
        }
    }
}
