//! Metrics, traces, logs, and the HTTP listener.

mod fleet;
mod gauges;
pub mod grants;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod table;
pub mod traces;
pub mod version;
