//! Makes untrusted text safe for logs, statuses, events and terminals.

use sha2::{Digest, Sha256};

/// Longest value that [`bounded`] returns unchanged, in characters.
const LONGEST_REPEATED: usize = 253;

/// Converts `text` to one line of at most `longest` characters. Control characters, line separators, invisible
/// characters and characters that change the writing direction become spaces.
pub fn one_line(text: &str, longest: usize) -> String {
    let shown = text.chars().take(longest).map(|c| if is_shown(c) { c } else { ' ' });
    shown.collect::<String>().trim().to_owned()
}

/// Whether `text` is already one line of at most `longest` characters.
pub fn is_one_line(text: &str, longest: usize) -> bool {
    // Checks the number of bytes first: counting the characters of a long text is slow.
    text.len() <= longest.saturating_mul(4)
        && text.chars().count() <= longest
        && text.chars().all(is_shown)
}

/// A value of a user in the form in which the status and the annotations contain it. A value that has more than 253
/// characters or several lines is replaced by `sha256:` and its hash.
pub fn bounded(text: &str) -> String {
    if is_one_line(text, LONGEST_REPEATED) {
        text.to_owned()
    } else {
        format!("sha256:{}", hex(&Sha256::digest(text)))
    }
}

/// Converts bytes to lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(DIGITS[usize::from(digit)]));
        }
    }
    text
}

fn is_shown(c: char) -> bool {
    // Outside ASCII, `escape_debug` escapes exactly the characters that are not printable.
    (c.is_ascii() && !c.is_control()) || (!c.is_ascii() && c.escape_debug().len() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_break_a_line_become_spaces() {
        for (row, text, expected) in [
            ("plain", "role's \"name\": é", "role's \"name\": é"),
            ("newlines", "a\nb\r\nc", "a b  c"),
            ("a terminal's colours", "a\x1b[31mb\u{9b}31mc", "a [31mb 31mc"),
            ("separators of lines", "a\u{2028}b\u{2029}c\u{85}d", "a b c d"),
            ("changes of the writing direction", "a\u{202e}b\u{2066}c\u{200f}d", "a b c d"),
            ("invisible characters", "a\u{feff}b\u{200b}c\0d", "a b c d"),
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
    fn a_long_value_is_replaced_by_its_hash() {
        let date = "Mon Nov 23 10:00:00 UTC 2026";
        assert_eq!(bounded(date), date);
        for odd in ["a\nb".to_owned(), "x".repeat(200 * 1024), "x".repeat(254)] {
            let known = bounded(&odd);
            assert_eq!((known.len(), &known[..7]), (71, "sha256:"));
            assert_eq!(bounded(&known), known, "unchanged when it is bounded again");
        }
        assert_ne!(bounded(&"x".repeat(254)), bounded(&"x".repeat(255)));
    }
}
