//! A model of the operator and the world around it, whose states a model checker explores.
//!
//! The decisions are the real functions. The world is small: one resource, its Secret, a watch that may be behind,
//! STS, one grant, users, and a process that may stop after any effect. In every state that can be reached, within
//! a budget of faults, user actions and time, the properties must hold.

mod actions;
mod api_server;
mod bugs;
mod process;
mod properties;
mod secret;
mod snapshot;
mod spec;
mod tests;
mod world;
mod writes;

use bugs::Bug;
use world::Budget;

/// What the checker explores.
#[derive(Clone)]
struct Model {
    /// Whether no other process ever leads.
    sole: bool,
    /// How much may happen.
    budget: Budget,
    /// The bug that is planted.
    bug: Option<Bug>,
}
