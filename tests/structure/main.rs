//! The structure of the program: no import goes in a circle, none goes up, and what decides depends on
//! nothing that could do.
//!
//! | module | holds |
//! |---|---|
//! | [`tree`] | the modules, with what each declares and mentions |
//! | [`resolve`] | which module declares what a path names |
//! | [`imports`] | which file imports which |
//! | [`circles`], [`folders`] | what is wrong with that |
//! | [`dependencies`] | what is wrong with the dependencies of the core |
#![expect(clippy::unwrap_used, reason = "in a test, a failure to unwrap is the failure to show")]

mod circles;
mod dependencies;
mod folders;
mod imports;
mod planted;
mod resolve;
mod tree;

use std::collections::BTreeMap;

/// The text of each source file, by its path in the workspace.
type Sources = BTreeMap<String, String>;
