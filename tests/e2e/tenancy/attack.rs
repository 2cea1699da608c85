//! One attack: what is asked for, and what must come of it.

use serde_json::{Value, json};

/// What an attacker asks for, and how it is refused.
pub struct Attack {
    /// What it is, in words.
    pub name: &'static str,
    /// Name of the resource, if it matters.
    pub called: Option<String>,
    /// Annotations of the resource.
    pub annotations: Value,
    /// The spec of the resource.
    pub spec: Value,
    /// How it ends.
    pub refused: Refused,
}

/// How an attack ends.
pub enum Refused {
    /// The API server does not take it, with this in its message.
    AtOnce(&'static str),
    /// The operator says that it is not ready for this reason, with this in its message.
    With(&'static str, &'static str),
}

/// Nobody granted it.
pub const NOT_GRANTED: Refused = Refused::With("NotGranted", "No RoleGrant allows namespace");

/// An attack by a spec.
pub fn attack(name: &'static str, spec: Value, refused: Refused) -> Attack {
    Attack { name, called: None, annotations: json!({}), spec, refused }
}

/// An attack by the ARN of a role.
pub fn on_role(name: &'static str, arn: impl Into<String>, refused: Refused) -> Attack {
    attack(name, json!({"assumeRole": {"roleArn": arn.into()}}), refused)
}

impl Attack {
    /// The same, by a resource of this name.
    pub fn called(self, name: impl Into<String>) -> Self {
        Self { called: Some(name.into()), ..self }
    }
}
