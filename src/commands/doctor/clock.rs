//! Compares the clock of this machine with those of STS and of the API server.

use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use tempcred_core::problem::Reason;

use super::check::{Check, Finding};

/// What the network, whole seconds and a busy machine add to a difference.
const NOISE: SignedDuration = SignedDuration::from_secs(5);

/// A difference that a synchronized clock does not have: a warning.
const TOLERATED: SignedDuration = SignedDuration::from_secs(30);

/// AWS rejects signatures whose time differs by more.
const REJECTED: SignedDuration = SignedDuration::from_mins(5);

/// How far the local clock is ahead of another one. Negative if it is behind. The other clock is read in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference(SignedDuration);

impl Difference {
    /// The difference to the clock in the header `Date` of a reply, which was received at `local`.
    pub fn of(date: &str, local: Timestamp) -> Option<Self> {
        let server = DateTimeParser::new().parse_timestamp(date).ok()?;
        Some(Self(local.duration_since(server)))
    }

    fn is_over(self, limit: SignedDuration) -> bool {
        self.0.abs() > limit
    }

    fn in_words(self) -> String {
        let seconds = SignedDuration::from_secs(self.0.as_secs());
        let (distance, side) =
            (seconds.abs(), if self.0.is_negative() { "behind" } else { "ahead of" });
        if distance <= NOISE {
            format!("within {NOISE:#} of")
        } else {
            format!("{distance:#} {side}")
        }
    }
}

/// Judges the clock. `None` if a clock is not known.
pub fn judge(sts: Option<Difference>, api_server: Option<Difference>) -> Finding {
    let check = Check::Clock;
    let known = [(sts, "that of STS"), (api_server, "that of the API server")];
    let known: Vec<_> =
        known.into_iter().filter_map(|(difference, of)| Some((difference?, of))).collect();
    if known.is_empty() {
        return Finding::skipped(check, "Neither STS nor the API server replied with a date.");
    }
    let parts: Vec<_> =
        known.iter().map(|(difference, of)| format!("{} {of}", difference.in_words())).collect();
    let message = format!("The clock of this machine is {}.", parts.join(", and "));
    let over = |limit| known.iter().any(|(difference, _)| difference.is_over(limit));
    if sts.is_some_and(|difference| difference.is_over(REJECTED)) {
        return Finding::problem(
            check,
            format!("{message} AWS rejects signatures that are more than 5 minutes off."),
            Reason::ClockSkewed.advice(),
        );
    }
    if !over(TOLERATED) {
        return Finding::ok(check, message);
    }
    // With STS in agreement, the other clock is the wrong one.
    let advice = match sts {
        Some(difference) if !difference.is_over(TOLERATED) => {
            "Synchronize the clock of the API server's machine with NTP: tokens that it issues seem expired, or not valid yet."
        }
        Some(_) | None => Reason::ClockSkewed.advice(),
    };
    Finding::warning(check, message, advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::Level;

    fn ahead(seconds: i64) -> Option<Difference> {
        Some(Difference(SignedDuration::from_secs(seconds)))
    }

    #[test]
    fn a_date_is_compared_with_the_time_of_its_arrival() {
        let local: Timestamp = "2026-01-01T12:00:40Z".parse().unwrap();
        assert_eq!(Difference::of("Thu, 01 Jan 2026 12:00:00 GMT", local), ahead(40));
        assert_eq!(Difference::of("Thu, 01 Jan 2026 12:10:40 GMT", local), ahead(-600));
        assert_eq!(Difference::of("yesterday", local), None);
    }

    #[test]
    fn the_limits_are_those_of_the_operator_and_of_aws() {
        let no_advice = None;
        let here = Some("operator's node");
        for (row, sts, api_server, level, advice) in [
            ("nothing is known", None, None, Level::Skipped, no_advice),
            ("both agree", ahead(0), ahead(-1), Level::Ok, no_advice),
            ("tolerated", ahead(30), ahead(30), Level::Ok, no_advice),
            ("ahead", ahead(31), ahead(31), Level::Warning, here),
            ("behind", ahead(-31), None, Level::Warning, here),
            ("only the API server is off", ahead(0), ahead(90), Level::Warning, Some("API server")),
            ("only the API server is known", None, ahead(900), Level::Warning, here),
            ("not yet rejected", ahead(300), ahead(300), Level::Warning, here),
            ("rejected", ahead(-301), ahead(-301), Level::Problem, here),
        ] {
            let finding = judge(sts, api_server);
            assert_eq!(finding.level, level, "{row}: {finding:?}");
            match advice {
                None => assert_eq!(finding.advice, None, "{row}"),
                Some(part) => {
                    assert!(finding.advice.as_ref().unwrap().contains(part), "{row}: {finding:?}");
                }
            }
        }
        let message = judge(ahead(-400), ahead(1)).message;
        assert!(
            message.starts_with(
                "The clock of this machine is 6m 40s behind that of STS, and within 5s of that of the API server."
            ),
            "{message}"
        );
    }
}
