//! Values that several fields of the API share, with their schemas and limits.

mod duration;
mod policies;
mod reference;
pub mod schema;
mod tags;
mod token;

pub use duration::Duration;
pub use policies::SessionPolicies;
pub use reference::SecretKeyRef;
pub use tags::{SessionTags, folded, is_reserved};
pub use token::TokenFrom;
