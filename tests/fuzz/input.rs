//! Text that is broken at random.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Text that breaks out of a line, a quotation, an element or a terminal escape, and homoglyphs.
const NASTY: &[&str] = &[
    "\n",
    "\r",
    "\r\n",
    "\0",
    "\t",
    "\x1b[31m",
    "\x7f",
    "\u{85}",
    "\u{2028}",
    "\u{2029}",
    "\u{202e}",
    "\u{2066}",
    "\u{feff}",
    "\u{a0}",
    " ",
    "\"",
    "'",
    "\\",
    "\\n",
    "[",
    "]",
    "\n[x]\n",
    "=",
    ":",
    ";",
    "#",
    "%s",
    "{}",
    "/",
    "//",
    "*",
    "?",
    ",",
    "<",
    ">",
    "&",
    "&lt;",
    "&#10;",
    "&#0;",
    "]]>",
    "<!--",
    "<![CDATA[",
    "é",
    "١",
    "а",
    "İ",
    "ſ",
    "😀",
    "\u{301}",
    "\u{fffd}",
];

/// One piece of such text.
pub fn nasty() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(NASTY).prop_map(str::to_owned),
        2 => any::<char>().prop_map(String::from),
        1 => "[ -~]{1,3}",
    ]
}

/// Any text: empty, hostile, or long.
pub fn junk() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => Just(String::new()),
        4 => vec(nasty(), 1..6).prop_map(|parts| parts.concat()),
        2 => ".{0,40}",
        1 => (nasty(), 1usize..9000).prop_map(|(part, times)| part.repeat(times)),
    ]
}

/// A change to a text.
#[derive(Clone, Debug)]
pub enum Change {
    Insert(Index, String),
    Replace(Index, String),
    Remove(Index, usize),
    Double(Index, usize),
    Cut(Index),
    FlipCase(Index),
}

/// Some changes; mostly few, often none.
pub fn changes() -> impl Strategy<Value = Vec<Change>> {
    let at = any::<Index>;
    let change = prop_oneof![
        4 => (at(), nasty()).prop_map(|(at, text)| Change::Insert(at, text)),
        3 => (at(), nasty()).prop_map(|(at, text)| Change::Replace(at, text)),
        3 => (at(), 1usize..40).prop_map(|(at, length)| Change::Remove(at, length)),
        1 => (at(), 1usize..2000).prop_map(|(at, length)| Change::Double(at, length)),
        1 => at().prop_map(Change::Cut),
        2 => at().prop_map(Change::FlipCase),
    ];
    prop_oneof![1 => Just(vec![]), 3 => vec(change.clone(), 1..=1), 2 => vec(change, 2..6)]
}

/// The text with these changes.
pub fn changed(text: &str, changes: &[Change]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for change in changes {
        let place = |at: &Index| at.index(chars.len() + 1);
        match change {
            Change::Insert(at, text) => {
                let at = place(at);
                chars.splice(at..at, text.chars());
            }
            Change::Replace(at, text) => {
                let at = place(at);
                let end = (at + 1).min(chars.len());
                chars.splice(at..end, text.chars());
            }
            Change::Remove(at, length) => {
                let at = place(at);
                let end = (at + length).min(chars.len());
                chars.drain(at..end);
            }
            Change::Double(at, length) => {
                let at = place(at);
                let end = (at + length).min(chars.len());
                let part = chars[at..end].to_vec();
                chars.splice(end..end, part);
            }
            Change::Cut(at) => {
                let at = place(at);
                chars.truncate(at);
            }
            Change::FlipCase(at) => {
                let at = place(at);
                if let Some(letter) = chars.get_mut(at) {
                    let other = if letter.is_lowercase() {
                        letter.to_ascii_uppercase()
                    } else {
                        letter.to_ascii_lowercase()
                    };
                    *letter = other;
                }
            }
        }
    }
    chars.into_iter().collect()
}

/// Whether a text stays in its line, in a log and on a terminal: it has no control character, no line
/// separator, and nothing that changes the writing direction.
pub fn is_one_line(text: &str) -> bool {
    !text.chars().any(|c| {
        c.is_control()
            || matches!(
                c,
                '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{feff}'
            )
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c)
    })
}
