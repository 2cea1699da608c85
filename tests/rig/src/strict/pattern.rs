//! Wildcards and variables in policies.

use super::context::Context;

/// What a value of a policy matches.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Part>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// `*`.
    Any,
    /// `?`.
    One,
    Char(char),
}

impl Pattern {
    /// `*` and `?` are wildcards, and `${…}` is text.
    pub(super) fn wildcards(text: &str) -> Self {
        Self(text.chars().map(wildcard).collect())
    }

    /// Replaces variables by their values, which contain no wildcards. None if the request does not have a variable:
    /// then nothing matches.
    pub(super) fn with_variables(text: &str, context: &Context, wildcards: bool) -> Option<Self> {
        let part = if wildcards { wildcard } else { Part::Char };
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, tail) = after.split_once('}')?;
            parts.extend(before.chars().map(part));
            match name {
                "*" | "?" | "$" => parts.extend(name.chars().map(Part::Char)),
                key => match context.get(key)? {
                    [value] => parts.extend(value.chars().map(Part::Char)),
                    _ => return None,
                },
            }
            rest = tail;
        }
        parts.extend(rest.chars().map(part));
        Some(Self(parts))
    }

    /// Whether the whole text matches.
    pub(super) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut seen) = (0, 0);
        // Where to continue after a mismatch: behind the last `*`, one character later.
        let mut retry: Option<(usize, usize)> = None;
        while seen < text.len() {
            match self.0.get(at) {
                Some(Part::Any) => {
                    retry = Some((at, seen));
                    at += 1;
                }
                Some(Part::One) => (at, seen) = (at + 1, seen + 1),
                Some(Part::Char(wanted)) if *wanted == text[seen] => {
                    (at, seen) = (at + 1, seen + 1);
                }
                _ => match retry {
                    Some((star, from)) => {
                        retry = Some((star, from + 1));
                        (at, seen) = (star + 1, from + 1);
                    }
                    None => return false,
                },
            }
        }
        self.0[at..].iter().all(|part| *part == Part::Any)
    }
}

fn wildcard(char: char) -> Part {
    match char {
        '*' => Part::Any,
        '?' => Part::One,
        other => Part::Char(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_like_those_of_iam() {
        let rows = [
            ("", "", true),
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abbcd", false),
            ("a*b*c", "a-b-b-c", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("role/*", "role/team/reader", true),
            ("ROLE/*", "role/team", false),
            ("**x", "x", true),
            ("a", "", false),
        ];
        for (pattern, text, expected) in rows {
            assert_eq!(Pattern::wildcards(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_variable_is_its_value_and_never_a_wildcard() {
        let mut context = Context::default();
        context.set("aws:PrincipalTag/team", "a*");
        context.set_all("aws:TagKeys", ["a", "b"]);
        let matches = |pattern: &str, text: &str| {
            Pattern::with_variables(pattern, &context, true).map(|pattern| pattern.matches(text))
        };
        assert_eq!(matches("x/${aws:PrincipalTag/team}/*", "x/a*/y"), Some(true));
        assert_eq!(matches("x/${aws:PrincipalTag/team}/*", "x/ab/y"), Some(false));
        assert_eq!(matches("${*}", "*"), Some(true));
        assert_eq!(matches("${*}", "x"), Some(false));
        assert_eq!(matches("${aws:PrincipalTag/other}", ""), None);
        assert_eq!(matches("${aws:TagKeys}", "a"), None, "it has two values");
        let literal = Pattern::with_variables("a*", &context, false);
        assert_eq!(literal.map(|pattern| pattern.matches("ab")), Some(false));
    }
}
