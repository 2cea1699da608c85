//! Durations in the format of the API.

use std::borrow::Cow;
use std::fmt;
use std::time;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration in whole seconds, written as `15m`, `1h30m` or `900s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(u64);

impl Duration {
    /// A duration of this number of seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds)
    }

    /// The duration in seconds.
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// The duration in seconds, in the type of the AWS SDK. Longer durations become [`i32::MAX`].
    pub fn as_i32(self) -> i32 {
        i32::try_from(self.0).unwrap_or(i32::MAX)
    }

    /// The duration in the type that can be added to a timestamp.
    ///
    /// Durations that do not fit become [`i64::MAX`] seconds.
    pub fn as_signed(self) -> jiff::SignedDuration {
        jiff::SignedDuration::from_secs(i64::try_from(self.0).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Duration {
    /// Writes the shortest form: `1h30m`, never `1h30m0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hours, minutes, seconds) = (self.0 / 3600, self.0 / 60 % 60, self.0 % 60);
        for (amount, unit) in [(hours, 'h'), (minutes, 'm'), (seconds, 's')] {
            if amount > 0 {
                write!(f, "{amount}{unit}")?;
            }
        }
        if self.0 == 0 {
            f.write_str("0s")?;
        }
        Ok(())
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let written: kube_core::Duration = text.parse().map_err(serde::de::Error::custom)?;
        if text.is_empty() || written.is_negative() {
            return Err(serde::de::Error::custom(
                "a duration must have a form such as 15m or 1h30m",
            ));
        }
        Ok(Self(time::Duration::from(written).as_secs()))
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // Not `format: duration`: with it the API server also accepts forms such as "1 day", which neither Go nor the
        // CEL function `duration()` can parse.
        json_schema!({
            "type": "string",
            "minLength": 2,
            "maxLength": 16,
            "pattern": "^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_valid_durations() {
        for (written, seconds) in [("15m", 900), ("1h30m", 5400), ("900s", 900), ("12h", 43_200)] {
            let read: Duration = serde_json::from_value(written.into()).expect(written);
            assert_eq!(read.as_secs(), seconds, "{written}");
        }
    }

    #[test]
    fn rejects_invalid_durations() {
        for written in ["", "15", "-5m", "1 day", "m"] {
            assert!(serde_json::from_value::<Duration>(written.into()).is_err(), "{written:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(seconds in 0u64..1_000_000) {
            let text = serde_json::to_value(Duration::from_secs(seconds)).unwrap();
            prop_assert_eq!(serde_json::from_value::<Duration>(text).unwrap().as_secs(), seconds);
        }
    }
}
