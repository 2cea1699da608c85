//! Who may use the operator's own identity: pure decisions over the grants, the labels of namespaces
//! and what a resource claims.
//!
//! [`Grants`] holds what is granted, and decides; [`Audience`] and [`Grant`]
//! are the halves of one grant, compiled; a [`Claim`] is one
//! role that a resource wants to have assumed, and [`Terms`] are what the grant adds to that call;
//! [`Roll`] counts whom each grant serves.

mod claim;
mod compiled;
mod grants;
mod prefixes;
mod roll;
mod status;

pub use claim::{Claim, Terms, Wishes};
pub use compiled::{Audience, Flaw, Grant};
pub use grants::{Grants, Permission};
pub use roll::Roll;
pub use status::status;

/// Name of a grant.
pub type Name = std::sync::Arc<str>;
