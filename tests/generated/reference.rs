//! The API reference: a table of fields for each object in a schema.

use std::fmt::Write;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};

/// The page of one resource.
pub fn page(crd: &CustomResourceDefinition) -> String {
    let version = &crd.spec.versions[0];
    let root = version.schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
    let mut page = format!(
        "\n## {}\n\n`{}/{}`, {}. {}\n",
        crd.spec.names.kind,
        crd.spec.group,
        version.name,
        if crd.spec.scope == "Namespaced" { "namespaced" } else { "cluster-scoped" },
        root.description.as_deref().unwrap_or_default(),
    );
    for part in ["spec", "status"] {
        object(&mut page, part, &root.properties.as_ref().unwrap()[part]);
    }
    page
}

/// The table of one object, then those of the objects in it.
fn object(page: &mut String, path: &str, schema: &JSONSchemaProps) {
    let Some(fields) = &schema.properties else {
        return;
    };
    write!(page, "\n### `{path}`\n\n{}\n\n", schema.description.as_deref().unwrap_or_default())
        .unwrap();
    page.push_str("| Field | Type | Description |\n|---|---|---|\n");
    for (name, field) in fields {
        let required = schema.required.iter().flatten().any(|required| required == name);
        let required = if required { "**Required.** " } else { "" };
        let text = field
            .description
            .as_deref()
            .unwrap_or_default()
            .replace('|', "\\|")
            .replace("\n\n", " ");
        writeln!(page, "| `{name}` | {} | {required}{text} |", kind(field)).unwrap();
    }
    let rules: Vec<_> = schema.x_kubernetes_validations.iter().flatten().collect();
    if !rules.is_empty() {
        page.push_str("\nThe API server rejects objects that violate one of these rules:\n\n");
    }
    for rule in rules {
        writeln!(page, "* {}.", rule.message.as_deref().unwrap_or_default()).unwrap();
    }
    for (name, field) in fields.iter().filter(|(name, _)| *name != "conditions") {
        match &field.items {
            Some(JSONSchemaPropsOrArray::Schema(items)) => {
                object(page, &format!("{path}.{name}[]"), items)
            }
            _ => object(page, &format!("{path}.{name}"), field),
        }
    }
}

fn kind(schema: &JSONSchemaProps) -> String {
    let own = schema.type_.as_deref().unwrap_or("any");
    match (&schema.items, &schema.additional_properties, schema.format.as_deref()) {
        (Some(JSONSchemaPropsOrArray::Schema(items)), ..) => format!("list of {}", kind(items)),
        (_, Some(_), _) => "map of string".to_owned(),
        (.., Some("date-time")) => "time".to_owned(),
        _ if schema.pattern.as_deref().is_some_and(|p| p.contains("h)?(")) => "duration".to_owned(),
        _ => own.to_owned(),
    }
}
