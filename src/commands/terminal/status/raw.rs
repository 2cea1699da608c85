//! The resources as the API server returns them, in JSON or YAML.

use clap::ValueEnum;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::commands::terminal::kube::{Connection, Listing, cannot};
use crate::commands::terminal::output::print;

/// A format of the output.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The table, with the principal and the age.
    Wide,
    /// JSON, as from the API server.
    Json,
    /// YAML, as from the API server.
    Yaml,
}

/// Prints a resource, and returns whether it is ready.
///
/// # Errors
/// If a request fails, or there is no resource of this name.
pub async fn print_one(
    connection: &Connection,
    name: &str,
    format: Format,
) -> anyhow::Result<bool> {
    let found = connection.api::<DynamicObject>(false).get_opt(name).await;
    let found = found.map_err(|error| cannot("read", &error))?;
    let object = found.ok_or_else(|| anyhow::anyhow!(connection.missing(name)))?;
    let is_ready = is_ready(&object);
    print(&format!("{}\n", text(object, format)?))?;
    Ok(is_ready)
}

/// Prints all resources as a list, and returns whether all of them are ready. Each page is printed before the next one is
/// read: its objects need many times the memory of its text.
///
/// # Errors
/// If a request fails. Then the list is incomplete, and its end is missing.
pub async fn print_all(
    connection: &Connection,
    all_namespaces: bool,
    format: Format,
) -> anyhow::Result<bool> {
    let api = connection.api::<DynamicObject>(all_namespaces);
    let (mut listing, mut list, mut all_ready) = (Listing::of(&api), List::new(format), true);
    while let Some(page) = listing.next().await? {
        for object in page {
            all_ready &= is_ready(&object);
            list.push(&text(object, format)?);
        }
        print(&list.take())?;
    }
    print(&list.end())?;
    Ok(all_ready)
}

/// The text of an object, without a line break at its end.
fn text(mut object: DynamicObject, format: Format) -> anyhow::Result<String> {
    // As kubectl does.
    object.metadata.managed_fields = None;
    let mut value = json!(object);
    // The API server sets the type of an item only on its list.
    value["apiVersion"] = "tempcred.dev/v1alpha1".into();
    value["kind"] = "TemporaryCredential".into();
    Ok(match format {
        Format::Yaml => serde_yaml::to_string(&value)?.trim_end().to_owned(),
        Format::Json | Format::Wide => serde_json::to_string_pretty(&value)?,
    })
}

fn is_ready(object: &DynamicObject) -> bool {
    let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
    let is_ready =
        |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    conditions.is_some_and(|conditions| conditions.iter().any(is_ready))
}

/// The text of a `List`, item by item.
struct List {
    is_yaml: bool,
    is_empty: bool,
    text: String,
}

impl List {
    fn new(format: Format) -> Self {
        let is_yaml = format == Format::Yaml;
        let text = if is_yaml {
            "apiVersion: v1\nitems:"
        } else {
            "{\n  \"apiVersion\": \"v1\",\n  \"items\": ["
        };
        Self { is_yaml, is_empty: true, text: text.to_owned() }
    }

    /// Appends the text of an item, whose first line is not indented.
    fn push(&mut self, item: &str) {
        let (begin, indent) = match (self.is_yaml, self.is_empty) {
            (true, _) => ("\n- ", "\n  "),
            (false, true) => ("\n    ", "\n    "),
            (false, false) => (",\n    ", "\n    "),
        };
        self.text.push_str(begin);
        self.text.push_str(&item.replace('\n', indent));
        self.is_empty = false;
    }

    /// What was appended since the last call.
    fn take(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// The end of the list.
    fn end(self) -> String {
        let end = match (self.is_yaml, self.is_empty) {
            (true, true) => " []\nkind: List\n",
            (true, false) => "\nkind: List\n",
            (false, true) => "],\n  \"kind\": \"List\"\n}\n",
            (false, false) => "\n  ],\n  \"kind\": \"List\"\n}\n",
        };
        self.text + end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(format: Format, items: &[Value]) -> String {
        let mut list = List::new(format);
        let mut text = String::new();
        for item in items {
            list.push(&match format {
                Format::Yaml => serde_yaml::to_string(item).unwrap().trim_end().to_owned(),
                _ => serde_json::to_string_pretty(item).unwrap(),
            });
            text.push_str(&list.take());
        }
        text + &list.end()
    }

    #[test]
    fn a_list_of_items_is_read_as_it_was_written() {
        let tricky = "two\nlines\n\n  and more: \"'\n";
        let item = |name: &str| json!({"metadata": {"name": name}, "a": [], "b": [{"c": {}}]});
        for items in [vec![], vec![item("one")], vec![item(tricky), item(" \n x"), item("\u{85}#")]]
        {
            let expected = json!({"apiVersion": "v1", "kind": "List", "items": items});
            let text = list(Format::Json, &items);
            assert_eq!(serde_json::to_string_pretty(&expected).unwrap() + "\n", text);
            let text = list(Format::Yaml, &items);
            assert_eq!(serde_yaml::from_str::<Value>(&text).unwrap(), expected, "{text}");
        }
    }
}
