//! Names of grants.

/// Name of a grant. Shared, as every index has its own copies.
pub type GrantName = std::sync::Arc<str>;
