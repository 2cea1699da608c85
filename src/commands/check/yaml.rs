//! Documents of YAML and JSON, read as kubectl reads them.
//!
//! A document may be built to exhaust memory: with deep nesting, or with aliases of aliases. Depth and the number of
//! values are bounded.

use std::collections::{BTreeSet, HashMap};

use granit_parser::{Event, Parser, ScalarStyle, Span, Tag, options};
use serde_json::Value;

use super::node::{Data, Entry, Node};
use super::scalar::resolve;

/// Greatest depth of a document.
const DEPTH: usize = 100;

/// Greatest depth of mappings or lists in one notation, without aliases. Less than [`DEPTH`].
const NESTING: usize = 64;

/// Most values in a file. Each use of an alias counts its values again.
const VALUES: usize = 1_000_000;

/// A document.
#[derive(Debug, PartialEq)]
pub struct Document {
    /// Its value.
    pub node: Node,
    /// The keys that a mapping contains twice, with their lines. Their first values count.
    pub duplicates: Vec<(String, usize)>,
}

/// Why the rest of a file cannot be read.
#[derive(Debug, PartialEq)]
pub struct Unreadable {
    /// The line, beginning with 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// The documents of a text. If a part cannot be read, the documents before it, and the error.
pub fn parse(text: &str) -> (Vec<Document>, Option<Unreadable>) {
    let read = yaml(text);
    if read.1.is_none() || !text.trim_start().starts_with('{') {
        return read;
    }
    // Tabs and long keys are valid in JSON only.
    let as_json = json(text);
    if as_json.1.is_none() { as_json } else { read }
}

fn json(text: &str) -> (Vec<Document>, Option<Unreadable>) {
    let mut documents = Vec::new();
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let mut begin = 0;
    while let Some(value) = values.next() {
        let blank = text[begin..].len() - text[begin..].trim_start().len();
        let line = 1 + text[..begin + blank].matches('\n').count();
        begin = values.byte_offset();
        match value {
            Ok(value) => {
                let node = Node::from_json(value, line);
                documents.push(Document { node, duplicates: Vec::new() });
            }
            Err(error) => {
                let unreadable = Unreadable { line: error.line(), message: error.to_string() };
                return (documents, Some(unreadable));
            }
        }
    }
    (documents, None)
}

fn yaml(text: &str) -> (Vec<Document>, Option<Unreadable>) {
    let options = options! {
        flow_nesting_limit: NESTING,
        block_nesting_limit: NESTING,
    };
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let read = match event {
            Ok((event, span)) => builder.event(event, span),
            Err(error) => {
                Err(Unreadable { line: error.marker().line().max(1), message: error.info() })
            }
        };
        if let Err(unreadable) = read {
            return (builder.documents, Some(unreadable));
        }
    }
    (builder.documents, None)
}

/// A collection that is not complete.
struct Open {
    line: usize,
    anchor: usize,
    content: Content,
    /// Number of values in it so far.
    values: usize,
    /// Depth of its content so far.
    depth: usize,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, keys: BTreeSet<String>, key: Option<Key> },
}

struct Key {
    text: String,
    line: usize,
    is_merge: bool,
}

