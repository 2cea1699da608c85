//! STS over the wire: one client for each region. Each call is counted and bounded in time, and every error
//! becomes a [`Problem`](tempcred_core::problem::Problem) here.

mod calls;
pub mod codes;
mod errors;
mod http;
mod params;
mod reply;
mod session;
mod signing;
mod sts;
mod whole;

pub use calls::call;
pub use session::Session;
pub use signing::sign;
pub use sts::Sts;
