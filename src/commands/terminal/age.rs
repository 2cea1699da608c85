//! Durations for people.

use jiff::{SignedDuration, Timestamp};

/// The time from `now` to `at` in at most two units: `42m`, `1h5m`, `3d2h`. The absolute value, rounded down.
pub fn distance(at: Timestamp, now: Timestamp) -> String {
    span(at.duration_since(now))
}

/// When something expires: the time left, or `expired`.
pub fn until(at: Timestamp, now: Timestamp, past: &str) -> String {
    if at <= now { past.to_owned() } else { distance(at, now) }
}

fn span(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().unsigned_abs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: u64, unit: char, small: u64, smaller: char| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit}{small}{smaller}"),
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, 'm', seconds % 60, 's'),
        600..3600 => format!("{minutes}m"),
        3600..86_400 => two(hours, 'h', minutes % 60, 'm'),
        _ => two(days, 'd', hours % 24, 'h'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_at_most_two_units() {
        for (row, seconds, expected) in [
            ("nothing", 0, "0s"),
            ("less than two minutes", 119, "119s"),
            ("minutes with seconds", 125, "2m5s"),
            ("whole minutes", 180, "3m"),
            ("many minutes", 2599, "43m"),
            ("hours with minutes", 3900, "1h5m"),
            ("whole hours", 7200, "2h"),
            ("days with hours", 93_600, "1d2h"),
            ("the past", -125, "2m5s"),
        ] {
            assert_eq!(span(SignedDuration::from_secs(seconds)), expected, "{row}");
        }
    }

    #[test]
    fn what_has_passed_has_no_time_left() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(until(at(100), at(40), "expired"), "60s");
        assert_eq!(until(at(100), at(100), "expired"), "expired");
    }
}
