//! The pure part of tempcred: the API types, and functions that take values and the time and return values.
//!
//! The dependencies of this crate include no Kubernetes client, no AWS SDK and no async runtime. So no function can
//! make a request, and none reads the clock.

pub mod allowance;
pub mod api;
pub mod backoff;
pub mod credentials;
pub mod desired;
pub mod event_budget;
pub mod fields;
pub mod grant;
pub mod key;
#[cfg(test)]
mod model;
pub mod observed;
pub mod plan;
pub mod problem;
pub mod queue;
pub mod regions;
pub mod request;
pub mod restart;
pub mod schedule;
pub mod secret;
pub mod status;
pub mod template;
#[cfg(test)]
mod testing;
pub mod text;
