//! How workloads get the credentials: templates, adopted Secrets, and restarts.

mod adoption;
pub mod controllers;
mod restart;
mod restart_failures;
mod templates;
