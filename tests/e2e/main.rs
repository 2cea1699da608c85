//! End to end: the real binary, a real API server, an STS over the wire. One control plane for all
//! tests; each has a namespace, an operator and an STS of its own.
#![expect(
    clippy::unwrap_used,
    reason = "in a test, a failure to unwrap is the failure to show"
)]

mod world;

mod examples;
mod issue;
