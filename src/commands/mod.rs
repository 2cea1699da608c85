//! The commands.

mod check;
mod crds;
mod hardening;
mod run;
mod settings;

pub use check::{Check, Rule, check};
pub use crds::crds;
pub use run::run;
pub use settings::Run;
