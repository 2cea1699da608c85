//! What of `charts/tempcred` is made from types: its values, their schema and their documentation,
//! and what has the version in it.

mod admission;
mod metrics;
mod render;
mod values;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::Value;

use values::Values;

/// The schema of the values.
pub fn schema() -> Value {
    // What every version of Helm reads, and with each object in its place, so that an error names
    // the path that a person wrote.
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    let mut schema = settings.into_generator().into_root_schema_for::<Values>();
    let mut tidy = RecursiveTransform(|schema: &mut schemars::Schema| {
        // Go knows no such formats, and an editor shows a default twice.
        schema.remove("format");
        if schema.get("properties").is_some() {
            schema.remove("default");
        }
        if let Some(Value::String(text)) = schema.get_mut("description") {
            let paragraphs: Vec<_> = text.split("\n\n").map(|p| p.replace('\n', " ")).collect();
            *text = paragraphs.join("\n\n");
        }
    });
    tidy.transform(&mut schema);
    schema.insert("title".to_owned(), "Values of the chart tempcred".into());
    schema.into()
}

/// `values.schema.json`.
pub fn schema_file() -> String {
    serde_json::to_string_pretty(&schema()).unwrap() + "\n"
}

/// `values.yaml`.
pub fn values_file() -> String {
    render::values(&defaults(), &schema())
}

/// `README.md` of the chart.
pub fn readme() -> String {
    render::readme(&defaults(), &schema())
}

/// `Chart.yaml`.
pub fn chart_file() -> String {
    let (version, about) = (env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_DESCRIPTION"));
    let repository = env!("CARGO_PKG_REPOSITORY");
    // As far back as k8s-openapi reaches, which is where the formats are known that the rules in the
    // CRDs use.
    format!(
        "# Made from Cargo.toml; do not edit.\napiVersion: v2\nname: tempcred\ndescription: {about}\ntype: application\n\
         version: {version}\nappVersion: {version}\nkubeVersion: \">=1.33.0-0\"\nhome: {repository}\n\
         sources:\n  - {repository}\nkeywords:\n  - aws\n  - credentials\n  - operator\n  - secrets\n  - sts\n\
         maintainers:\n  - name: The tempcred authors\n    url: {repository}\nannotations:\n  artifacthub.io/license: Apache-2.0\n  \
         artifacthub.io/operator: \"true\"\n"
    )
}

/// The defaults, in the order of the types.
fn defaults() -> serde_yaml::Mapping {
    match serde_yaml::to_value(Values::default()).unwrap() {
        serde_yaml::Value::Mapping(values) => values,
        other => panic!("{other:?}"),
    }
}
