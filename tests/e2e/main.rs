//! End-to-end tests: the real binary, a real API server, and an STS responder over HTTP. All tests share a
//! control plane; each has a namespace, an operator and a responder of its own.
#![expect(clippy::unwrap_used, reason = "in a test, a failure to unwrap is the failure to show")]

mod check;
mod delivery;
mod denial;
mod objects;
mod operator;
mod random;
mod world;

mod agent;
mod chart;
mod combined;
mod commands;
mod crash;
mod doctor;
mod examples;
mod exhaustion;
mod faults;
mod gitops;
mod grants;
mod hardening;
mod identities;
mod injection;
mod leak;
mod limits;
mod listener;
mod log;
mod manifests;
mod metrics;
mod once;
mod operations;
mod outage;
mod ownership;
mod proof;
mod refused;
mod relist;
mod replicas;
mod requests;
mod resource;
mod runbooks;
mod sdks;
mod shutdown;
mod tenancy;
mod threats;
mod traces;
mod validation;
