//! How workloads get the credentials: templates, adopted Secrets, and restarts.

mod adoption;
mod controllers;
mod restart;
mod restart_failures;
mod templates;
