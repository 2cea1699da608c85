//! Which namespaces may use the operator's own identity: pure decisions over the grants, the labels of
//! namespaces and the roles that a resource requests.
//!
//! [`Grants`] holds all grants and decides. [`NamespaceMatcher`] and [`Grant`] are the two halves of one
//! grant, compiled. [`GrantUsage`] counts the resources that each grant serves.

mod compiled;
mod grants;
mod name;
mod prefixes;
mod status;
mod usage;

pub use compiled::{Grant, InvalidGrant, NamespaceMatcher};
pub use grants::{Grants, Permission};
pub use name::GrantName;
pub use status::status;
pub use usage::GrantUsage;
