//! The decisions of tempcred: they take values and the time, and return values.
//!
//! This crate has no Kubernetes client, no AWS SDK and no runtime among its dependencies, so no decision
//! can read a clock or make a request.

pub mod api;
pub mod backoff;
pub mod credentials;
pub mod desired;
pub mod fields;
pub mod grant;
pub mod observed;
pub mod plan;
pub mod problem;
pub mod request;
pub mod schedule;
pub mod secret;
pub mod status;
pub mod template;
#[cfg(test)]
mod testing;
pub mod text;
