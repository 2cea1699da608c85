//! A finding of `tempcred check`, and where it is.

use std::sync::Arc;

use tempcred_core::text::one_line;

use super::rule::Rule;

/// Longest message, in characters.
const LONGEST_MESSAGE: usize = 2000;

/// Where an object or a finding is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as it was named. `-` is standard input. `cluster` is an object in the cluster.
    pub file: Arc<str>,
    /// The line, beginning with 1. 0 if there is none.
    pub line: usize,
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule that found it.
    pub rule: Rule,
    /// Where it is.
    pub place: Place,
    /// Kind, namespace and name of the object. `None` if the file is no object.
    pub object: Option<String>,
    /// JSON pointer to the field. Empty for the whole object.
    pub field: String,
    /// What is wrong, and what to change.
    pub message: String,
}

impl Finding {
    /// A finding with this message, which is converted to one line.
    pub fn new(rule: Rule, place: Place, message: &str) -> Self {
        let message = one_line(message, LONGEST_MESSAGE);
        Self { rule, place, object: None, field: String::new(), message }
    }

    /// The field and the message.
    pub fn text(&self) -> String {
        match dotted(&self.field) {
            field if field.is_empty() => self.message.clone(),
            field => format!("{}: {}", one_line(&field, LONGEST_MESSAGE), self.message),
        }
    }
}

/// Appends a key or an index to a JSON pointer.
pub fn child(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// The keys and indexes of a JSON pointer.
pub fn segments(pointer: &str) -> impl Iterator<Item = String> {
    let all = pointer.split('/').skip(1);
    all.map(|segment| segment.replace("~1", "/").replace("~0", "~"))
}

/// A JSON pointer in the notation of Kubernetes: `spec.assumeRole.via[0].roleArn`.
pub fn dotted(pointer: &str) -> String {
    let mut text = String::new();
    for segment in segments(pointer) {
        let is_index = !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_digit());
        if is_index || segment.contains(['.', '/', ' ']) {
            text.push('[');
            text.push_str(&segment);
            text.push(']');
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(&segment);
        }
    }
    text
}

/// The JSON pointer for a path in the notation of Kubernetes.
pub fn pointer(dotted: &str) -> String {
    let parts = dotted.split(['.', '[']).map(|part| part.trim_end_matches(']'));
    parts.filter(|part| !part.is_empty()).fold(String::new(), |pointer, part| child(&pointer, part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_shown_as_kubernetes_shows_fields() {
        for (pointer_of, shown) in [
            ("", ""),
            ("/spec", "spec"),
            ("/spec/assumeRole/via/0/roleArn", "spec.assumeRole.via[0].roleArn"),
            ("/spec/secret/labels/example.com~1a", "spec.secret.labels[example.com/a]"),
        ] {
            assert_eq!(dotted(pointer_of), shown);
        }
        assert_eq!(pointer("spec.assumeRole.via[0].roleArn"), "/spec/assumeRole/via/0/roleArn");
        assert_eq!(pointer(""), "");
        assert_eq!(segments("/a~1b/c~0d").collect::<Vec<_>>(), ["a/b", "c~d"]);
        assert_eq!(child("/a", "b/c~"), "/a/b~1c~0");
    }
}
