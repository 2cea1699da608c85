//! The figures of the grants that the metrics show.

use std::sync::{Arc, Mutex, PoisonError};

use tempcred_core::grant::GrantName;
use tempcred_core::problem::Reason;

/// The figures of one grant.
#[derive(Clone, Debug)]
pub struct GrantFigures {
    /// Name of the grant.
    pub name: GrantName,
    /// Whether the grant is valid.
    pub is_valid: bool,
    /// Number of resources that it allows or constrains.
    pub used: u32,
    /// Number of resources that it rejects, by reason.
    pub rejections: [(Reason, u32); 3],
}

/// A function that returns the current figures of all grants.
type Source = Arc<dyn Fn() -> Vec<GrantFigures> + Send + Sync>;

/// Where the figures come from. Empty until the cache of the grants exists.
#[derive(Clone, Default)]
pub(super) struct GrantSource(Arc<Mutex<Option<Source>>>);

impl GrantSource {
    pub(super) fn set(&self, source: impl Fn() -> Vec<GrantFigures> + Send + Sync + 'static) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(source));
    }

    /// The current figures, sorted by name.
    pub(super) fn figures(&self) -> Vec<GrantFigures> {
        let source = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        source.map(|source| source()).unwrap_or_default()
    }
}
