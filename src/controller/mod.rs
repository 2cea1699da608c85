//! The controller: processes the watches, and reconciles each resource.

mod act;
mod action;
mod audit;
mod clock;
mod confirm;
mod current_grants;
mod debounce;
mod follow;
mod grant_statuses;
mod grant_watch;
mod grants;
mod lineage;
mod memories;
mod queue;
mod reconcile;
mod references;
mod restarts;
mod run;
mod runner;
mod shared;
mod targets;
mod waker;

pub use references::References;
pub use run::{Settings, run};
pub use shared::Parts;
