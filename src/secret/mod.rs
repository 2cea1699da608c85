//! The Secret, without a cluster: what tempcred writes on it, reads back from it, and whose it is.

mod facts;
mod manifest;
mod owner;
mod read;
mod render;

pub use facts::{CREDENTIAL_UID, Facts, MANAGED_BY, annotation, credential_name};
pub use manifest::Manifest;
pub use owner::{Ownership, ownership};
pub use read::credentials;
