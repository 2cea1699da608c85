//! Metrics, traces, logs, and the HTTP listener.

mod causes;
mod fleet;
mod gauges;
pub mod grants;
pub mod http;
pub mod logging;
mod measured;
pub mod metrics;
mod parts;
pub mod table;
pub mod traces;
pub mod version;
