//! The observed state: the Secret, the status, and the memory of this process.

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
