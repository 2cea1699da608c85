//! The Kubernetes API: what tempcred reads from it and writes to it. Nothing is decided here.

mod client;
mod errors;
mod events;
mod grants;
mod inputs;
pub mod lease;
mod secrets;
mod status;
pub mod watch;

pub use client::{Cluster, client_for_values};
pub use errors::Failed;
