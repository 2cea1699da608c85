//! Credentials that STS issued, and their validation.

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::text::{hex, is_one_line};

/// Longest accepted value, in bytes. AWS documents no limit for session tokens. A Secret can contain at most 1 MiB, and
/// it contains each value up to three times.
const LONGEST_VALUE: usize = 65_536;

/// Longest access key ID, in characters. From the STS API reference.
const LONGEST_ID: usize = 128;

/// Longest ARN, in characters. From the STS API reference.
const LONGEST_ARN: usize = 2048;

/// The values that STS issued. Cannot be printed, cloned or serialised.
#[cfg_attr(test, derive(Clone))]
pub enum Values {
    /// The access key of a session.
    AccessKey(AccessKey),
    /// A token (a JWT) for another identity provider.
    Token(SecretString),
}

/// The access key of a session.
#[cfg_attr(test, derive(Clone))]
pub struct AccessKey {
    /// Access key ID. It is not a secret.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: SecretString,
    /// Session token.
    pub session_token: SecretString,
}

impl Values {
    /// Each value, with its name.
    fn named(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::AccessKey(keys) => vec![
                ("access key ID", keys.access_key_id.as_str()),
                ("secret access key", keys.secret_access_key.expose_secret()),
                ("session token", keys.session_token.expose_secret()),
            ],
            Self::Token(token) => vec![("web identity token", token.expose_secret())],
        }
    }
}

/// A reply of STS that is not validated yet.
pub struct Reply {
    /// The issued values.
    pub values: Values,
    /// When the values expire.
    pub expiration: Timestamp,
    /// ARN of the principal that the values belong to. `None` if the operation returns none.
    pub principal_arn: Option<String>,
    /// Used share of the AWS limit for session policies and tags, in percent.
    pub packed_policy_size: Option<i32>,
}

/// Validated credentials: complete, and unexpired when they were checked.
///
/// Cannot be printed, copied or serialised: the values leave only through [`ExposeSecret`].
#[cfg_attr(test, derive(Clone))]
pub struct Credentials {
    /// The issued values.
    pub values: Values,
    /// When the values were requested, in whole seconds.
    pub issued_at: Timestamp,
    /// When the values expire, in whole seconds.
    pub expiration: Timestamp,
    /// ARN of the principal that the values belong to. `None` if the operation returns none.
    pub principal_arn: Option<String>,
    /// Used share of the AWS limit for session policies and tags, in percent.
    pub packed_policy_size: Option<i32>,
}

/// The error of a reply that cannot be used.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum InvalidReply {
    /// A field is empty, for example because the reply was truncated.
    #[error("the reply of STS contains no {0}, so it may have been truncated; it was not used")]
    Empty(&'static str),
    /// The credentials were already expired.
    #[error(
        "the reply of STS contains credentials that expired at {expiration}, but the operator's clock shows {now}; they were not used"
    )]
    Expired {
        /// The expiration in the reply.
        expiration: Timestamp,
        /// The time by the clock of this process.
        now: Timestamp,
    },
    /// A value contains characters that no credential contains.
    #[error(
        "the {0} in the reply of STS contains spaces, quotes or control characters; the reply was not used"
    )]
    Malformed(&'static str),
    /// A value exceeds the accepted length.
    #[error(
        "the {0} in the reply of STS is longer than {LONGEST_VALUE} bytes; the reply was not used"
    )]
    TooLong(&'static str),
}

impl Credentials {
    /// Validates a reply to a request that was made at `requested_at`. No field may be empty, no value may contain a
    /// character that could break out of a file, and the credentials must be unexpired at `now`.
    ///
    /// # Errors
    /// [`InvalidReply`]. Its message contains no secret value.
    pub fn check(
        reply: Reply,
        requested_at: Timestamp,
        now: Timestamp,
    ) -> Result<Self, InvalidReply> {
        for (field, value) in reply.values.named() {
            if value.is_empty() {
                return Err(InvalidReply::Empty(field));
            }
            if !value.bytes().all(|b| b.is_ascii_graphic() && !b"\"\\".contains(&b)) {
                return Err(InvalidReply::Malformed(field));
            }
            if value.len() > LONGEST_VALUE {
                return Err(InvalidReply::TooLong(field));
            }
        }
        // The status contains the access key ID, so its length is limited.
        if let Values::AccessKey(keys) = &reply.values
            && !is_access_key_id(&keys.access_key_id)
        {
            return Err(InvalidReply::Malformed("access key ID"));
        }
        // The SDK replaces missing fields of a reply: by the epoch for a time, and by an empty string.
        if reply.expiration == Timestamp::UNIX_EPOCH {
            return Err(InvalidReply::Empty("expiration"));
        }
        let expiration = whole_second(reply.expiration);
        if expiration <= now {
            return Err(InvalidReply::Expired { expiration, now: whole_second(now) });
        }
        Ok(Self {
            values: reply.values,
            issued_at: whole_second(requested_at),
            expiration,
            // Informational: the credentials are valid without it.
            principal_arn: reply.principal_arn.filter(|arn| is_principal(arn)),
            packed_policy_size: reply.packed_policy_size,
        })
    }

