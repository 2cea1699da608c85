//! Calls to STS, with one client for each region. Each call has a timeout and is counted in the metrics. Errors of the
//! SDK are converted to a [`Problem`](tempcred_core::problem::Problem) here.

mod caller;
mod calls;
pub mod codes;
mod errors;
mod exchange;
mod http;
mod identity;
mod obstacle;
mod params;
mod record;
mod reply;
mod session;
mod signing;
mod sts;
mod truncated;

pub use caller::{Caller, CallerCall, CallerFailure};
pub use calls::call;
pub use exchange::{Exchange, ReplyHead};
pub use identity::{Identity, Source};
pub use obstacle::Obstacle;
pub use record::{CallRecord, CallRecords};
pub use session::Session;
pub use signing::sign;
pub use sts::Sts;
