//! Requests to the Kubernetes API, watches, and leader election. This module makes no decisions about credentials.

mod client;
mod errors;
mod events;
mod grants;
mod inputs;
pub mod lease;
mod review;
mod secrets;
mod status;
pub mod watch;

pub use client::{Cluster, client_for_values};
pub use errors::Failed;
pub use review::TokenReviewer;
