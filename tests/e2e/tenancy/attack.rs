//! One attack: a resource, and how it must be rejected.

use serde_json::{Value, json};

/// A resource of the attacker, and how it is rejected.
pub struct Attack {
    /// A description.
    pub name: &'static str,
    /// Name of the resource, if it matters.
    pub called: Option<String>,
    /// Annotations of the resource.
    pub annotations: Value,
    /// The spec of the resource.
    pub spec: Value,
    /// How it is rejected.
    pub refused: Refused,
}

/// How an attack is rejected.
pub enum Refused {
    /// The API server rejects the resource, with this in its message.
    ByApiServer(&'static str),
    /// The operator reports the resource as not ready, with this reason and this in its message.
    ByOperator(&'static str, &'static str),
}

/// No grant allows it.
pub const NOT_GRANTED: Refused = Refused::ByOperator("NotGranted", "No RoleGrant allows namespace");

/// An attack with a spec.
pub fn attack(name: &'static str, spec: Value, refused: Refused) -> Attack {
    Attack { name, called: None, annotations: json!({}), spec, refused }
}

/// An attack with the ARN of a role.
pub fn on_role(name: &'static str, arn: impl Into<String>, refused: Refused) -> Attack {
    attack(name, json!({"assumeRole": {"roleArn": arn.into()}}), refused)
}

impl Attack {
    /// The same, with a resource of this name.
    pub fn called(self, name: impl Into<String>) -> Self {
        Self { called: Some(name.into()), ..self }
    }
}
