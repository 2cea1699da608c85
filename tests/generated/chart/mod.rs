//! The generated parts of `charts/tempcred`: the values, their schema and their documentation, and
//! the files that contain the version.

mod admission;
mod injection;
mod metrics;
mod render;
mod settings;
mod values;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::Value;

use values::Values;

/// The schema of the values.
pub fn schema() -> Value {
    // Every version of Helm reads draft 7. Subschemas are inline, so that an error names the path that
    // the user wrote.
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    let mut schema = settings.into_generator().into_root_schema_for::<Values>();
    let mut tidy = RecursiveTransform(|schema: &mut schemars::Schema| {
        // Helm does not know these formats, and editors show a default twice.
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
    // The oldest version that k8s-openapi supports. It also knows the formats that the rules in the CRDs
    // use.
    format!(
        "# Generated from Cargo.toml; do not edit.\napiVersion: v2\nname: tempcred\ndescription: {about}\ntype: application\n\
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
