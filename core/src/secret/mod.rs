//! The Secret as data: rendering it, reading it, and its owner.

mod adoption;
mod keys;
mod manifest;
mod owner;
mod prefixes;
mod read;
mod record;
mod render;
mod template;
mod template_syntax;

pub use adoption::ADOPT_BY;
pub(crate) use adoption::adoptable;
pub use manifest::{Manifest, SecretVersion, WriteTarget};
pub(crate) use owner::left_behind;
pub use owner::{Ownership, labelled_owner, ownership, prune_secret};
pub use prefixes::KeyPrefixes;
pub use read::read_credentials;
pub use record::{CREDENTIAL_UID, IssueRecord, MANAGED_BY, annotation, credential_name};
pub(crate) use template::check_templates;
