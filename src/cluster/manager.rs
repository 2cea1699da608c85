//! The name under which tempcred writes.

/// The field manager of tempcred, and the reporting controller of its events.
pub(super) const MANAGER: &str = "tempcred";
