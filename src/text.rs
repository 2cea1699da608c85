//! Text that came from elsewhere, made fit for a log line, a status, an event and a terminal.

use sha2::{Digest, Sha256};

use crate::minted::hex;

/// Longest value that is repeated as it is, in characters.
const LONGEST_REPEATED: usize = 253;

/// `text` in one line of at most so many characters. What would break out of it, or make it look like
/// something else, becomes a space: control characters, separators of lines, and what cannot be seen or
/// turns the direction of writing.
pub fn one_line(text: &str, longest: usize) -> String {
    let shown = text.chars().take(longest).map(|c| if is_shown(c) { c } else { ' ' });
    shown.collect::<String>().trim().to_owned()
}

/// Whether `text` is in one line of at most so many characters as it is.
pub fn is_one_line(text: &str, longest: usize) -> bool {
    // Bytes first: text may be long.
    text.len() <= longest.saturating_mul(4)
        && text.chars().count() <= longest
        && text.chars().all(is_shown)
}

/// What a value of somebody else's choice is known by where it is repeated: itself, or its hash if it
/// is too long or not in one line.
pub fn known_by(text: &str) -> String {
    if is_one_line(text, LONGEST_REPEATED) {
        text.to_owned()
    } else {
        format!("sha256:{}", hex(&Sha256::digest(text)))
    }
}

fn is_shown(c: char) -> bool {
    // Outside of ASCII, the standard library escapes what cannot be printed.
    (c.is_ascii() && !c.is_control()) || (!c.is_ascii() && c.escape_debug().len() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_out_of_a_line_becomes_a_space() {
        for (row, text, expected) in [
            ("plain", "role's \"name\": é", "role's \"name\": é"),
            ("newlines", "a\nb\r\nc", "a b  c"),
            ("a terminal's colours", "a\x1b[31mb\u{9b}31mc", "a [31mb 31mc"),
            ("separators of lines", "a\u{2028}b\u{2029}c\u{85}d", "a b c d"),
            ("turned writing", "a\u{202e}b\u{2066}c\u{200f}d", "a b c d"),
            ("what cannot be seen", "a\u{feff}b\u{200b}c\0d", "a b c d"),
            ("at the ends", "\n a \n", "a"),
            ("too long", "abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnop"),
            ("too long in other letters", "éééééééééééééééééééé", "éééééééééééééééé"),
        ] {
            assert_eq!(one_line(text, 16), expected, "{row}");
            assert!(is_one_line(expected, 16), "{row}");
            assert_eq!(is_one_line(text, 16), text == expected, "{row}");
        }
    }

    #[test]
    fn a_value_is_known_by_itself_or_by_its_hash() {
        let date = "Mon Nov 23 10:00:00 UTC 2026";
        assert_eq!(known_by(date), date);
        for odd in ["a\nb".to_owned(), "x".repeat(200 * 1024), "x".repeat(254)] {
            let known = known_by(&odd);
            assert_eq!((known.len(), &known[..7]), (71, "sha256:"));
            assert_eq!(known_by(&known), known, "the same when it is read back");
        }
        assert_ne!(known_by(&"x".repeat(254)), known_by(&"x".repeat(255)));
    }
}