/// A complete value, with the number of values in it and its depth.
#[derive(Clone)]
struct Built {
    node: Node,
    values: usize,
    depth: usize,
    is_merge_key: bool,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Built>,
    values: usize,
    duplicates: Vec<(String, usize)>,
    documents: Vec<Document>,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Unreadable> {
        let line = span.start.line().max(1);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let (value, is_merge_key) = scalar(&text, style, tag.as_deref());
                let node = Node { line, data: Data::Scalar(value) };
                self.complete(Built { node, values: 1, depth: 1, is_merge_key }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.begin(line, anchor, Content::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, _) => {
                let (entries, keys) = (Vec::new(), BTreeSet::new());
                self.begin(line, anchor, Content::Map { entries, keys, key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => {
                    let data = match open.content {
                        Content::List(items) => Data::List(items),
                        Content::Map { entries, .. } => Data::Map(entries),
                    };
                    let node = Node { line: open.line, data };
                    let (values, depth) = (open.values + 1, open.depth + 1);
                    self.complete(Built { node, values, depth, is_merge_key: false }, open.anchor)
                }
                None => Ok(()),
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(built) => {
                    let at = |message: &str| Unreadable { line, message: message.to_owned() };
                    if self.open.len() + built.depth > DEPTH {
                        return Err(at("the aliases nest too deep"));
                    }
                    self.count(built.values, line)?;
                    self.place(built, line)
                }
                None => Err(Unreadable {
                    line,
                    message: "an alias refers to the value that contains it".to_owned(),
                }),
            },
            Event::DocumentStart(..) => {
                self.anchors.clear();
                Ok(())
            }
            // The beginning and end of the stream, the end of a document, and what the options do not ask for.
            _ => Ok(()),
        }
    }

    fn begin(&mut self, line: usize, anchor: usize, content: Content) -> Result<(), Unreadable> {
        if self.open.len() >= DEPTH {
            let message = format!("values nest deeper than {DEPTH}");
            return Err(Unreadable { line, message });
        }
        self.open.push(Open { line, anchor, content, values: 0, depth: 0 });
        Ok(())
    }

    fn complete(&mut self, built: Built, anchor: usize) -> Result<(), Unreadable> {
        let line = built.node.line;
        self.count(1, line)?;
        if anchor != 0 {
            // The copy in the table counts too.
            self.count(built.values, line)?;
            self.anchors.insert(anchor, built.clone());
        }
        self.place(built, line)
    }

    /// Counts values against the bound.
    fn count(&mut self, values: usize, line: usize) -> Result<(), Unreadable> {
        self.values += values;
        if self.values > VALUES {
            let message = format!("the file has more than {VALUES} values, aliases included");
            return Err(Unreadable { line, message });
        }
        Ok(())
    }

    /// Adds a value to the open collection, or ends a document. `line` is where it is used.
    fn place(&mut self, built: Built, line: usize) -> Result<(), Unreadable> {
        let Some(open) = self.open.last_mut() else {
            let duplicates = std::mem::take(&mut self.duplicates);
            self.documents.push(Document { node: built.node, duplicates });
            return Ok(());
        };
        open.values += built.values;
        open.depth = open.depth.max(built.depth);
        match &mut open.content {
            Content::List(items) => items.push(built.node),
            Content::Map { entries, keys, key } => match key.take() {
                None => *key = Some(key_of(built, line)?),
                Some(key) if key.is_merge => merge(entries, keys, built.node),
                Some(Key { text, line, .. }) => {
                    if keys.insert(text.clone()) {
                        entries.push(Entry { key: text, line, value: built.node });
                    } else if let Some(merged) =
                        entries.iter_mut().find(|entry| entry.key == text && entry.line == 0)
                    {
                        *merged = Entry { key: text, line, value: built.node };
                    } else {
                        self.duplicates.push((text, line));
                    }
                }
            },
        }
        Ok(())
    }
}

/// A scalar, and whether it is the key of a merge.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> (Value, bool) {
    let is_plain = style == ScalarStyle::Plain;
    match tag {
        None if is_plain => (resolve(text), text == "<<"),
        Some(tag) if is_plain && tag.core_suffix().is_some_and(|suffix| suffix != "str") => {
            (resolve(text), false)
        }
        Some(_) | None => (text.into(), false),
    }
}

/// A key of a mapping. kubectl converts numbers and booleans to text.
fn key_of(built: Built, line: usize) -> Result<Key, Unreadable> {
    let text = match built.node.data {
        Data::Scalar(Value::String(text)) => text,
        Data::Scalar(Value::Bool(value)) => value.to_string(),
        Data::Scalar(Value::Number(value)) => value.to_string(),
        Data::Scalar(_) | Data::List(_) | Data::Map(_) => {
            let message = "a key of a mapping must be a string".to_owned();
            return Err(Unreadable { line, message });
        }
    };
    Ok(Key { text, line, is_merge: built.is_merge_key })
}

/// Adds the entries of `<<`. Entries of the mapping itself replace them: they have the line 0 until then.
fn merge(entries: &mut Vec<Entry>, keys: &mut BTreeSet<String>, from: Node) {
    let maps = match from.data {
        Data::List(maps) => maps,
        Data::Map(_) | Data::Scalar(_) => vec![from],
    };
    for map in maps {
        let Data::Map(merged) = map.data else { continue };
        for entry in merged {
            if keys.insert(entry.key.clone()) {
                entries.push(Entry { line: 0, ..entry });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn values(text: &str) -> Vec<Value> {
        let (documents, error) = parse(text);
        assert_eq!(error, None, "{text}");
        documents.iter().map(|document| document.node.to_json()).collect()
    }

    #[test]
    fn reads_documents_as_kubectl_does() {
        for (row, text, expected) in [
            ("nothing", "# a comment\n", vec![]),
            ("two documents", "a: 1\n---\nb: yes\n", vec![json!({"a": 1}), json!({"b": true})]),
            ("quoted", "a: '1'\nb: \"yes\"\n", vec![json!({"a": "1", "b": "yes"})]),
            ("tags", "a: !!str 1\nb: !x y\n", vec![json!({"a": "1", "b": "y"})]),
            ("keys", "1: a\ntrue: b\n", vec![json!({"1": "a", "true": "b"})]),
            ("an alias", "a: &x [1, 2]\nb: *x\n", vec![json!({"a": [1, 2], "b": [1, 2]})]),
            (
                "a merge",
                "a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3\n",
                vec![json!({"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 3}})],
            ),
            ("a block", "a: |\n  b\n  c\n", vec![json!({"a": "b\nc\n"})]),
            ("JSON", "{\"a\": [1, null]}", vec![json!({"a": [1, null]})]),
            (
                "JSON with tabs",
                "{\n\t\"a\": 1\n}\n{\n\t\"b\": 2\n}",
                vec![json!({"a": 1}), json!({"b": 2})],
            ),
        ] {
            assert_eq!(values(text), expected, "{row}");
        }
    }

    #[test]
    fn each_field_has_its_line() {
        let (documents, _) = parse("a: 1\n---\nspec:\n  via:\n  - x: 1\n  - y: 2\n");
        let node = &documents[1].node;
        for (pointer, line) in
            [("", 3), ("/spec", 3), ("/spec/via/1/y", 6), ("/spec/via/0/z", 5), ("/spec/new", 3)]
        {
            assert_eq!(node.line_of(pointer), line, "{pointer}");
        }
    }

    #[test]
    fn a_key_that_occurs_twice_is_reported_and_the_first_value_counts() {
        let (documents, error) = parse("a: 1\nb:\n  c: 1\n  c: 2\n");
        assert_eq!(error, None);
        assert_eq!(documents[0].duplicates, [("c".to_owned(), 4)]);
        assert_eq!(documents[0].node.to_json(), json!({"a": 1, "b": {"c": 1}}));
    }

    #[test]
    fn what_would_exhaust_memory_or_is_no_yaml_is_refused() {
        let deep = "[".repeat(100_000);
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
            bomb.push_str(&format!("a{n}: &a{n} [{aliases}]\n"));
        }
        let mut tower = "a0: &a0 [x]\n".to_owned();
        for n in 1..400 {
            tower.push_str(&format!("a{n}: &a{n} [*a{}]\n", n - 1));
        }
        for (row, text) in [
            ("nested", deep.as_str()),
            ("an alias bomb", &bomb),
            ("a tower of aliases", &tower),
            ("an alias of itself", "a: &x [*x]"),
            ("an unknown alias", "a: *x"),
            ("a template of Helm", "a: {{ .Values.a }}\nb: {{ .Values.b }}\n"),
            ("a list as key", "? [a]\n: b\n"),
            ("open", "a: [1"),
            ("no indentation", "a:\n  b: 1\n c: 2\n"),
        ] {
            assert!(parse(text).1.is_some(), "{row}");
        }
        let (documents, error) = parse("a: 1\n---\nb: [\n");
        assert_eq!((documents.len(), error.is_some()), (1, true), "what is before it is read");
    }
}
