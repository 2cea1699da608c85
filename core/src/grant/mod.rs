//! Decides whether a resource may use the operator's own identity, from the grants, the labels of its namespace and the
//! roles that it requests.
//!
//! [`Grants`] contains all grants and decides. [`NamespaceMatcher`] and [`Grant`] are the compiled parts of one grant.
//! [`GrantUsage`] counts the resources that use each grant.

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
