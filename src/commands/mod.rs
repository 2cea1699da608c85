//! The commands.

mod crds;
mod hardening;
mod run;
mod settings;

pub use crds::crds;
pub use run::run;
pub use settings::Run;
