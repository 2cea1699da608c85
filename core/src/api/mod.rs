//! The Kubernetes API of tempcred: the types that users write and read.
//!
//! Everything that the API server can check is declared here and in [`fields`](crate::fields): as schema, or as a CEL
//! rule with a message that says what to change. [`crds`] generates the manifests in `crds/` from these types.

mod cached;
pub mod condition;
mod crd;
mod credential;
mod grant;
mod restart;
mod secret;
mod status;
mod stored_grant;

pub use cached::CachedCredential;
pub use crd::crds;
pub use credential::{
    RENEW_REQUESTED_AT, Renewal, TemporaryCredential, TemporaryCredentialSpec, prune_credential,
};
pub use grant::{
    GrantMode, GrantStatus, GrantedNamespaces, GrantedSession, RoleGrant, RoleGrantSpec,
};
pub use restart::{RestartState, RestartStatus, RestartTarget, WorkloadKind};
pub use secret::{DeletionPolicy, Format, SecretSpec};
pub use status::{CredentialStatus, FailureStatus, Readiness, SecretStatus};
pub use stored_grant::StoredGrant;

/// API group of every tempcred resource, and prefix of its annotations and labels.
pub const GROUP: &str = "tempcred.dev";
