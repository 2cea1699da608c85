//! Parts of the schema that several requests have in common.

use schemars::{Schema, SchemaGenerator, json_schema};

use super::Duration;

/// CEL: the duration is one that STS takes for a role.
pub const ROLE_DURATION: &str =
    "duration(self.duration) >= duration('15m') && duration(self.duration) <= duration('12h')";

/// What to say if it is not.
pub const ROLE_DURATION_MESSAGE: &str = "duration must be between 15m and 12h: STS accepts nothing outside, and the role's own maximum session duration may be lower";

/// The default duration, which is that of STS for roles.
pub const fn one_hour() -> Duration {
    Duration::from_secs(3600)
}

/// The ARN of a role.
pub fn role_arn(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 20,
        "maxLength": 2048,
        "pattern": "^arn:aws[a-z-]*:iam::[0-9]{12}:role/[!-~]+$",
    })
}
