//! What is observed: the Secret, the status, and what this process remembers.

mod memory;
mod read;
mod secret;
#[cfg(test)]
mod tests;

pub use memory::Memory;
pub use read::Remembered;
pub use secret::{
    Content, KnownSecret, Observed, OwnedSecret, PendingWrite, ReadSecret, SecretView,
    WatchedSecret,
};
