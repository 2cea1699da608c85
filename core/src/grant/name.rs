//! The name of a grant.

/// Name of a grant. It is reference-counted, because several indexes contain it.
pub type GrantName = std::sync::Arc<str>;
