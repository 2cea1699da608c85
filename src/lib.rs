//! tempcred writes short-lived AWS credentials from STS to Kubernetes Secrets, and renews them before they expire.
//!
//! ```text
//! watch → observe → plan ─┬ Read ──→ observe again, once
//!                         ├ Wait ──→ requeue
//!                         ├ Issue ─→ queue → sts → secret → apply → status
//!                         └ Report (blocked, foreign, not granted) → status
//! ```
//!
//! The crate [`tempcred_core`] makes all decisions. Its functions take values and the time, and return values. This
//! crate is the program around it. Imports go one way:
//!
//! | module | contains | may import |
//! |---|---|---|
//! | [`tempcred_core`] | the API, the requests, plans, Secrets and statuses | |
//! | [`telemetry`] | metrics, traces, logs, the HTTP listener | core |
//! | [`aws`] | calls to AWS STS, and its errors | core, telemetry |
//! | [`cluster`] | requests to Kubernetes, watches, the Lease | core, telemetry |
//! | [`controller`] | the reconciliation, the STS queue, the memory of the process | all above |
//! | [`planted`] | bugs for tests of the tests, which no release has | |
//! | [`commands`], [`cli`] | the commands and the command line | all above |

pub mod aws;
pub mod cli;
pub mod cluster;
pub mod commands;
pub mod controller;
pub mod planted;
pub mod telemetry;
