//! Parts of the schema that several requests have in common.

use schemars::{Schema, SchemaGenerator, json_schema};

use super::duration::Duration;

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
        "pattern": "^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/([!-~]{1,510}/)?[A-Za-z0-9_+=,.@-]{1,64}$",
    })
}

/// CEL: the duration is one that STS takes for an IAM user.
pub const USER_DURATION: &str =
    "duration(self.duration) >= duration('15m') && duration(self.duration) <= duration('36h')";

/// What to say if it is not.
pub const USER_DURATION_MESSAGE: &str =
    "duration must be between 15m and 36h: STS accepts nothing outside for an IAM user";

/// The default duration of STS for IAM users.
pub const fn twelve_hours() -> Duration {
    Duration::from_secs(12 * 3600)
}

/// The default, and longest, duration of STS for root users.
pub const fn fifteen_minutes() -> Duration {
    Duration::from_secs(900)
}

/// The default duration for web identity tokens: a shorter token is renewed faster than a kubelet updates a
/// mount.
pub const fn forty_five_minutes() -> Duration {
    Duration::from_secs(45 * 60)
}

/// CEL: a token comes from exactly one place.
pub const TOKEN_FROM_ONE: &str = "has(self.serviceAccountName) != has(self.tokenSecretRef)";

/// What to say if it does not.
pub const TOKEN_FROM_ONE_MESSAGE: &str =
    "set exactly one of serviceAccountName and tokenSecretRef: a token comes from one of them";

/// CEL: an audience is chosen only for a token that is requested.
pub const TOKEN_AUDIENCE: &str = "!has(self.audience) || has(self.serviceAccountName)";

/// What to say if it is not.
pub const TOKEN_AUDIENCE_MESSAGE: &str = "audience goes with serviceAccountName: a token from a Secret has its audience already; remove audience";

/// CEL: each key of tags is one that STS takes.
pub const TAG_KEYS: &str =
    "self.all(k, size(k) >= 1 && size(k) <= 128 && k.matches('^[\\\\pL\\\\pZ\\\\pN_.:/=+@-]+$'))";

/// What to say if it is not so.
pub const TAG_KEYS_MESSAGE: &str =
    "tag keys must have 1 to 128 characters: letters, digits, spaces and _.:/=+-@";

/// CEL: no key of tags is one that AWS keeps for itself.
pub const TAG_PREFIX: &str = "self.all(k, !k.lowerAscii().startsWith('aws:'))";

/// What to say if it is not so.
pub const TAG_PREFIX_MESSAGE: &str =
    "tag keys must not begin with aws: as AWS keeps that prefix for itself; rename the tag";

/// CEL: no two keys of tags are equal to STS.
pub const TAG_CASE: &str = "self.all(a, self.exists_one(b, a.lowerAscii() == b.lowerAscii()))";

/// What to say if it is not so.
pub const TAG_CASE_MESSAGE: &str = "no two tag keys may be equal when case is ignored: STS treats them as one; remove or rename one of them";

/// Tags of a session.
pub fn tags(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": {"type": "string", "maxLength": 256},
        "maxProperties": 50,
    })
}

/// ARNs of managed policies that are used as session policies.
pub fn policy_arns(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 10,
        "items": {
            "type": "string",
            "minLength": 20,
            "maxLength": 2048,
            "pattern": "^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[!-~]+$",
        },
    })
}
