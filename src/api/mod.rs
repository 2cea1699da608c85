//! The Kubernetes API of tempcred: the types that users write and read.
//!
//! Everything that the API server can check is declared here, as schema or as a CEL rule with a
//! message that names the remedy; [`crds`] turns it into the manifests under `crds/`.

mod crd;
mod credential;
mod duration;
mod grant;
mod policies;
mod reference;
pub(crate) mod schema;
mod secret;
mod status;
mod tags;
mod token;

pub use crd::crds;
pub use credential::{LONGEST_REQUEST, Renewal, TemporaryCredential, TemporaryCredentialSpec};
pub use duration::Duration;
pub use grant::{GrantStatus, GrantedNamespaces, GrantedSession, RoleGrant, RoleGrantSpec};
pub use policies::SessionPolicies;
pub use reference::SecretKeyRef;
pub use secret::{DeletionPolicy, Format, SecretSpec};
pub use status::{CredentialStatus, FailureStatus, SecretStatus};
pub use tags::SessionTags;
pub use token::TokenFrom;

/// API group of every tempcred resource, and prefix of its annotations and labels.
pub const GROUP: &str = "tempcred.dev";

/// Annotation that asks for a renewal now: set it to a new value, for example the current time.
/// `status.lastRenewRequest` repeats the value once the renewal is done.
pub const RENEW_REQUESTED_AT: &str = "tempcred.dev/renew-requested-at";
