//! The resources as the API server returns them, in JSON or YAML.

use clap::ValueEnum;
use kube::api::DynamicObject;
use serde_json::{Value, json};
use tempcred_core::api::CredentialStatus;

use crate::commands::terminal::kube::{Connection, cannot, pages};

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

/// The resources as text, and whether all of them are ready.
///
/// # Errors
/// If a request fails, or there is no resource of this name.
pub async fn text(
    connection: &Connection,
    name: Option<&str>,
    all_namespaces: bool,
    format: Format,
) -> anyhow::Result<(String, bool)> {
    let api = connection.api::<DynamicObject>(all_namespaces);
    let mut objects = match name {
        None => pages(&api).await?,
        Some(name) => {
            let found = api.get_opt(name).await.map_err(|error| cannot("read", &error))?;
            vec![found.ok_or_else(|| anyhow::anyhow!(connection.missing(name)))?]
        }
    };
    let all_ready = objects.iter().all(is_ready);
    for object in &mut objects {
        // As kubectl does.
        object.metadata.managed_fields = None;
    }
    let value = match (name, objects.first()) {
        (Some(_), Some(object)) => serde_json::to_value(object)?,
        _ => {
            json!({"apiVersion": "v1", "kind": "List", "items": objects.iter().map(item).collect::<Vec<_>>()})
        }
    };
    let text = match format {
        Format::Yaml => serde_yaml::to_string(&value)?,
        Format::Json | Format::Wide => format!("{}\n", serde_json::to_string_pretty(&value)?),
    };
    Ok((text, all_ready))
}

/// An item of a list: the API server sets the type only on the list.
fn item(object: &DynamicObject) -> Value {
    let mut value = json!(object);
    value["apiVersion"] = "tempcred.dev/v1alpha1".into();
    value["kind"] = "TemporaryCredential".into();
    value
}

fn is_ready(object: &DynamicObject) -> bool {
    let status = object.data.get("status").cloned();
    let status = status.and_then(|status| serde_json::from_value::<CredentialStatus>(status).ok());
    status.as_ref().and_then(CredentialStatus::readiness).is_some_and(|readiness| readiness.ready)
}
