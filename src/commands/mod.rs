//! The commands.

mod agent;
mod check;
mod crds;
mod doctor;
mod hardening;
mod kubernetes;
mod run;
mod settings;
mod signals;
mod terminal;

pub use agent::{AgentArgs, agent, become_small_agent};
pub use check::{Check, Rule, check};
pub use crds::crds;
pub use doctor::{Doctor, doctor};
pub use run::run;
pub use settings::Run;
pub use terminal::{Completions, Exec, Man, Renew, Status};
pub use terminal::{completions, exec, man, renew, status};
