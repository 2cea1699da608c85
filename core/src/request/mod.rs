//! The requests to STS. Each operation has one file with its API type and its validation, and one line in
//! `table.rs`.

pub mod arn;
pub mod identity;
pub mod inputs;
mod invalid;
pub mod region;
mod requested_role;
mod session_name;
mod sts_request;
mod table;
pub mod tokens;

use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

pub use invalid::InvalidRequest;
pub use requested_role::{RequestedRole, SessionOverrides, SessionParameters};
pub use session_name::default_session_name;
pub use sts_request::{Issues, StsRequest};

use crate::fields::Duration;
use inputs::Input;

/// The identities that may sign the requests of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// `spec.identity` if it is set, otherwise the operator.
    Operator,
    /// The request is not signed.
    Unsigned,
    /// The long-lived access key of an IAM user, from `spec.identity`.
    AccessKey,
    /// `spec.identity`, never the operator.
    Identity,
}

/// CEL: whether the request in this field is set and has this kind of signer.
macro_rules! signer {
    (Unsigned is Unsigned, $field:literal) => {
        concat!("has(self.", $field, ")")
    };
    (AccessKey is AccessKey, $field:literal) => {
        concat!("has(self.", $field, ")")
    };
    (Identity is Identity, $field:literal) => {
        concat!("has(self.", $field, ")")
    };
    ($other:ident is $wanted:ident, $field:literal) => {
        "false"
    };
}

macro_rules! define_operations {
    ($($(#[doc = $doc:literal])* $module:ident $name:ident $field:literal $signer:ident;)*) => {
        $(pub mod $module;)*

        $(pub use $module::$name;)*

        /// The requests that a spec can set. Exactly one must be set.
        #[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
        #[x_kube(crates(kube_core = "::kube_core"))]
        pub struct Requests {
            $(
                $(#[doc = $doc])*
                #[serde(rename = $field, default, skip_serializing_if = "Option::is_none")]
                pub $module: Option<$name>,
            )*
        }

        impl Requests {
            /// Names of the fields.
            pub const NAMES: &[&str] = &[$($field,)*];

            /// CEL rule: exactly one request is set.
            pub const EXACTLY_ONE: &str =
                concat!("[", $("has(self.", $field, "), ",)* "false].filter(set, set).size() == 1");

            /// Message of [`Self::EXACTLY_ONE`].
            pub const EXACTLY_ONE_MESSAGE: &str = concat!(
                "set exactly one request under spec (one of", $(" ", $field,)*
                "): for several credentials create several TemporaryCredentials"
            );

            /// CEL rule: an unsigned request has no identity.
            pub const UNSIGNED: &str =
                concat!("!has(self.identity) || ![", $(signer!($signer is Unsigned, $field), ", ",)* "false].exists(unsigned, unsigned)");

            /// CEL rule: a request that only an IAM user may sign has a long-lived access key.
            pub const KEYS: &str = concat!(
                "![", $(signer!($signer is AccessKey, $field), ", ",)*
                "false].exists(keys, keys) || (has(self.identity) && has(self.identity.accessKeySecretRef) && !has(self.identity.accessKeySecretRef.sessionTokenKey))"
            );

            /// CEL rule: a request that the operator does not sign has an identity.
            pub const OWN: &str =
                concat!("has(self.identity) || ![", $(signer!($signer is Identity, $field), ", ",)* "false].exists(own, own)");

            /// CEL rule: a request that issues no access key has no template.
            pub const TEMPLATE: &str = "!has(self.getWebIdentityToken) || !has(self.secret) || !has(self.secret.template) || self.secret.template.size() == 0";

            /// CEL rule: `renewal.before` is at least 5 s shorter than the duration of the request.
            pub const BEFORE_FITS: &str = concat!(
                "!has(self.renewal) || !has(self.renewal.before)",
                " || [", $("!has(self.", $field, ") || duration(self.renewal.before) + duration('5s') <= duration(has(self.", $field, ".duration) ? self.", $field, ".duration : '1h'), ",)* "true].all(fits, fits)"
            );
        }

        /// A validated request.
        #[derive(Serialize, Clone, Debug, PartialEq)]
        pub enum Operation {
            $($(#[doc = $doc])* #[serde(rename = $field)] $name($module::Request),)*
        }

        impl Operation {
            /// Validates the request of a spec. `session` is the session name if the spec sets none.
            ///
            /// # Errors
            /// [`InvalidRequest`] if the spec sets not exactly one request, or an invalid one. Its message names
            /// what to change in the spec.
            pub fn of(requests: &Requests, session: &str) -> Result<Self, InvalidRequest> {
                let mut all = vec![];
                $(
                    if let Some(request) = &requests.$module {
                        all.push($module::Request::new(request, session).map(Self::$name));
                    }
                )*
                match all.pop() {
                    Some(one) if all.is_empty() => one,
                    _ => Err(InvalidRequest::NotExactlyOne(Requests::NAMES.join(", "))),
                }
            }

            /// Number of STS calls that the request needs, without the calls that its caller needs.
            pub fn calls(&self) -> u32 {
                match self { $(Self::$name(request) => request.calls(),)* }
            }

            /// The identities that may sign the request.
            pub fn signer(&self) -> Signer {
                match self { $(Self::$name(_) => Signer::$signer,)* }
            }

            /// The field of the spec that sets the request.
            pub fn field(&self) -> &'static str {
                match self { $(Self::$name(_) => $field,)* }
            }

            /// The STS action that returns the credentials.
            pub fn action(&self) -> &'static str {
                match self { $(Self::$name(_) => <$module::Request as StsRequest>::ACTION,)* }
            }

            /// The target of the request, for messages: usually the ARN of the role.
            pub fn target(&self) -> &str {
                match self { $(Self::$name(request) => request.target(),)* }
            }

            /// The requested lifetime.
            pub fn duration(&self) -> Duration {
                match self { $(Self::$name(request) => request.duration(),)* }
            }

            /// The ARNs in the request. Other texts, such as accounts, may be among them.
            pub fn arns(&self) -> Vec<&str> {
                match self { $(Self::$name(request) => request.arns(),)* }
            }

            /// The inputs that the request needs.
            pub fn inputs(&self) -> Vec<Input> {
                match self { $(Self::$name(request) => request.inputs(),)* }
            }

            /// The roles that it assumes as its signer, in this order.
            pub fn requested_roles(&self) -> Vec<RequestedRole<'_>> {
                match self { $(Self::$name(request) => request.requested_roles(),)* }
            }

            /// The same request, with the session parameters that the grants allow and set, in the order of the
            /// requested roles.
            pub fn granted(self, parameters: Vec<SessionParameters>) -> Self {
                match self { $(Self::$name(request) => Self::$name(request.granted(parameters)),)* }
            }

            /// What the reply contains.
            pub fn issues(&self) -> Issues {
                match self { $(Self::$name(_) => <$module::Request as StsRequest>::ISSUES,)* }
            }

            /// How long a session must be valid that signs this request.
            pub fn signing_session(&self) -> Duration {
                match self { $(Self::$name(_) => <$module::Request as StsRequest>::SIGNING_SESSION,)* }
            }
        }
    };
}

crate::for_each_operation!(define_operations);
