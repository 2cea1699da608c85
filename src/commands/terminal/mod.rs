//! The commands that a person runs at a terminal: `status`, `renew`, `exec`, and what a package installs.

mod age;
mod candidates;
mod exec;
mod generate;
mod kube;
mod manual;
pub(super) mod output;
mod renew;
mod status;
mod table;

pub use exec::{Exec, exec};
pub use generate::{Completions, Man, completions, man};
pub use renew::{Renew, renew};
pub use status::{Status, status};
