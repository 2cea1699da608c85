//! One file for each kind of call.

pub(super) mod assume_role;
pub(super) mod root;
pub(super) mod saml;
pub(super) mod token;
pub(super) mod user;
pub(super) mod web_identity;
