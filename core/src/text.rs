//! Text from untrusted origins, made safe for a log line, a status, an event and a terminal.

use sha2::{Digest, Sha256};

/// Longest value that is repeated unchanged, in characters.
const LONGEST_REPEATED: usize = 253;

/// `text` as one line of at most `longest` characters. Control characters, line separators, invisible
/// characters and characters that change the direction of writing become spaces.
pub fn one_line(text: &str, longest: usize) -> String {
    let shown = text.chars().take(longest).map(|c| if is_shown(c) { c } else { ' ' });
    shown.collect::<String>().trim().to_owned()
}

/// Whether `text` is already one line of at most `longest` characters.
pub fn is_one_line(text: &str, longest: usize) -> bool {
    // Bytes first, as the text may be long.
    text.len() <= longest.saturating_mul(4)
        && text.chars().count() <= longest
        && text.chars().all(is_shown)
}

/// A value that a user chose, as status and annotations repeat it: `sha256:` and its hash if it has more than
/// 253 characters or is not one line.
pub fn bounded(text: &str) -> String {
    if is_one_line(text, LONGEST_REPEATED) {
        text.to_owned()
    } else {
        format!("sha256:{}", hex(&Sha256::digest(text)))
    }
}

/// Lowercase hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn is_shown(c: char) -> bool {
    // Beyond ASCII, the standard library escapes the characters that cannot be printed.
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
    fn a_value_is_bounded_itself_or_by_its_hash() {
        let date = "Mon Nov 23 10:00:00 UTC 2026";
        assert_eq!(bounded(date), date);
        for odd in ["a\nb".to_owned(), "x".repeat(200 * 1024), "x".repeat(254)] {
            let known = bounded(&odd);
            assert_eq!((known.len(), &known[..7]), (71, "sha256:"));
            assert_eq!(bounded(&known), known, "the same when it is read back");
        }
        assert_ne!(bounded(&"x".repeat(254)), bounded(&"x".repeat(255)));
    }
}
