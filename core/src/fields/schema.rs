//! Parts of the schema that several requests share.

use schemars::{Schema, SchemaGenerator, json_schema};

use super::duration::Duration;

/// CEL rule: STS accepts the duration for a role.
pub const ROLE_DURATION: &str =
    "duration(self.duration) >= duration('15m') && duration(self.duration) <= duration('12h')";

/// Message of [`ROLE_DURATION`].
pub const ROLE_DURATION_MESSAGE: &str = "duration must be between 15m and 12h: STS accepts no other duration for a role, and the maximum session duration of the role may be lower";

/// The default duration of STS for roles, 1 hour.
pub const fn one_hour() -> Duration {
    Duration::from_secs(3600)
}

/// CEL rule: STS accepts the duration for a role, if it is set.
pub const OPTIONAL_ROLE_DURATION: &str = "!has(self.duration) || (duration(self.duration) >= duration('15m') && duration(self.duration) <= duration('12h'))";

/// Schema of the ARN of a role.
pub fn role_arn(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 20,
        "maxLength": 2048,
        "pattern": "^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/([!-~]{1,510}/)?[A-Za-z0-9_+=,.@-]{1,64}$",
    })
}

/// CEL rule: STS accepts the duration for an IAM user.
pub const USER_DURATION: &str =
    "duration(self.duration) >= duration('15m') && duration(self.duration) <= duration('36h')";

/// Message of [`USER_DURATION`].
pub const USER_DURATION_MESSAGE: &str =
    "duration must be between 15m and 36h: STS accepts no other duration for an IAM user";

/// The default duration of STS for IAM users, 12 hours.
pub const fn twelve_hours() -> Duration {
    Duration::from_secs(12 * 3600)
}

/// The default and maximum duration of STS for root sessions, 15 minutes.
pub const fn fifteen_minutes() -> Duration {
    Duration::from_secs(900)
}

/// The default duration for web identity tokens. Tokens with a much shorter lifetime are renewed more often than a
/// kubelet updates a mounted Secret.
pub const fn forty_five_minutes() -> Duration {
    Duration::from_secs(45 * 60)
}

/// CEL rule: exactly one of the two fields for a token is set.
pub const TOKEN_FROM_ONE: &str = "has(self.serviceAccountName) != has(self.tokenSecretRef)";

/// Message of [`TOKEN_FROM_ONE`].
pub const TOKEN_FROM_ONE_MESSAGE: &str = "set exactly one of serviceAccountName and tokenSecretRef";

/// CEL rule: an audience is set only for a token of a ServiceAccount.
pub const TOKEN_AUDIENCE: &str = "!has(self.audience) || has(self.serviceAccountName)";

/// Message of [`TOKEN_AUDIENCE`].
pub const TOKEN_AUDIENCE_MESSAGE: &str = "audience applies only to serviceAccountName, because a token from a Secret already has an audience: remove audience";

/// CEL rule: STS accepts each key of the tags.
pub const TAG_KEYS: &str =
    "self.all(k, size(k) >= 1 && size(k) <= 128 && k.matches('^[\\\\pL\\\\pZ\\\\pN_.:/=+@-]+$'))";

/// Message of [`TAG_KEYS`].
pub const TAG_KEYS_MESSAGE: &str =
    "tag keys must have 1 to 128 characters: letters, digits, spaces and _.:/=+-@";

/// CEL rule: no key of the tags has the prefix that AWS reserves.
pub const TAG_PREFIX: &str = "self.all(k, !k.lowerAscii().startsWith('aws:'))";

/// Message of [`TAG_PREFIX`].
pub const TAG_PREFIX_MESSAGE: &str =
    "tag keys must not begin with aws: because AWS reserves that prefix; rename the tag";

/// CEL rule: no key of the tags has the prefix of the tags that only the operator sets.
pub const TAG_RESERVED: &str = "self.all(k, !k.lowerAscii().startsWith('tempcred.dev/'))";

/// Message of [`TAG_RESERVED`].
pub const TAG_RESERVED_MESSAGE: &str = "tag keys must not begin with tempcred.dev/ because only session.attribution of a RoleGrant sets these tags; rename the tag";

/// CEL rule: no two keys of the tags differ only in case.
pub const TAG_CASE: &str = "self.all(a, self.exists_one(b, a.lowerAscii() == b.lowerAscii()))";

/// Message of [`TAG_CASE`].
pub const TAG_CASE_MESSAGE: &str = "tag keys must differ in more than case, because STS ignores the case of tag keys: remove or rename one of them";

/// Schema of session tags.
pub fn tags(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": {"type": "string", "maxLength": 256},
        "maxProperties": 50,
    })
}

/// Schema of the ARNs of managed policies that are used as session policies.
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