    /// The access key. `None` if STS issued a token.
    pub fn access_key(&self) -> Option<&AccessKey> {
        match &self.values {
            Values::AccessKey(keys) => Some(keys),
            Values::Token(_) => None,
        }
    }

    /// The access key ID. `None` if STS issued a token.
    pub fn access_key_id(&self) -> Option<&str> {
        self.access_key().map(|key| key.access_key_id.as_str())
    }

    /// A fingerprint of the values: a SHA-256 hash. It detects whether a Secret still contains them. It does not reveal
    /// the values, because they are long and random.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for (_, value) in self.values.named() {
            hash.update(value.as_bytes());
            hash.update([0]);
        }
        hex(&hash.finalize())
    }
}

/// Whether this is a valid access key ID.
pub(crate) fn is_access_key_id(id: &str) -> bool {
    (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
}

/// Whether this is a valid ARN of a principal: printable, and at most as long as an ARN.
pub(crate) fn is_principal(arn: &str) -> bool {
    arn.len() <= LONGEST_ARN && is_one_line(arn, LONGEST_ARN)
}

/// The time without its fraction of a second.
pub(crate) fn whole_second(at: Timestamp) -> Timestamp {
    at - SignedDuration::from_nanos(i64::from(at.subsec_nanosecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(change: impl FnOnce(&mut Reply)) -> Reply {
        let mut reply = Reply {
            values: Values::AccessKey(AccessKey {
                access_key_id: "ASIAEXAMPLE".to_owned(),
                secret_access_key: "secret".to_owned().into(),
                session_token: "token".to_owned().into(),
            }),
            expiration: Timestamp::from_second(1000).unwrap(),
            principal_arn: None,
            packed_policy_size: None,
        };
        change(&mut reply);
        reply
    }

    fn keys(reply: &mut Reply) -> &mut AccessKey {
        match &mut reply.values {
            Values::AccessKey(keys) => keys,
            Values::Token(_) => panic!("a token"),
        }
    }

    fn check(change: impl FnOnce(&mut Reply)) -> Option<InvalidReply> {
        let at = |second| Timestamp::from_second(second).unwrap();
        Credentials::check(reply(change), at(99), at(100)).err()
    }

    #[test]
    fn accepts_only_complete_and_unexpired_credentials() {
        assert_eq!(check(|_| ()), None);
        assert_eq!(
            check(|r| keys(r).access_key_id.clear()),
            Some(InvalidReply::Empty("access key ID"))
        );
        assert_eq!(
            check(|r| keys(r).secret_access_key = String::new().into()),
            Some(InvalidReply::Empty("secret access key"))
        );
        assert_eq!(
            check(|r| keys(r).session_token = String::new().into()),
            Some(InvalidReply::Empty("session token"))
        );
        assert_eq!(
            check(|r| r.expiration = Timestamp::UNIX_EPOCH),
            Some(InvalidReply::Empty("expiration"))
        );
        assert!(matches!(
            check(|r| r.expiration = Timestamp::from_second(100).unwrap()),
            Some(InvalidReply::Expired { .. })
        ));
    }

    #[test]
    fn rejects_values_that_could_break_out_of_a_file() {
        for value in ["a\nb", "a b", "a\0", "a\u{2028}b", "a\"b", "a\\b"] {
            let found = check(|r| keys(r).secret_access_key = value.to_owned().into());
            assert_eq!(found, Some(InvalidReply::Malformed("secret access key")), "{value:?}");
        }
    }

    #[test]
    fn rejects_values_that_are_too_long() {
        let long = |length: usize| "x".repeat(length);
        let token = |length| check(|r| keys(r).session_token = long(length).into());
        assert_eq!(
            (token(65_536), token(65_537)),
            (None, Some(InvalidReply::TooLong("session token")))
        );
        let id = |length| check(|r| keys(r).access_key_id = long(length));
        assert_eq!((id(128), id(129)), (None, Some(InvalidReply::Malformed("access key ID"))));
    }

    #[test]
    fn an_invalid_principal_is_left_out() {
        let at = Timestamp::UNIX_EPOCH;
        let principal = |arn: &str| {
            let reply = reply(|r| r.principal_arn = Some(arn.to_owned()));
            Credentials::check(reply, at, at).ok().unwrap().principal_arn
        };
        assert_eq!(principal("arn:x").as_deref(), Some("arn:x"));
        for odd in ["arn:x\n[evil]", "arn:\u{202e}x", &"x".repeat(2049)] {
            assert_eq!(principal(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn the_fingerprint_depends_on_values_and_their_boundaries() {
        let of = |id: &str, secret: &str| {
            let reply = reply(|r| {
                keys(r).access_key_id = id.to_owned();
                keys(r).secret_access_key = secret.to_owned().into();
            });
            Credentials::check(reply, Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH)
                .unwrap()
                .fingerprint()
        };
        assert_eq!(of("a", "bc"), of("a", "bc"));
        assert_ne!(of("a", "bc"), of("ab", "c"));
    }
}
