//! Decides whether a resource may use the operator's own identity, from the grants, the labels of its namespace and the
//! roles that it requests.
//!
//! [`Grants`] contains all grants and decides. `compiled` and `matchers` are one compiled grant, `combined` is what all
//! grants for one role demand together, and `chain` computes the parameters of the calls. [`GrantUsage`] counts the
//! resources that use each grant.

mod chain;
mod choices;
mod combined;
mod compiled;
mod decode;
mod grants;
mod invalid;
mod limits;
mod matchers;
mod name;
mod prefixes;
mod rejection;
mod status;
mod usage;

pub use grants::{Grants, Permission};
pub use invalid::InvalidGrant;
pub use matchers::{NamespaceMatcher, RoleMatcher};
pub use name::GrantName;
pub use rejection::Denial;
pub use status::status;
pub use usage::{GrantUsage, Use};
