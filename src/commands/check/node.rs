//! A value of a document, with the line of each part.

use serde_json::{Map, Value};

use super::finding::segments;

/// A value, and the line where it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The line, beginning with 1.
    pub line: usize,
    /// The value.
    pub data: Data,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// A string, number, boolean or null.
    Scalar(Value),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the document. Each key occurs once.
    Map(Vec<Entry>),
}

/// An entry of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The line of the key. 0 if the entry was merged from another mapping.
    pub line: usize,
    /// The value.
    pub value: Node,
}

// The parser bounds the depth of nodes, so recursion over them is bounded.
impl Node {
    /// The value without lines.
    pub fn to_json(&self) -> Value {
        match &self.data {
            Data::Scalar(value) => value.clone(),
            Data::List(items) => items.iter().map(Self::to_json).collect(),
            Data::Map(entries) => {
                let entries = entries.iter();
                let pairs = entries.map(|entry| (entry.key.clone(), entry.value.to_json()));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }

    /// A value of which only the first line is known.
    pub fn from_json(value: Value, line: usize) -> Self {
        let data = match value {
            Value::Array(items) => {
                Data::List(items.into_iter().map(|item| Self::from_json(item, line)).collect())
            }
            Value::Object(entries) => Data::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| Entry { key, line, value: Self::from_json(value, line) })
                    .collect(),
            ),
            scalar => Data::Scalar(scalar),
        };
        Self { line, data }
    }

    /// The value of a key. `None` if this is not a mapping, or has no such key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Data::Map(entries) = &self.data else { return None };
        entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The text of a key. `None` if it is not a string.
    pub fn text(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.data {
            Data::Scalar(value) => value.as_str(),
            Data::List(_) | Data::Map(_) => None,
        }
    }

    /// The items of a list. `None` if this is not a list.
    pub fn items(&self) -> Option<&[Self]> {
        match &self.data {
            Data::List(items) => Some(items),
            Data::Scalar(_) | Data::Map(_) => None,
        }
    }

    /// The line of the field at a JSON pointer, or of the closest parent that exists.
    pub fn line_of(&self, pointer: &str) -> usize {
        let (mut node, mut line) = (self, self.line);
        for segment in segments(pointer) {
            let found = match &node.data {
                Data::Scalar(_) => None,
                Data::List(items) => {
                    let item = segment.parse::<usize>().ok().and_then(|index| items.get(index));
                    item.map(|item| (item.line, item))
                }
                Data::Map(entries) => {
                    entries.iter().find(|entry| entry.key == segment).map(|entry| {
                        match entry.line {
                            0 => (entry.value.line, &entry.value),
                            line => (line, &entry.value),
                        }
                    })
                }
            };
            let Some((at, next)) = found else { break };
            (line, node) = (at, next);
        }
        line
    }
}
