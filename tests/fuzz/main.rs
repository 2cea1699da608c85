//! Targets for random input, each for a budget of time: structured input that is broken at random, checked
//! against what must hold whatever comes. CONTRIBUTING.md tells how to run them for longer.
#![expect(clippy::unwrap_used, reason = "in a test, a failure to unwrap is the failure to show")]

mod annotations;
mod arn;
mod budget;
mod granted;
mod grants;
mod input;
mod rendering;
mod sts_reply;
