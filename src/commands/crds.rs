//! `tempcred crds`: prints the CustomResourceDefinitions.

/// Prints the CustomResourceDefinitions as YAML to standard output.
///
/// # Errors
/// If they cannot be serialised.
pub fn crds() -> anyhow::Result<()> {
    for crd in tempcred_core::api::crds() {
        print!("---\n{}", serde_yaml::to_string(&crd)?);
    }
    Ok(())
}
