//! Values with their documentation, as YAML with comments and as Markdown tables.

use std::fmt::Write;

use serde_json::Value as Schema;
use serde_yaml::{Mapping, Value};

/// Maximum width of a comment.
const WIDTH: usize = 100;

/// A commented YAML file.
pub fn values(defaults: &Mapping, schema: &Schema) -> String {
    let mut text = String::from(
        "# Values of the chart tempcred, with their defaults. Generated from tests/generated/chart; do not edit.\n",
    );
    object(&mut text, 0, defaults, schema);
    text
}

fn object(text: &mut String, indent: usize, values: &Mapping, schema: &Schema) {
    let pad = " ".repeat(indent);
    for (index, (name, value)) in values.iter().enumerate() {
        let name = name.as_str().unwrap();
        let field = &schema["properties"][name];
        if index > 0 || indent == 0 {
            text.push('\n');
        }
        for line in wrapped(description(field), WIDTH - indent - 2) {
            writeln!(text, "{pad}# {line}").unwrap();
        }
        match ours(value, field) {
            Some(inner) => {
                writeln!(text, "{pad}{name}:").unwrap();
                object(text, indent + 2, inner, field);
            }
            None => leaf(text, &pad, name, value),
        }
    }
}

fn leaf(text: &mut String, pad: &str, name: &str, value: &Value) {
    let yaml = serde_yaml::to_string(value).unwrap();
    if is_flat(value) {
        write!(text, "{pad}{name}: {yaml}").unwrap();
        return;
    }
    writeln!(text, "{pad}{name}:").unwrap();
    for line in yaml.lines() {
        writeln!(text, "{pad}  {line}").unwrap();
    }
}

/// Whether a value fits on the same line as its name.
fn is_flat(value: &Value) -> bool {
    match value {
        Value::Mapping(map) => map.is_empty(),
        Value::Sequence(list) => list.is_empty(),
        _ => true,
    }
}

/// The fields of an object whose type this chart defines.
fn ours<'a>(value: &'a Value, schema: &Schema) -> Option<&'a Mapping> {
    schema.get("properties").and(value.as_mapping())
}

/// The README of the chart: a table for each object.
pub fn readme(defaults: &Mapping, schema: &Schema) -> String {
    let mut page = format!(
        "# tempcred\n\n{}.\n\n```sh\nhelm install tempcred charts/tempcred --namespace tempcred-system --create-namespace\n```\n\n\
         [docs/install.md](../../docs/install.md) explains how to give the operator an AWS identity, serve only some \
         namespaces, upgrade and uninstall.\n\n## Values\n\nThe chart refuses values that are not listed here. \
         A value of the type *manifest* is a part of a manifest,\nand the chart passes it to Kubernetes unchanged. \
         This page is generated from `tests/generated/chart`; do not edit.\n",
        env!("CARGO_PKG_DESCRIPTION")
    );
    table(&mut page, "", defaults, schema);
    page
}

fn table(page: &mut String, path: &str, values: &Mapping, schema: &Schema) {
    let rows = values.iter().map(|(name, value)| (name.as_str().unwrap(), value));
    let rows: Vec<_> =
        rows.map(|(name, value)| (name, value, &schema["properties"][name])).collect();
    let is_leaf = |value: &Value, field: &Schema| ours(value, field).is_none();
    if rows.iter().any(|(_, value, field)| is_leaf(value, field)) {
        page.push_str("\n| Value | Type | Default | Meaning |\n|---|---|---|---|\n");
    }
    for (name, value, field) in &rows {
        if is_leaf(value, field) {
            let (kind, meaning) = (kind(field), description(field).replace('|', "\\|"));
            let default = serde_json::to_string(value).unwrap();
            writeln!(page, "| `{path}{name}` | {kind} | `{default}` | {meaning} |").unwrap();
        }
    }
    for (name, value, field) in rows {
        if let Some(inner) = ours(value, field) {
            let level = "#".repeat(3 + path.matches('.').count());
            writeln!(page, "\n{level} `{path}{name}`\n\n{}", description(field)).unwrap();
            table(page, &format!("{path}{name}."), inner, field);
        }
    }
}

fn description(schema: &Schema) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

fn kind(schema: &Schema) -> String {
    let choices = schema["enum"].as_array().or(schema["anyOf"].as_array());
    if let Some(choices) = choices {
        let choices = choices.iter().filter(|choice| !choice.is_null());
        let choices = choices.map(|choice| match choice {
            Schema::String(text) => format!("`{text}`"),
            other => kind(other),
        });
        return choices.collect::<Vec<_>>().join(", ");
    }
    let of = match &schema["type"] {
        Schema::Array(types) => types[0].as_str(),
        one => one.as_str(),
    };
    match of.unwrap_or("any") {
        "array" => format!("list of {}", kind(&schema["items"])),
        "object" if schema["additionalProperties"]["type"] == "string" => {
            "map of string".to_owned()
        }
        "object" => "manifest".to_owned(),
        plain => plain.to_owned(),
    }
}

/// A text, wrapped into lines of at most `width` characters.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().unwrap();
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
    }
    lines
}
