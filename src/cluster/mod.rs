//! Requests to the Kubernetes API, watches, and leader election. This module makes no decisions about credentials.

mod abandoned_lease;
mod client;
mod crd;
mod current;
mod errors;
mod events;
mod grants;
mod inputs;
pub mod lease;
mod manager;
mod reviews;
mod rights;
mod secrets;
mod status;
mod token_reviewer;
pub mod watch;
mod workloads;

pub use client::{Clients, Cluster, clients};
pub use crd::{Definition, GRANT_CRD};
pub use current::Undecodable;
pub use errors::Failed;
pub use events::Events;
pub use rights::{Feature, RIGHTS, Right, Scope};
pub use token_reviewer::TokenReviewer;
