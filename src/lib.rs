//! tempcred keeps Kubernetes Secrets filled with short-lived AWS credentials from STS.
//!
//! ```text
//! watch → grant → observe → plan ─┬ Rest, Wait ──────────→ settle → next look
//!                                 ├ Mint → sts → secret ─→ settle
//!                                 ├ Write → secret ──────→ settle
//!                                 ├ Remove → secret ─────→ settle
//!                                 └ Report ──────────────→ settle
//! ```
//!
//! Where to find what:
//!
//! | module | holds | knows clients and clocks |
//! |---|---|---|
//! | [`api`] | the types users write and read, and their validation | no |
//! | [`grant`], [`template`] | who may use the operator's identity, and on what terms | no |
//! | [`desired`], [`observed`] | what a resource asks for, and what is there | no |
//! | [`mod@plan`] | what to do next | no |
//! | [`mod@schedule`], [`failure`] | when: renewals, and backoff after failures | no |
//! | [`status`], [`reason`], [`notice`] | what people are told | no |
//! | [`minted`], [`secret`] | credentials, and the Secret they are written to | no |
//! | [`source`] | what a request is made with besides its spec | no |
//! | [`text`] | text from elsewhere, fit for a log line | no |
//! | [`operation`], [`identity`], [`sts`] | requests to AWS STS, and who signs them | yes |
//! | [`cluster`] | requests to Kubernetes | yes |
//! | [`leader`] | which replica works | yes |
//! | [`controller`] | the order of steps, the queue, what is remembered | yes |
//! | [`cli`], [`mod@run`], [`hardening`], [`http`], [`logging`], [`traces`], [`metrics`], [`version`] | the program around it | yes |

pub mod api;
pub mod arn;
pub mod cli;
pub mod cluster;
pub mod controller;
pub mod desired;
pub mod failure;
pub mod grant;
pub mod hardening;
pub mod http;
pub mod identity;
pub mod leader;
pub mod logging;
pub mod metrics;
pub mod minted;
pub mod notice;
pub mod observed;
pub mod operation;
pub mod plan;
pub mod reason;
pub mod run;
pub mod schedule;
pub mod secret;
pub mod source;
pub mod status;
pub mod sts;
pub mod template;
pub mod text;
pub mod traces;
pub mod version;
