//! Fuzz targets, each with a time budget: valid input is changed at random, and properties are checked that
//! hold for all input. CONTRIBUTING.md says how to run them for longer.
#![expect(clippy::unwrap_used, reason = "in a test, a failure to unwrap is the failure to show")]

mod annotations;
mod arn;
mod budget;
mod granted;
mod grants;
mod input;
mod rendering;
mod sts_reply;
