//! The HTTP listener for `/livez`, `/readyz` and `/metrics`.
//!
//! Every Pod in the cluster can usually connect to it, so nothing that a peer does may take memory, time of the API
//! server, or the probes of the kubelet. The number of connections is limited, in total and for each peer. Each
//! connection serves one request, within a limited time. The listener has a thread of its own: it costs the
//! reconciliations no more than the share of one thread, however many requests arrive.

mod access;
mod certificates;
mod connections;
mod decisions;
mod page;
mod readiness;
mod reviewer;
mod routes;
mod server;

pub use access::Access;
pub use certificates::Certificates;
pub use readiness::Readiness;
pub use reviewer::{Review, ReviewFailed, Reviewer};
pub use routes::Handlers;
pub use server::serve;
